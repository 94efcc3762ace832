use super::*;
use crate::baseline::evidence::NodeId;
use crate::baseline::file;

/// A reviewed one.
fn profile() -> (Workload, Profile) {
    let text = "\
workload: image web
roles:
  - role: root uid0 /bin/web
    run:
      file_read:
        - /etc/web.conf
";
    file::read(text, "f.yaml").unwrap()
}

fn settings() -> LearnSettings {
    LearnSettings {
        node: NodeId(1),
        ..LearnSettings::default()
    }
}

fn rate(expected: f64, bound: f64) -> Option<Rate> {
    Some(Rate { expected, bound })
}

#[test]
fn what_is_armed_needs_nothing_more() {
    let (workload, known) = profile();
    let profiles = BTreeMap::from([(workload, known)]);
    let learner = Learner::new(settings(), profiles);
    let mut report = Report::default();
    report.conclude(learner.profiles(), &settings());
    let class = &report.workloads[0].classes[0];
    assert_eq!((class.state, &class.armed[..]), ("locked", "is"));
    let text = report.text();
    assert!(text.contains("neither a window nor a start"), "{text}");
}

#[test]
fn a_day_and_a_start_are_told_apart() {
    let mut report = WorkloadReport::of(&profile().0, &Profile::default(), 1, &settings());
    let claims = [
        (rate(0.4, 1.11), rate(0.0, 1.0)),
        (rate(0.4, 1.11), None),
        (None, rate(0.0, 1.0)),
    ];
    let claims = claims.map(|(a_day, a_start)| {
        (report.a_day, report.a_start) = (a_day, a_start);
        report.claim()
    });
    assert_eq!(
        claims,
        [
            "arming all classes now means 0.4 alerts a day, at most 1.2 (95 %), and 0.0 alerts a start of a \
             container, at most 1.0 (95 %)",
            "arming all classes now means 0.4 alerts a day, at most 1.2 (95 %); no start was seen whole",
            "arming all classes now means 0.0 alerts a start of a container, at most 1.0 (95 %); no window \
             after it was seen whole",
        ]
    );
}
