use super::*;
use crate::proto::baseline_prediction::Per;
use crate::proto::{
    Alert, BaselineClass, BaselineEvidence, BaselineExposure, BaselineKind, BaselineKnowledge,
    BaselineNearest, BaselinePhase, BaselinePrediction, BaselineState, BaselineSummary,
    BaselineTrust, Container, Severity,
};

fn told() -> Told {
    Told {
        alert: Alert {
            id: "00000000000000aa-7".to_owned(),
            time: Some(prost_types::Timestamp::default()),
            severity: Severity::Warning.into(),
            container: Some(Container {
                name: "web".to_owned(),
                ..Container::default()
            }),
            ..Alert::default()
        },
        evidence: BaselineEvidence {
            kind: BaselineKind::New.into(),
            workload: "image nginx".to_owned(),
            class: "file_read".to_owned(),
            phase: BaselinePhase::Run.into(),
            state: BaselineState::Armed.into(),
            role: "root uid0 /usr/sbin/nginx".to_owned(),
            object: "/etc/shadow".to_owned(),
            nearest: Some(BaselineNearest {
                pattern: "/etc/passwd".to_owned(),
                diverging: Some("shadow".to_owned()),
            }),
            watched: Some(BaselineExposure {
                windows: 4_320,
                instances: 2,
                starts: 3,
                seconds: 259_200,
            }),
            predicted: Some(prediction()),
            tainted: true,
            ..BaselineEvidence::default()
        },
    }
}

fn prediction() -> BaselinePrediction {
    BaselinePrediction {
        per: Per::Day.into(),
        expected: 0.0,
        bound: 0.999,
    }
}

fn now(trust: BaselineTrust) -> GetBaselineResponse {
    let class = |class: &str, phase: BaselinePhase| BaselineClass {
        phase: phase.into(),
        class: class.to_owned(),
        state: BaselineState::Armed.into(),
        behaviours: 40,
        quarantined: 1,
        predicted: Some(prediction()),
        ..BaselineClass::default()
    };
    GetBaselineResponse {
        baseline: Some(BaselineSummary {
            classes: vec![
                class("file_read", BaselinePhase::Start),
                class("file_read", BaselinePhase::Run),
            ],
            ..BaselineSummary::default()
        }),
        knowledge: Some(BaselineKnowledge {
            role_known: true,
            trust: trust.into(),
            pattern: "/etc/shadow".to_owned(),
            windows: 1,
            instances: 3,
            last: Some(prost_types::Timestamp::default()),
            ..BaselineKnowledge::default()
        }),
    }
}

#[test]
fn an_alert_is_told_in_words() {
    let told = told();
    let now = now(BaselineTrust::Quarantined);
    assert_eq!(
        Story::of(&told, Some(&now)).text(),
        "\
00000000000000aa-7 WARNING 1970-01-01T00:00:00Z
  workload image nginx, container web
  role     root uid0 /usr/sbin/nginx
  class    file_read, in the run phase
  object   /etc/shadow
Why it was told
  The workload had never done it.
  The class was armed: enough was known to tell what is new, and to quarantine it.
  The workload had been watched for 3 d in 4320 windows of 2 containers, and in 3 starts.
  Of new behaviours there were 0.0 expected, at most 1.0 a day of one container (95 %).
  A rule had matched the process, or one that it descends from: nothing of it is learnt.
Nearest to it
  /etc/passwd, from which it differs at shadow
Now
  It is in quarantine: nobody has decided of it; it came in 1 windows or starts and at least 3 containers, last at 1970-01-01T00:00:00Z.
  The class is armed with 40 behaviours, 1 of them in quarantine; 0.0 expected, at most 1.0 a day of one container (95 %).
What to do
  If it belongs to the workload, this makes it known, and prints what a reviewed file needs:
    gravlens baseline accept 00000000000000aa-7
  If it does not, this has it told whenever it comes:
    gravlens baseline reject 00000000000000aa-7
"
    );
}

#[test]
fn who_decided_is_told() {
    let told = told();
    let said = |now: &GetBaselineResponse| Story::of(&told, Some(now)).now().swap_remove(0);
    let mut of = now(BaselineTrust::Rejected);
    let knowledge = of.knowledge.as_mut().unwrap();
    knowledge.by_file = true;
    assert_eq!(
        said(&of),
        "It is rejected by the reviewed file, as /etc/shadow."
    );
    let knowledge = of.knowledge.as_mut().unwrap();
    (knowledge.by_file, knowledge.decided) = (false, Some(prost_types::Timestamp::default()));
    assert_eq!(
        said(&of),
        "It is rejected by an operator at 1970-01-01T00:00:00Z, as /etc/shadow."
    );
    let mut unknown = now(BaselineTrust::Unspecified);
    assert_eq!(said(&unknown), "It is not known.");
    unknown.knowledge.as_mut().unwrap().role_known = false;
    assert_eq!(said(&unknown), "It is not known, nor is its role.");
    let gone = Story::of(&told, None).now();
    assert_eq!(gone, ["The agent does not know the workload any more."]);
}

#[test]
fn what_tells_of_many_is_decided_as_a_whole() {
    let mut told = told();
    (told.evidence.role, told.evidence.object) = (String::new(), String::new());
    let text = Story::of(&told, None).text();
    assert!(!text.contains("object"), "{text}");
    let accept = "gravlens baseline accept --workload 'image nginx' --all-quarantined";
    assert!(text.contains(accept), "{text}");
    told.evidence.count = 7;
    told.evidence.samples = vec!["file_read /a".to_owned(), "file_read /b\u{1b}".to_owned()];
    let what = "together 7 behaviours, such as file_read /a, file_read /b\\x1b\n";
    let text = Story::of(&told, None).text();
    assert!(text.contains(what), "{text}");
}

#[test]
fn json_has_then_and_now() {
    let told = told();
    let now = now(BaselineTrust::Quarantined);
    let document = serde_json::to_value(Document::of(&told, Some(&now))).unwrap();
    assert_eq!(document["kind"], "new");
    assert_eq!(document["nearest"]["diverging"], "shadow");
    assert_eq!(document["now"]["behaviour"]["trust"], "quarantined");
    assert_eq!(document["now"]["class"]["phase"], "run");
    assert_eq!(
        document["accept"],
        "gravlens baseline accept 00000000000000aa-7"
    );
    let gone = serde_json::to_value(Document::of(&told, None)).unwrap();
    assert_eq!(gone["now"], serde_json::Value::Null);
}
