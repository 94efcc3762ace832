//! What rules mean, end to end: from their text to a verdict on an event.

mod corpus;
mod correlation;
mod dns;
mod fields;
mod fuzz;
mod language;
mod loading;
mod process_fields;
mod sigma;
mod sigma_input;

use std::sync::Arc;

use super::testing::{
    event, exec, in_container, loaded, metadata, open, process, verdict, with_condition,
};
use super::*;
use crate::model::{ContainerView, Identity, Payload, Syscall};

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
        // No arguments are known to be none.
        ("proc.args = \"\" and proc.args != x", "true"),
        ("proc.args[0] exists", "false"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
    }
}

#[test]
fn nothing_is_decided_about_the_container_of_an_unknown_cgroup() {
    let mut event = exec(process(10, "sh", &[], None));
    event.container = ContainerView::Unknown {
        cgroup_id: 7,
        why: None,
    };
    for condition in [
        "container.id = host",
        "container.id != host",
        "container.name = web",
        "container.image.repository in (nginx)",
        "k8s.ns.name = prod",
        "proc.name = sh and container.type = docker",
    ] {
        assert_eq!(verdict(condition, &event), "unknown", "{condition}");
    }
    assert_eq!(
        verdict("proc.name = bash and container.id = host", &event),
        "false"
    );
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
        ("container.name in ()", "false", "false", "false"),
        ("not container.name in ()", "true", "true", "true"),
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
fn an_event_type_decides_what_is_evaluated() {
    let Loaded { set, .. } = with_condition("evt.type in (execve, execveat) and evt.dir=<");
    let rule = set.rules().next().unwrap();
    assert_eq!(rule.event_types, EventTypes::EXEC);
    let event = event(process(10, "sh", &[], None), Syscall::Clone, Payload::Fork);
    let mut outcome = Outcome::default();
    set.evaluate(&event, &mut outcome);
    assert!(outcome.matched.is_empty());
}

#[test]
fn transformers_and_fields_on_the_right_are_evaluated() {
    let parent = Arc::new(process(3, "SH", &[], None));
    let event = exec(process(4, "sh", &["aGVsbG8="], Some(parent)));
    for (condition, expected) in [
        ("tolower(proc.pname) = val(proc.name)", "true"),
        ("proc.pname = toupper(proc.name)", "true"),
        ("b64(proc.args) = hello", "true"),
        ("b64(proc.cwd) exists", "false"),
        (
            "len(proc.args) = 8 and len(proc.args) > len(proc.name)",
            "true",
        ),
        ("basename(proc.exepath) = sh", "true"),
        ("toupper(basename(proc.exepath)) = SH", "true"),
        ("join(\"-\", (proc.name, proc.pname)) = sh-SH", "true"),
        ("concat(proc.name, \"+\", proc.pid) = \"sh+4\"", "true"),
        ("concat(proc.name, fd.name) exists", "false"),
        ("proc.aname = val(proc.pname)", "true"),
        ("proc.exepath endswith val(proc.name)", "true"),
        ("proc.exepath pmatch val(proc.exepath)", "true"),
        ("proc.pid > val(proc.ppid)", "true"),
        ("proc.pname = val(fd.name)", "false"),
        ("not proc.pname != val(fd.name)", "true"),
        ("proc.name contains oneof (s, h)", "false"),
        ("proc.name contains oneof (s, x)", "true"),
        ("proc.name contains anyof (x, h)", "true"),
        ("proc.name contains allof (s, h)", "true"),
        ("proc.name contains allof (s, x)", "false"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
    }
}

#[test]
fn an_undecided_rule_says_what_is_open() {
    let Loaded { set, .. } = with_condition(
        "evt.type = execve and not container.image.repository in (a, b) and proc.name = sh",
    );
    let pending = in_container(exec(process(10, "sh", &[], None)), Identity::Pending);
    let mut outcome = Outcome::default();
    set.evaluate(&pending, &mut outcome);
    let finding = set.finding(outcome.undecided[0], &pending);
    let [term] = finding.undecided.as_slice() else {
        panic!("{:?}", finding.undecided);
    };
    assert_eq!(
        (term.field.as_str(), term.negated),
        ("container.image.repository", true)
    );
    assert_eq!(term.value.as_deref(), Some("<unknown>"));
    assert_eq!(finding.evidence.len(), 2);
    let known = in_container(exec(process(10, "sh", &[], None)), metadata("c"));
    assert_eq!(set.decide(outcome.undecided[0], &known), Truth::True);
}

#[test]
fn the_hostname_is_the_loaders() {
    let file = RuleFile {
        path: "f".to_owned(),
        text: "- rule: r\n  desc: d\n  condition: evt.hostname = node1\n  output: on %evt.hostname\n  priority: INFO\n"
            .to_owned(),
    };
    let options = LoadOptions {
        hostname: Some("node1".to_owned()),
        ..LoadOptions::default()
    };
    let set = load(&[file], &options).set;
    let event = exec(process(10, "sh", &[], None));
    assert_eq!(set.decide(RuleIndex(0), &event), Truth::True);
    assert_eq!(set.finding(RuleIndex(0), &event).output, "on node1");
}

#[test]
fn a_critical_bundled_rule_does_not_wait_for_metadata() {
    let mut dropped = process(10, "x", &[], Some(Arc::new(process(9, "sh", &[], None))));
    let image = Arc::get_mut(&mut dropped.image).unwrap();
    let exe = image.exe.as_mut().unwrap();
    exe.path.bytes = b"/tmp/x".as_slice().into();
    exe.layer = Some(crate::model::Layer::UpperOnly);
    let event = in_container(exec(dropped), Identity::Pending);
    let set = load(&bundled(), &LoadOptions::default()).set;
    let mut outcome = Outcome::default();
    set.evaluate(&event, &mut outcome);
    let names: Vec<_> = outcome
        .matched
        .iter()
        .map(|&rule| &*set.rule(rule).info.name)
        .collect();
    assert_eq!(names, ["Dropped program executed in a container"]);
}

#[test]
fn evidence_is_kept_small() {
    let set = load(&bundled(), &LoadOptions::default()).set;
    let parent = Arc::new(process(9, "runc", &[], None));
    let mut shell = process(17, "sh", &[], Some(parent));
    shell.tty = Some(crate::model::Tty {
        major: 136,
        minor: 0,
    });
    let event = in_container(exec(shell), metadata("web"));
    let mut outcome = Outcome::default();
    set.evaluate(&event, &mut outcome);
    let [rule] = outcome.matched.as_slice() else {
        panic!("{:?}", outcome.matched);
    };
    let finding = set.finding(*rule, &event);
    assert_eq!(finding.rule.name, "Interactive root shell in a container");
    let fields: Vec<_> = finding
        .evidence
        .iter()
        .map(|term| term.field.as_str())
        .collect();
    assert!(
        fields.contains(&"proc.tty") && !fields.contains(&"evt.num"),
        "{fields:?}"
    );
    assert!(fields.len() <= 14, "{fields:?}");
    assert!(
        finding.output.contains("terminal=34816 parent=runc"),
        "{}",
        finding.output
    );
    assert!(
        finding.output.contains("image=web:<NA>"),
        "{}",
        finding.output
    );
}

const EXPLAINED: &str = "\
- macro: sensitive
  condition: fd.name startswith /etc/
- macro: sensitive_read
  condition: evt.type = openat and sensitive
- rule: r
  desc: d
  condition: sensitive_read and proc.cmdline contains oo
  output: o
  priority: INFO
  exceptions:
    - name: by_image
      fields: [proc.name, container.image.repository, fd.name]
      comps: [=, =, endswith]
      values:
        - [cat, db, shadow]
        - [foo, web, passwd]
    - name: by_name
      fields: proc.name
      values: [bar]
";

#[test]
fn a_finding_says_where_its_terms_stand_and_what_they_met() {
    let set = loaded(EXPLAINED).set;
    let event = in_container(
        open(process(10, "foo", &[], None), "/etc/shadow", 0),
        metadata("web"),
    );
    let finding = set.finding(RuleIndex(0), &event);
    let prefix = finding.evidence.iter().find(|term| term.field == "fd.name");
    let prefix = prefix.unwrap();
    assert_eq!((prefix.line, prefix.column), (2, 14));
    assert_eq!(prefix.file, "test.yaml");
    assert_eq!(prefix.macros, ["sensitive_read", "sensitive"]);
    assert_eq!(prefix.met_at, Some(0..5));
    let part = finding
        .evidence
        .iter()
        .find(|term| term.field == "proc.cmdline");
    let part = part.unwrap();
    assert_eq!((part.line, part.macros.len()), (7, 0));
    assert_eq!(part.met_at, Some(1..3));
}

#[test]
fn an_exception_of_which_one_comparison_failed_is_told() {
    let set = loaded(EXPLAINED).set;
    let event = in_container(
        open(process(10, "foo", &[], None), "/etc/shadow", 0),
        metadata("web"),
    );
    let finding = set.finding(RuleIndex(0), &event);
    let [near] = finding.near_exceptions.as_slice() else {
        panic!("{:?}", finding.near_exceptions);
    };
    assert_eq!(near.name, "by_image");
    assert_eq!(near.failed.operand, "passwd");
    assert_eq!(near.failed.value.as_deref(), Some("/etc/shadow"));
    // Two that fail are too many.
    let other = in_container(
        open(process(10, "boo", &[], None), "/etc/shadow", 0),
        metadata("web"),
    );
    let finding = set.finding(RuleIndex(0), &other);
    assert!(finding.near_exceptions.is_empty());
}
