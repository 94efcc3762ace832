use super::*;
use crate::proto::baseline_prediction::Per;
use crate::proto::{
    BaselineEta, BaselineExposure, BaselineLock, BaselinePhase, BaselinePrediction,
};

fn class(name: &str, state: BaselineState) -> BaselineClass {
    BaselineClass {
        phase: BaselinePhase::Run.into(),
        class: name.to_owned(),
        state: state.into(),
        behaviours: 7,
        quarantined: 1,
        predicted: Some(BaselinePrediction {
            per: Per::Day.into(),
            expected: 0.25,
            bound: 1.01,
        }),
        ..BaselineClass::default()
    }
}

fn nginx() -> BaselineSummary {
    let waiting = BaselineClass {
        eta: Some(BaselineEta {
            seconds: Some(7_200),
            starts: 2,
        }),
        ..class("dns", BaselineState::Learning)
    };
    let held = BaselineClass {
        lock: Some(BaselineLock {
            locked: true,
            time: Some(prost_types::Timestamp {
                seconds: i64::MAX,
                nanos: 0,
            }),
        }),
        ..class("exec", BaselineState::Locked)
    };
    BaselineSummary {
        workload: "image nginx".to_owned(),
        instances: 2,
        watched: Some(BaselineExposure {
            windows: 90,
            instances: 3,
            starts: 4,
            seconds: 5_400,
        }),
        behaviours: 21,
        quarantined: 3,
        bytes: 20_481,
        full: true,
        lossy: true,
        classes: vec![class("file_read", BaselineState::Armed), waiting, held],
        ..BaselineSummary::default()
    }
}

#[test]
fn a_list_has_a_line_for_each_workload() {
    let reviewed = BaselineSummary {
        workload: "image \u{1b}x".to_owned(),
        reviewed: true,
        ..BaselineSummary::default()
    };
    assert_eq!(
        text(&[nginx(), reviewed], false),
        "\
WORKLOAD     ALIVE  KNOWN  WAITING  KIB  WATCHED  STATES                         FLAGS
image nginx  2      21     3        21   1.5 h    locked 1, armed 1, learning 1  full lossy
image \\x1bx  0      0      0        0    0 s      -                              reviewed
"
    );
    assert_eq!(text(&[], true), "no workload is known yet\n");
}

#[test]
fn classes_say_what_they_still_need() {
    let text = text(&[nginx()], true);
    let classes = text.split_once("\n\n").unwrap().1;
    assert_eq!(
        classes,
        "\
image nginx
  PHASE  CLASS      STATE     KNOWN  WAITING  EXPECTED  AT MOST  ARMED
  run    file_read  armed     7      1        0.2       1.1      is
  run    dns        learning  7      1        0.2       1.1      in 2 h and after 2 more starts
  run    exec       locked    7      1        0.2       1.1      locked by an operator
"
    );
}

#[test]
fn json_has_everything() {
    let nginx = nginx();
    let document = serde_json::to_value(Document::from(&nginx)).unwrap();
    assert_eq!(document["watched"]["seconds"], 5_400);
    assert_eq!(document["watched"]["since"], serde_json::Value::Null);
    assert_eq!(document["full"], true);
    assert_eq!(document["classes"][0]["state"], "armed");
    assert_eq!(document["classes"][0]["eta"], serde_json::Value::Null);
    assert_eq!(document["classes"][1]["eta"]["starts"], 2);
    assert_eq!(document["classes"][2]["lock"]["locked"], true);
}

#[test]
fn what_is_named_has_to_be_there() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let chosen = choose(vec![nginx()], &names(&["image nginx"])).unwrap();
    assert_eq!(chosen.len(), 1);
    let failure = choose(vec![nginx()], &names(&["nginx"])).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
}
