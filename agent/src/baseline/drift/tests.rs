use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::baseline::evidence::InstanceId;

fn seen(times: &[u64]) -> Seen {
    let mut seen = Seen::default();
    times
        .iter()
        .for_each(|time| seen.observe(*time, InstanceId(1), 1));
    seen
}

#[test]
fn a_behaviour_ages_by_its_own_gaps() {
    let daily = seen(&[0, DAY, 2 * DAY]);
    assert_eq!(ttl(&daily), LEAST_TTL);
    let end = 2 * DAY + LEAST_TTL;
    assert_eq!(age(&daily, end), Age::Known);
    assert_eq!(age(&daily, end + 1), Age::Tombstone);
    assert_eq!(age(&daily, end + TOMBSTONE_KEPT + 1), Age::Gone);

    let mut quarterly = seen(&[0, 91 * DAY]);
    assert_eq!(age(&quarterly, 300 * DAY), Age::Known);
    quarterly.observe(900 * DAY, InstanceId(1), 1);
    // Years are not remembered as such.
    assert_eq!(ttl(&quarterly), 1_600 * DAY);
    assert_eq!(age(&Seen::default(), 0), Age::Gone);
}

#[test]
fn what_nobody_watched_is_stale() {
    assert!(!is_stale(100, 50));
    assert!(!is_stale(100, 100 + STALE));
    assert!(is_stale(100, 101 + STALE));
}

#[test]
fn a_surge_is_told_once_and_ends_when_it_has_passed() {
    let start = 1_000 * DAY;
    let mut watch = Watch::new(DAY, start, 1.0);
    let mut changes = Vec::new();
    for window in 0..400 {
        let time = start + 600 * window;
        if (100..140).contains(&window) {
            watch.novelty(time);
        }
        changes.extend(watch.judge(time, 5.0).map(|change| (window, change)));
    }
    let [
        (
            began,
            Change::Began {
                observed,
                bound,
                probability,
            },
        ),
        (ended, Change::Ended),
    ] = changes[..]
    else {
        panic!("{changes:?}");
    };
    assert_eq!((began, observed, bound), (105, 6, 1.0));
    assert!((5e-4..1e-3).contains(&probability));
    // A day after the last but three, for three in a day are ordinary at a bound of 1 or 5.
    assert!((270..290).contains(&ended), "{ended}");
    assert!(!watch.is_drifting());
}

#[test]
fn the_prediction_is_from_before_the_surge() {
    let start = 1_000 * DAY;
    let mut watch = Watch::new(DAY, start, 1.0);
    // A day later the novelties have raised the bound: too late to excuse them.
    (0..6).for_each(|hour| watch.novelty(start + 18 * 3_600 + hour * 3_600));
    assert!(matches!(
        watch.judge(start + DAY, 9.0),
        Some(Change::Began { .. })
    ));
}

#[test]
fn a_few_are_told_one_by_one() {
    let mut watch = Watch::new(DAY, 0, 1e-6);
    watch.novelty(1);
    watch.novelty(2);
    assert_eq!(watch.judge(3, 1e-6), None);
    watch.novelty(4);
    assert!(watch.judge(5, 1e-6).is_some());
    assert_eq!(watch.judge(6, 1e-6), None);
}

#[test]
fn old_novelties_fall_out() {
    let mut recent = Watch::new(240, 0, 1.0).recent;
    (0..240).for_each(|second| recent.add(second));
    assert_eq!(recent.count(239), 240);
    assert_eq!(recent.count(249), 230);
    recent.add(0);
    assert_eq!(recent.count(249), 230);
    assert_eq!(recent.count(u64::MAX), 0);
    recent.add(u64::MAX);
    assert_eq!(recent.count(0), 1);
}

proptest! {
    #[test]
    fn no_time_and_no_bound_is_too_odd(
        period: u64, begin: u64, steps in vec((any::<u64>(), any::<u64>(), any::<bool>()), 0..60),
    ) {
        let mut watch = Watch::new(period, begin, f64::from_bits(begin));
        let mut drifting = false;
        for (time, bits, novel) in steps {
            if novel {
                watch.novelty(time);
            }
            match watch.judge(time, f64::from_bits(bits)) {
                Some(Change::Began { probability, .. }) => {
                    prop_assert!(!drifting && probability < SURGE);
                    drifting = true;
                }
                Some(Change::Ended) => {
                    prop_assert!(drifting);
                    drifting = false;
                }
                None => {}
            }
            prop_assert_eq!(watch.is_drifting(), drifting);
        }
        let odd = seen(&[begin, period]);
        age(&odd, begin);
        is_stale(begin, period);
    }

    #[test]
    fn the_count_is_that_of_the_last_period(
        times in vec(0..5_000_u64, 0..80), now in 5_000..9_000_u64,
    ) {
        let mut times = times;
        times.sort_unstable();
        let mut recent = Watch::new(2_400, 0, 1.0).recent;
        times.iter().for_each(|time| recent.add(*time));
        let young = times.iter().filter(|time| now / 100 - **time / 100 < 24).count();
        prop_assert_eq!(recent.count(now), young as u64);
    }
}
