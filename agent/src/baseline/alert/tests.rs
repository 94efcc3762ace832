use std::collections::BTreeMap;

use super::*;
use crate::baseline::completeness::Incidence;
use crate::baseline::{Class, Role, Workload};
use crate::detect::testing::{open, process};
use crate::model::Priority;

/// The learner's verdict on a file that an armed server never read.
fn novel() -> Novel {
    Novel {
        kind: Kind::New,
        class: Class::FileRead,
        phase: Phase::Run,
        state: State::Armed,
        workload: Workload::from_text("image web"),
        event: open(process(100, "server", &[], None), "/etc/shadow", 0),
        waited: false,
        role: Role::from_text("root uid0 /usr/bin/server"),
        object: "/etc/shadow".to_owned(),
        nearest: Some(Nearest {
            pattern: "/etc/server.conf".to_owned(),
            matched: 1,
            diverging: Some("shadow".to_owned()),
        }),
        evidence: Evidence {
            windows: 1_440,
            instances: 2,
            seconds: 86_400,
            starts: 1,
        },
        prediction: Some(Prediction {
            unit: Unit::Window,
            expected: 0.25,
            bound: 0.71,
            units: 1_440,
            instances: 2,
            seconds: 86_400,
            incidence: Incidence::default(),
        }),
        tainted: false,
        count: 0,
        samples: Vec::new(),
    }
}

fn told(novel: &Novel) -> (Finding, BaselineEvidence) {
    let finding = finding(novel, "sha256:0011".into());
    let evidence = finding.baseline.as_deref().unwrap().clone();
    (finding, evidence)
}

#[test]
fn a_finding_has_what_stands_behind_it() {
    let (finding, evidence) = told(&novel());
    assert_eq!(finding.rule.name, "Baseline: new behaviour (file_read)");
    assert_eq!(finding.rule.priority, Priority::Notice);
    assert_eq!(finding.rule.tags, ["baseline", "file_read", "T1005"]);
    assert_eq!(finding.rule.attack_ids, ["T1005"]);
    assert_eq!(&*finding.rule.set_digest, "sha256:0011");
    assert_eq!(
        finding.output,
        "Baseline of image web: new file_read in the run phase: /etc/shadow by root uid0 \
         /usr/bin/server; nearest known is /etc/server.conf, it differs at shadow; the class is armed \
         after 1440 windows of 2 containers in 24 h and 1 start; 0.2 new expected, at most 0.8 a day of \
         one container (95 %)"
    );
    assert_eq!(evidence.nearest.unwrap().pattern, "/etc/server.conf");
    assert_eq!(evidence.watched.seconds, 86_400);
    assert_eq!(evidence.predicted.unwrap().per, PredictedPer::Day);
}

#[test]
fn what_is_not_known_is_left_out() {
    let (finding, evidence) = told(&Novel {
        kind: Kind::Grave,
        class: Class::RareCall,
        phase: Phase::Start,
        state: State::Cold,
        object: "ptrace".to_owned(),
        nearest: None,
        evidence: Evidence {
            windows: 0,
            instances: 0,
            seconds: 0,
            starts: 0,
        },
        prediction: None,
        tainted: true,
        ..novel()
    });
    assert_eq!(
        finding.output,
        "Baseline of image web: never ordinary rare_call in the start phase: ptrace by root uid0 \
         /usr/bin/server; the class is cold, nothing was watched before; a rule has matched the process \
         or one before it"
    );
    assert!(evidence.predicted.is_none() && evidence.tainted);
}

/// The throttle and the filters know a rule by its name.
#[test]
fn a_name_stands_for_one_kind_class_and_priority() {
    let kinds = [
        Kind::New,
        Kind::Quarantined,
        Kind::Unestablished,
        Kind::Returning,
        Kind::Grave,
        Kind::Rejected,
        Kind::Flood,
    ];
    let states = [
        State::Cold,
        State::Learning,
        State::Provisional,
        State::Armed,
        State::Locked,
    ];
    let mut by_name = BTreeMap::new();
    for kind in kinds {
        for class in Class::ALL {
            for state in states {
                let novel = Novel {
                    kind,
                    class,
                    state,
                    ..novel()
                };
                let rule = told(&novel).0.rule;
                assert_eq!(rule.priority, novel.priority());
                let same = (kind, class, rule.priority);
                let first = *by_name.entry(rule.name.clone()).or_insert(same);
                assert_eq!(first, same, "{}", rule.name);
            }
        }
    }
    assert!(by_name.contains_key("Baseline: new behaviour, not armed (exec)"));
    assert!(by_name.len() >= kinds.len() * Class::ALL.len());
}
