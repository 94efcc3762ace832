use proptest::prelude::*;

use super::*;
use crate::baseline::evidence::{Decision, InstanceId, Marks, NodeId, WindowId};

fn seen(first: u64, windows: &[u64]) -> Seen {
    let mut seen = Seen::default();
    seen.observe(first, InstanceId(1), 1);
    windows.iter().for_each(|id| seen.count(WindowId(*id)));
    seen
}

/// So many windows of a minute, one after the other, of each of so many instances.
fn watched(windows: u64, instances: u64) -> Exposure {
    let mut exposure = Exposure::default();
    for window in 0..windows {
        for instance in 0..instances {
            let begin = 1_000 + 60 * window;
            exposure.whole_window(NodeId(1), InstanceId(instance), begin, begin + 60);
        }
    }
    exposure
}

fn scattered(singletons: u64) -> Incidence {
    Incidence {
        behaviours: singletons,
        singletons,
        ..Incidence::default()
    }
}

#[test]
fn singletons_are_what_came_in_one_unit_and_could_be_learnt() {
    let mut rejected = seen(10, &[9]);
    rejected.decide(Decision::Rejected, 20);
    let mut never = seen(10, &[9]);
    never.marks = Marks::NEVER_LEARNT;
    let mut quarantined = seen(10, &[8]);
    quarantined.marks = Marks::QUARANTINED;
    let all = [
        seen(10, &[]),
        seen(10, &[1, 1]),
        seen(10, &[1, 2]),
        seen(10, &[1, 2, 3, 4]),
        quarantined,
        rejected,
        never,
        Seen::default(),
    ];
    let incidence = Incidence::tally(&all, 0);
    assert_eq!((incidence.behaviours, incidence.singletons), (5, 2));
    assert_eq!(incidence.doubletons, 1);
    assert_eq!(incidence.dispersion, 1.0);
    assert_eq!(Incidence::tally(&all, 11), Incidence::default());
}

#[test]
fn what_came_together_is_one_witness() {
    let all: Vec<Seen> = (0..12)
        .map(|i| seen(10, &[if i < 10 { 1 } else { i }]))
        .collect();
    let incidence = Incidence::tally(&all, 0);
    assert_eq!(incidence.dispersion, (100.0 + 1.0 + 1.0) / 12.0);
    let exposure = watched(100, 1);
    let clustered = Prediction::new(Unit::Window, incidence, &exposure).unwrap();
    let alone = Prediction::new(Unit::Window, scattered(12), &exposure).unwrap();
    assert_eq!(clustered.expected, alone.expected);
    assert!(clustered.bound > 1.5 * alone.bound);
    assert!(clustered.most(1.0) > alone.most(1.0));
}

#[test]
fn a_day_takes_72_hours_and_ten_replicas_a_tenth() {
    let exposure = watched(72 * 60, 1);
    let prediction = Prediction::new(Unit::Window, scattered(0), &exposure).unwrap();
    assert!(prediction.bound < 1.0 && prediction.bound > 0.99);
    let pooled = watched(432, 10);
    let pooled = Prediction::new(Unit::Window, scattered(0), &pooled).unwrap();
    assert_eq!(pooled.bound, prediction.bound);
    assert_eq!(pooled.of_workload(10).bound, 10.0 * prediction.bound);
}

#[test]
fn three_starts_without_news_are_the_least() {
    let mut exposure = Exposure::default();
    assert!(Prediction::new(Unit::Start, scattered(0), &exposure).is_none());
    for start in 0..3 {
        exposure.start(NodeId(1), InstanceId(start), 10 * start, 10 * start + 5);
    }
    let prediction = Prediction::new(Unit::Start, scattered(0), &exposure).unwrap();
    assert!(prediction.bound <= 1.0);
    let more = Prediction::new(Unit::Start, scattered(3), &exposure).unwrap();
    assert_eq!(
        (more.expected, more.remaining(1.0, 1)),
        (1.0, Remaining::Starts(5))
    );
    assert!(Prediction::new(Unit::Window, scattered(0), &exposure).is_none());
}

