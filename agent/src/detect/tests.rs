//! What rules mean, end to end: from their text to a verdict on an event.

use super::testing::{
    event, exec, in_container, loaded, metadata, open, process, verdict, with_condition,
};
use super::*;
use crate::model::Identity;

#[test]
fn a_missing_field_makes_every_comparison_false() {
    let event = exec(process(10, "sh", &[], None));
    for (condition, expected) in [
        ("proc.pname = x", "false"),
        ("proc.pname != x", "false"),
        ("not (proc.pname = x)", "true"),
        ("not proc.pname != x", "true"),
        ("proc.pname exists", "false"),
        ("not proc.pname exists", "true"),
        ("proc.name != x", "true"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
    }
}

#[test]
fn pending_metadata_is_unknown_and_then_decides() {
    let pending = in_container(exec(process(10, "sh", &[], None)), Identity::Pending);
    let failed = in_container(
        exec(process(10, "sh", &[], None)),
        Identity::Failed("x".into()),
    );
    let known = in_container(exec(process(10, "sh", &[], None)), metadata("nginx"));
    for (condition, while_pending, when_failed, when_known) in [
        (
            "container.image.repository = nginx",
            "unknown",
            "false",
            "true",
        ),
        (
            "container.image.repository != nginx",
            "unknown",
            "false",
            "false",
        ),
        (
            "not container.image.repository = nginx",
            "unknown",
            "true",
            "false",
        ),
        (
            "container.image.repository = nginx and proc.name = bash",
            "false",
            "false",
            "false",
        ),
        (
            "container.image.repository = nginx or proc.name = sh",
            "true",
            "true",
            "true",
        ),
        ("container.id != host", "true", "true", "true"),
        ("container.name exists", "unknown", "false", "true"),
    ] {
        assert_eq!(verdict(condition, &pending), while_pending, "{condition}");
        assert_eq!(verdict(condition, &failed), when_failed, "{condition}");
        assert_eq!(verdict(condition, &known), when_known, "{condition}");
    }
}

#[test]
fn a_finding_shows_what_decided() {
    let Loaded { set, .. } = with_condition(
        "evt.type = openat and not proc.name in (bash, dash) and fd.name startswith /etc/",
    );
    let event = open(process(10, "cat", &[], None), "/etc/shadow", 0);
    let mut outcome = Outcome::default();
    set.evaluate(&event, &mut outcome);
    let finding = set.finding(outcome.matched[0], &event);
    assert_eq!(finding.output, "o cat");
    let shown: Vec<_> = finding
        .evidence
        .iter()
        .map(|term| {
            let value = term.value.as_deref().unwrap_or("-");
            (
                format!("{} {} {}", term.field, term.operator, term.operand),
                value,
                term.negated,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("evt.type = openat".to_owned(), "openat", false),
            ("proc.name in (bash, dash)".to_owned(), "cat", true),
            ("fd.name startswith /etc/".to_owned(), "/etc/shadow", false),
        ]
    );
}

#[test]
fn lists_nest_and_a_later_definition_replaces() {
    let Loaded { set, report } = loaded(
        "- macro: m\n  condition: proc.name in (outer)\n\
         - rule: r\n  desc: d\n  condition: m\n  output: o\n  priority: INFO\n\
         - list: outer\n  items: [inner, z]\n\
         - list: inner\n  items: [a]\n\
         - list: inner\n  items: [b]\n",
    );
    assert!(report.refused.is_empty(), "{}", report.to_text());
    let fires = |name| {
        let mut outcome = Outcome::default();
        set.evaluate(&exec(process(10, name, &[], None)), &mut outcome);
        !outcome.matched.is_empty()
    };
    assert!(fires("b") && fires("z") && !fires("a"));
}

#[test]
fn an_event_type_decides_what_is_evaluated() {
    let Loaded { set, .. } = with_condition("evt.type in (execve, execveat) and evt.dir=<");
    let rule = set.rules().next().unwrap();
    assert_eq!(rule.event_types, EventTypes::EXEC);
    let event = event(
        process(10, "sh", &[], None),
        crate::model::Syscall::Clone,
        crate::model::Payload::Fork,
    );
    let mut outcome = Outcome::default();
    set.evaluate(&event, &mut outcome);
    assert!(outcome.matched.is_empty());
}
