use proptest::prelude::*;

use super::*;
use crate::baseline::completeness::Incidence;
use crate::baseline::evidence::{InstanceId, NodeId};

const NODE: NodeId = NodeId(1);

/// So many hours of so many instances, in windows of ten minutes, and a start of each.
fn watched(hours: u64, instances: u64) -> Exposure {
    let mut exposure = Exposure::default();
    watch(&mut exposure, 1_000, hours, instances);
    exposure
}

fn watch(exposure: &mut Exposure, from: u64, hours: u64, instances: u64) {
    for instance in 0..instances {
        exposure.start(NODE, InstanceId(instance), from, from + 60);
    }
    for window in 0..6 * hours {
        for instance in 0..instances {
            let begin = from + 600 * window;
            exposure.whole_window(NODE, InstanceId(instance), begin, begin + 600);
        }
    }
}

fn predict(unit: Unit, singletons: u64, exposure: &Exposure) -> Option<Prediction> {
    let incidence = Incidence {
        behaviours: singletons,
        singletons,
        ..Incidence::default()
    };
    Prediction::new(unit, incidence, exposure)
}

fn case<'a>(exposure: &'a Exposure, prediction: &'a Option<Prediction>) -> Case<'a> {
    Case {
        exposure,
        prediction: prediction.as_ref(),
        flags: Flags::default(),
        starts_waived: false,
        locked: false,
    }
}

fn state(from: State, case: &Case<'_>) -> State {
    let since = case.exposure.since();
    next(Standing { state: from, since }, case, &Settings::default()).state
}

#[test]
fn a_class_climbs_with_its_exposure() {
    let reached = |hours, instances, singletons| {
        let exposure = watched(hours, instances);
        let prediction = predict(Unit::Window, singletons, &exposure);
        state(State::Cold, &case(&exposure, &prediction))
    };
    assert_eq!(reached(0, 3, 0), State::Cold);
    assert_eq!(reached(1, 1, 0), State::Learning);
    assert_eq!(reached(5, 1, 0), State::Provisional);
    assert_eq!(reached(5, 1, 3), State::Learning);
    assert_eq!(reached(24, 3, 0), State::Armed);
    assert_eq!(reached(24, 3, 1), State::Provisional);
    // The bound is met, but a daily job had no chance.
    assert_eq!(reached(8, 10, 0), State::Provisional);
    // One start tells little of starting.
    assert_eq!(reached(96, 1, 0), State::Provisional);
}

#[test]
fn starts_can_be_waived_and_the_horizon_chosen() {
    let exposure = watched(96, 1);
    let run = predict(Unit::Window, 0, &exposure);
    let start = predict(Unit::Start, 50, &exposure);
    for prediction in [run, start] {
        let waived = Case {
            starts_waived: true,
            ..case(&exposure, &prediction)
        };
        assert_eq!(state(State::Cold, &waived), State::Armed);
        assert_ne!(
            state(State::Cold, &case(&exposure, &prediction)),
            State::Armed
        );
    }
    let exposure = watched(8, 10);
    let prediction = predict(Unit::Window, 0, &exposure);
    let settings = Settings {
        horizon: 8 * 3_600,
        ..Settings::default()
    };
    let reached = next(
        Standing::default(),
        &case(&exposure, &prediction),
        &settings,
    );
    assert_eq!(reached.state, State::Armed);
}

#[test]
fn the_start_phase_counts_starts() {
    let reached = |instances, singletons| {
        let exposure = watched(25, instances);
        let prediction = predict(Unit::Start, singletons, &exposure);
        state(State::Cold, &case(&exposure, &prediction))
    };
    assert_eq!(reached(1, 0), State::Learning);
    assert_eq!(reached(2, 20), State::Provisional);
    assert_eq!(reached(2, 21), State::Learning);
    assert_eq!(reached(3, 0), State::Armed);
    assert_eq!(reached(3, 1), State::Provisional);
    assert_eq!(reached(5, 1), State::Armed);
    // They have to be spread over the horizon.
    let at_once = watched(1, 5);
    let prediction = predict(Unit::Start, 0, &at_once);
    let case = case(&at_once, &prediction);
    assert_eq!(state(State::Cold, &case), State::Provisional);
}

