use super::*;
use crate::proto::event::Payload;
use crate::proto::{Container, Event, Executable, Identity, OpenPayload, Path, Process, Rule};

const RULES: &str = "\
- rule: 'Files read: \"all\"'
  desc: d
  condition: evt.type = openat and fd.name startswith /etc/
  output: o
  priority: WARNING
";

const SIGMA: &str = "\
title: Files read
id: 0a1b2c3d-1111-2222-3333-444455556666
logsource: {category: file_event, product: linux}
detection:
    selection:
        TargetFilename|startswith: /etc/
    condition: selection
level: high
";

/// An alert whose values try to be more than values.
fn alert(command_line: &str) -> Alert {
    let path = |text: &str| {
        Some(Path {
            text: text.to_owned(),
            ..Path::default()
        })
    };
    let mut container = Container {
        image_repository: "docker.io/redis".to_owned(),
        ..Container::default()
    };
    container.set_identity(Identity::Full);
    Alert {
        id: "00000000000000ab-7".to_owned(),
        rule: Some(Rule {
            name: "Files read: \"all\"".to_owned(),
            language: "falco".to_owned(),
            ..Rule::default()
        }),
        container: Some(container),
        process: Some(Process {
            name: "cat".to_owned(),
            command_line: command_line.to_owned(),
            executable: Some(Executable {
                path: path("/bin/cat"),
                ..Executable::default()
            }),
            ..Process::default()
        }),
        event: Some(Event {
            r#type: "openat".to_owned(),
            payload: Some(Payload::Open(OpenPayload {
                path: path("/etc/shadow"),
                ..OpenPayload::default()
            })),
            ..Event::default()
        }),
        ..Alert::default()
    }
}

fn item<'a>(alert: &'a Alert, proposal: &'a Proposal) -> Item<'a> {
    Item {
        alert,
        proposal,
        owner: Some("me: # I".to_owned()),
        reason: Some("it's \"fine\"\nfor now".to_owned()),
        expires: Some("2999-12-31".to_owned()),
    }
}

fn rules(text: &str) -> RuleFile {
    RuleFile {
        path: "rules.yaml".to_owned(),
        text: text.to_owned(),
    }
}

/// Loads the rules with the item in a file that has some text already.
fn tried(before: &str, item: &Item<'_>) -> Result<Checked, Failure> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("local.yaml");
    std::fs::write(&path, before).unwrap();
    let file = LocalFile::read(&path).unwrap();
    let files = file.among(vec![rules(RULES), rules(SIGMA)], &file.with(&item.text()));
    checked(&files, &file, false, item)
}

#[test]
fn an_exception_hides_its_alert_whatever_the_values_are() {
    for command_line in [
        "cat /etc/shadow",
        "cat \"a\" 'b' $(c) {d}",
        "\"quoted\" cat",
        "(cat, dog)",
        "'cat",
        "tolower(x)",
        "- cat: [x, #y]",
        "cat \\x \\\\ %s %% ~ é\u{202e}",
        "in (a)",
        "cat ",
    ] {
        let alert = alert(command_line);
        for proposal in proposal::proposals(&alert) {
            let item = item(&alert, &proposal);
            let checked =
                tried("", &item).unwrap_or_else(|failure| panic!("{command_line}: {failure}"));
            assert!(!checked.is_loaded);
        }
    }
}

#[test]
fn a_filter_hides_its_alert_whatever_the_values_are() {
    for command_line in [
        "cat /etc/shadow",
        "cat * ? \\* \\\\? \\",
        "CAT \"a\" 'b' $(c) {d}: #e",
        "cat \\x é\u{202e}",
        "cat ",
    ] {
        let mut alert = alert(command_line);
        alert.rule = Some(Rule {
            name: "Files read".to_owned(),
            id: "0a1b2c3d-1111-2222-3333-444455556666".to_owned(),
            language: "sigma".to_owned(),
            ..Rule::default()
        });
        for proposal in proposal::proposals(&alert) {
            let item = item(&alert, &proposal);
            let before = "- rule: mine\n  desc: d\n  condition: evt.type = openat and fd.name = /x\n  \
                          output: o\n  priority: INFO\n";
            let checked = tried(before, &item).unwrap_or_else(|failure| panic!("{failure}"));
            assert!(checked.report.warnings.is_empty(), "{:?}", checked.report);
        }
    }
}

#[test]
fn what_stands_in_the_file_stays_and_must_load() {
    let alert = alert("cat x");
    let proposals = proposal::proposals(&alert);
    let item = item(&alert, &proposals[0]);
    assert!(tried("- list: mine\n  items: [a]", &item).is_ok());
    // One exception of the name is there already.
    let twice = tried(&item.text(), &item).err().unwrap();
    assert!(twice.to_string().contains("exists already"), "{twice}");
    let broken = tried("- rule: [\n", &item).err().unwrap();
    assert_eq!(broken.exit(), Exit::RulesRefused);
}

#[test]
fn an_exception_of_an_unknown_rule_is_refused() {
    let mut alert = alert("cat x");
    alert.rule.as_mut().unwrap().name = "Gone".to_owned();
    let proposals = proposal::proposals(&alert);
    let refused = tried("", &item(&alert, &proposals[0])).err().unwrap();
    assert!(refused.to_string().contains("no rule 'Gone'"), "{refused}");
}

#[test]
fn the_report_tells_what_is_hidden_and_what_is_not() {
    let alert = alert("cat x");
    let other = self::alert("cat y");
    let proposals = proposal::proposals(&alert);
    let history = [&alert, &alert, &other].map(|alert| history::Recorded {
        alert: alert.clone(),
        rolled_up: 3,
    });
    let text = item(&alert, &proposals[0]).text();
    let report = Report::new(&alert, &proposals, &proposals[0], &history, text.clone());
    let shown = report.to_text();
    assert!(
        shown.contains("* 1 this image, program, command line and file: 2 hidden, 1 kept; 6 more were rolled up"),
        "{shown}"
    );
    assert!(
        shown.contains("  2 this image, program and file: 3 hidden, 0 kept"),
        "{shown}"
    );
    assert!(
        shown.contains("Would have been raised all the same: 1"),
        "{shown}"
    );
    assert!(
        shown.contains(&text) && shown.contains("Nothing was written"),
        "{shown}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["alerts"][2]["effect"], "kept");
    assert_eq!(json["proposals"][0]["hidden"], 2);
}

#[test]
fn built_in_rules_have_no_exceptions() {
    assert!(can_have_exceptions("r", "falco").is_ok());
    assert!(can_have_exceptions("r", "sigma").is_ok());
    let own = can_have_exceptions("r", "built-in").unwrap_err();
    assert!(own.to_string().contains("the sensor itself"), "{own}");
    let learnt = can_have_exceptions("r", "baseline").unwrap_err();
    assert!(
        learnt.to_string().contains("the workload's profile"),
        "{learnt}"
    );
}