#[test]
fn what_remains_is_enough_and_not_more() {
    let exposure = watched(100, 2);
    let prediction = Prediction::new(Unit::Window, scattered(4), &exposure).unwrap();
    let Remaining::Time(time) = prediction.remaining(10.0, 2) else {
        panic!("{prediction}");
    };
    let enough = 12_000 + 2 * time.as_secs();
    let bound = |seconds: u64| prediction.bound * 12_000.0 / seconds as f64;
    assert!(bound(enough) <= 10.0 && bound(enough - 4) > 10.0);
    assert_eq!(prediction.remaining(1e9, 2), Remaining::Nothing);
    assert_eq!(prediction.remaining(0.0, 2), Remaining::Never);
    assert_eq!(prediction.remaining(f64::NAN, 2), Remaining::Never);
    assert_eq!(prediction.remaining(1e-300, 2), Remaining::Never);
}

#[test]
fn a_count_may_exceed_the_rate() {
    let exposure = watched(72 * 60, 1);
    let prediction = Prediction::new(Unit::Window, scattered(0), &exposure).unwrap();
    // Geometric: 1 - (1/4)^(k+1) >= 0.95.
    assert_eq!((prediction.most(1.0), prediction.most(0.0)), (2, 0));
}

#[test]
fn the_richness_is_corrected() {
    let incidence = Incidence {
        behaviours: 100,
        singletons: 10,
        doubletons: 4,
        dispersion: 1.0,
    };
    assert_eq!(incidence.chao2(), 109.0);
    assert_eq!(scattered(0).chao2(), 0.0);
}

#[test]
fn people_can_read_it() {
    let exposure = watched(432, 10);
    let prediction = Prediction::new(Unit::Window, scattered(1), &exposure).unwrap();
    assert_eq!(
        prediction.to_string(),
        "0.3 expected, at most 1.6 a day (95 %), from 4320 windows of 10 containers in 3 d"
    );
    assert_eq!(
        prediction.of_workload(10).to_string(),
        "3.3 expected, at most 15.9 a day of 10 containers (95 %)"
    );
    let mut exposure = watched(1, 20);
    exposure.start(NodeId(1), InstanceId(1), 0, 5);
    let start = Prediction::new(Unit::Start, scattered(0), &exposure).unwrap();
    assert_eq!(
        start.to_string(),
        "0.0 expected, at most 3.0 a start (95 %), from 1 start of at least 16 containers"
    );
    assert_eq!(
        Horizon::new(DAY, &watched(198, 3)).to_string(),
        "horizon 24 h not yet observed (3.3 h so far): what comes once in 24 h cannot be known yet"
    );
    assert_eq!(
        Horizon::new(600, &watched(10, 3)).to_string(),
        "horizon 10 min observed"
    );
    assert_eq!(Lasting(59).to_string(), "59 s");
    assert_eq!(Lasting(5_400).to_string(), "1.5 h");
}

proptest! {
    #[test]
    fn nothing_is_too_much(
        behaviours: u64, singletons: u64, doubletons: u64, dispersion: u64,
        begin: u64, end: u64, live: u32, bits: u64,
    ) {
        let dispersion = f64::from_bits(dispersion);
        let incidence = Incidence { behaviours, singletons, doubletons, dispersion };
        let number = f64::from_bits(bits);
        prop_assert!(incidence.chao2() >= 0.0);
        let mut exposure = Exposure::default();
        exposure.whole_window(NodeId(1), InstanceId(1), begin, end);
        exposure.start(NodeId(1), InstanceId(1), begin, end);
        for unit in [Unit::Start, Unit::Window] {
            let Some(prediction) = Prediction::new(unit, incidence, &exposure) else {
                continue;
            };
            prop_assert!(prediction.bound >= prediction.expected);
            prop_assert!(prediction.expected >= 0.0 && prediction.bound.is_finite());
            let workload = prediction.of_workload(live);
            prop_assert!(workload.bound.is_finite());
            prediction.most(number);
            prediction.remaining(number, live);
            let text = format!("{prediction}{workload}");
            prop_assert!(!text.contains("NaN"));
        }
        prop_assert!(!Horizon::new(bits, &exposure).to_string().is_empty());
    }

    #[test]
    fn clusters_never_lower_the_bound(sizes in proptest::collection::vec(1..30_u64, 1..8)) {
        let all: Vec<Seen> = sizes
            .iter()
            .enumerate()
            .flat_map(|(id, size)| (0..*size).map(move |_| seen(1, &[id as u64])))
            .collect();
        let incidence = Incidence::tally(&all, 0);
        let alone = Incidence { dispersion: 1.0, ..incidence };
        prop_assert!(incidence.limit() >= alone.limit() - 1e-6);
    }
}
