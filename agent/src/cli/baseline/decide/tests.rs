use clap::Parser;

use super::*;
use crate::baseline::file;
use crate::proto::{BaselinePhase, BaselineTrust, DecideBaselineResponse, DecidedBehaviour};

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    args: DecideArgs,
}

fn named(words: &[&str]) -> Result<Named, Failure> {
    let words = std::iter::once("accept").chain(words.iter().copied());
    Typed::try_parse_from(words).unwrap().args.named()
}

const ONE: [&str; 10] = [
    "--workload",
    "image a",
    "--role",
    "root uid0 /a",
    "--phase",
    "run",
    "--class",
    "dns",
    "--object",
    "a.example",
];

#[test]
fn one_thing_is_named_in_whole() {
    assert_eq!(named(&["x-1"]).unwrap(), Named::Alert("x-1".to_owned()));
    let behaviour = BaselineBehaviour {
        role: "root uid0 /a".to_owned(),
        phase: BaselinePhase::Run.into(),
        class: "dns".to_owned(),
        object: "a.example".to_owned(),
    };
    let of = |what| Named::Of("image a".to_owned(), what);
    assert_eq!(named(&ONE).unwrap(), of(What::Behaviour(behaviour)));
    let all = named(&["--workload", "image a", "--all-quarantined"]).unwrap();
    assert_eq!(all, of(What::AllQuarantined(AllQuarantined {})));
    let with = |more: &'static str| [&ONE[..], &[more]].concat();
    for (words, reason) in [
        (vec![], "say which"),
        (vec!["--all-quarantined"], "say which"),
        (ONE[..8].to_vec(), "four parts"),
        (ONE[..2].to_vec(), "four parts"),
        (with("--all-quarantined"), "leave out what names one"),
        (with("x-1"), "leave out the other arguments"),
        (vec!["x-1", "--all-quarantined"], "leave out the other"),
    ] {
        let failure = named(&words).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains(reason), "{words:?}: {failure}");
    }
}

fn answer() -> DecideBaselineResponse {
    let decided = |object: &str, before: BaselineTrust| DecidedBehaviour {
        behaviour: Some(BaselineBehaviour {
            role: "root uid0 /a".to_owned(),
            phase: BaselinePhase::Run.into(),
            class: "dns".to_owned(),
            object: object.to_owned(),
        }),
        before: before.into(),
    };
    DecideBaselineResponse {
        decided: vec![
            decided("a.example", BaselineTrust::NeverLearnt),
            decided("b\u{1b}.example", BaselineTrust::Unspecified),
        ],
        count: 3,
        patch: "workload: image a\nroles:\n- role: root uid0 /a\n  run: {dns: [a.example]}\n"
            .to_owned(),
        reviewed: true,
        restarted: Some(prost_types::Timestamp::default()),
        never_learnt: 2,
        by_file: false,
    }
}

#[test]
fn what_is_printed_is_a_reviewed_file() {
    let text = report::text("image a", BaselineDecision::Accept, &answer());
    let (workload, profile) = file::read(&text, "patch.yaml").unwrap();
    assert_eq!((workload.text(), profile.is_reviewed()), ("image a", true));
    let comments: Vec<_> = text
        .lines()
        .take_while(|line| line.starts_with('#'))
        .collect();
    assert_eq!(
        comments,
        [
            "# accepted 3 behaviours of 'image a':",
            "#   run dns a.example of root uid0 /a (was never learnt)",
            "#   run dns b\\x1b.example of root uid0 /a (was not known)",
            "#   and 1 more",
            "# the workload counts as changed: its classes arm anew",
            "# 2 of its behaviours never become ordinary: decide of each by itself",
            "# the reviewed file of this workload is to say the same: merge this into it",
        ]
    );
}

#[test]
fn json_has_the_patch_and_what_was_before() {
    let answer = answer();
    let document = report::Document::of("image a", BaselineDecision::Reject, &answer);
    let document = serde_json::to_value(document).unwrap();
    assert_eq!(document["decision"], "rejected");
    assert_eq!(document["decided"][0]["before"], "never_learnt");
    assert_eq!(document["decided"][1]["before"], serde_json::Value::Null);
    assert_eq!(document["patch"], answer.patch);
    assert_eq!(document["restarted"], "1970-01-01T00:00:00Z");
}

#[test]
fn an_alert_of_many_says_how_to_decide_of_all() {
    let mut told = Told::default();
    told.evidence.workload = "image it's".to_owned();
    let failure = of_many(&told, BaselineDecision::Reject).to_string();
    assert!(
        failure.contains(r"baseline reject --workload 'image it'\''s' --all-quarantined"),
        "{failure}"
    );
}