#[test]
fn neither_news_nor_flags_undo_arming() {
    let exposure = watched(24, 3);
    let prediction = predict(Unit::Window, 9, &exposure);
    let flags = Flags {
        lossy: true,
        drifting: true,
        full: true,
        stale: true,
    };
    let flagged = Case {
        flags,
        ..case(&exposure, &prediction)
    };
    assert_eq!(state(State::Armed, &flagged), State::Armed);
    assert_eq!(state(State::Provisional, &flagged), State::Provisional);
}

#[test]
fn drift_and_age_keep_a_class_from_arming() {
    let exposure = watched(24, 3);
    let prediction = predict(Unit::Window, 0, &exposure);
    for (drifting, stale) in [(true, false), (false, true)] {
        let flags = Flags {
            drifting,
            stale,
            ..Flags::default()
        };
        let flagged = Case {
            flags,
            ..case(&exposure, &prediction)
        };
        assert_eq!(state(State::Learning, &flagged), State::Provisional);
    }
}

#[test]
fn a_restart_lets_the_class_arm_anew() {
    let settings = Settings::default();
    let mut exposure = watched(24, 3);
    let prediction = predict(Unit::Window, 0, &exposure);
    let armed = next(
        Standing::default(),
        &case(&exposure, &prediction),
        &settings,
    );
    assert_eq!(armed.state, State::Armed);

    exposure.restart(100_000);
    let learning = next(armed, &case(&exposure, &None), &settings);
    assert_eq!(learning.state, State::Learning);
    // The same when nobody looked between the restart and the first window.
    watch(&mut exposure, 100_000, 1, 3);
    let prediction = predict(Unit::Window, 0, &exposure);
    let anew = case(&exposure, &prediction);
    assert_eq!(
        next(learning, &anew, &settings),
        next(armed, &anew, &settings)
    );
    assert_eq!(next(armed, &anew, &settings).state, State::Provisional);
}

#[test]
fn a_lock_holds_until_the_operator_opens_it() {
    let exposure = watched(24, 3);
    let prediction = predict(Unit::Window, 9, &exposure);
    let locked = Case {
        locked: true,
        ..case(&exposure, &prediction)
    };
    assert_eq!(state(State::Cold, &locked), State::Locked);
    assert_eq!(
        state(State::Locked, &case(&exposure, &prediction)),
        State::Provisional
    );
}

#[test]
fn what_is_missing_is_told() {
    let settings = Settings::default();
    let eta = |hours, instances, live| {
        let exposure = watched(hours, instances);
        let prediction = predict(Unit::Window, 0, &exposure);
        let prediction = prediction.unwrap();
        let case = Case {
            exposure: &exposure,
            prediction: None,
            flags: Flags::default(),
            starts_waived: false,
            locked: false,
        };
        case.eta(&prediction, &settings, live).to_string()
    };
    assert_eq!(eta(24, 3, 3), "now");
    assert_eq!(eta(8, 10, 10), "in 16 h");
    assert_eq!(eta(62, 1, 1), "in 9.9 h and after 2 more starts");
    assert_eq!(eta(80, 1, 1), "after 2 more starts");
    assert_eq!(eta(2, 10, 5), "in 22 h");
    let never = Eta {
        time: None,
        starts: 0,
    };
    assert_eq!(never.to_string(), "never");
}

proptest! {
    #[test]
    fn no_setting_is_too_odd(
        bits in proptest::array::uniform3(any::<u64>()), numbers in proptest::array::uniform5(any::<u64>()),
        live: u32, waived: bool, singletons: u64,
    ) {
        let [arm_bound, start_bound, provisional_bound] = bits.map(f64::from_bits);
        let [horizon, starts, provisional_windows, begin, end] = numbers;
        let settings = Settings {
            arm_bound, start_bound, horizon, starts, provisional_bound, provisional_windows,
        };
        let mut exposure = Exposure::default();
        exposure.whole_window(NODE, InstanceId(1), begin, end);
        exposure.start(NODE, InstanceId(1), begin, end);
        for unit in [Unit::Start, Unit::Window] {
            let prediction = predict(unit, singletons, &exposure);
            let case = Case { starts_waived: waived, ..case(&exposure, &prediction) };
            let reached = next(Standing::default(), &case, &settings);
            prop_assert_eq!(prediction.is_none(), reached.state == State::Cold);
            prop_assert_eq!(next(reached, &case, &settings), reached);
            if let Some(prediction) = &prediction {
                prop_assert!(!case.eta(prediction, &settings, live).to_string().is_empty());
            }
        }
    }
}
