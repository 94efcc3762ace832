//! What loading says, and what later items do to earlier ones.

use super::super::testing::{exec, loaded, process, with_condition};
use super::super::*;

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
fn the_loader_says_where_and_why() {
    for (condition, line, column, kind, reason) in [
        (
            "proc.name = a and\nproc.nam = b",
            5,
            5,
            RefusalKind::NoSuchField,
            "there is no field",
        ),
        (
            "proc.fdusage > 1",
            4,
            5,
            RefusalKind::UnsupportedField,
            "not supported here",
        ),
        (
            "evt.type = opne",
            4,
            16,
            RefusalKind::NoSuchEvent,
            "no event type 'opne'",
        ),
        (
            "evt.type = sendfile",
            4,
            5,
            RefusalKind::UntracedEvent,
            "no loaded hook produces",
        ),
        (
            "evt.type in (pause, execve) and evt.type in (pause)",
            4,
            5,
            RefusalKind::UntracedEvent,
            "pause",
        ),
        (
            "proc.pid contains 3",
            4,
            5,
            RefusalKind::Type,
            "does not fit",
        ),
        ("proc.name > 3", 4, 5, RefusalKind::Type, "does not fit"),
        ("fd.num = x", 4, 14, RefusalKind::Type, "no number"),
        (
            "evt.failed = 1",
            4,
            18,
            RefusalKind::Type,
            "neither true nor false",
        ),
        (
            "fd.sip = 10.0.0.0/99",
            4,
            14,
            RefusalKind::Type,
            "no address",
        ),
        (
            "proc.name[1] = x",
            4,
            5,
            RefusalKind::Type,
            "takes nothing in brackets",
        ),
        (
            "container.label exists",
            4,
            5,
            RefusalKind::Type,
            "needs something in brackets",
        ),
        (
            "proc.aname[x] = x",
            4,
            5,
            RefusalKind::Type,
            "takes a number",
        ),
        (
            "tolower(proc.aname) = x",
            4,
            5,
            RefusalKind::Type,
            "several values",
        ),
        ("len(proc.pid) = 1", 4, 5, RefusalKind::Type, "takes text"),
        (
            "proc.name regex \"(\"",
            4,
            21,
            RefusalKind::Syntax,
            "regular expression",
        ),
        (
            "proc.name bcontains xyz",
            4,
            25,
            RefusalKind::Type,
            "hexadecimal",
        ),
        (
            "mcro and proc.name = x",
            4,
            5,
            RefusalKind::Undefined,
            "no macro 'mcro'",
        ),
        (
            "proc.name = a &&\nproc.pid = 1",
            4,
            19,
            RefusalKind::Syntax,
            "expected 'and' or 'or'",
        ),
    ] {
        let report = with_condition(condition).report;
        let [refusal] = report.refused.as_slice() else {
            panic!("{condition}: {}", report.to_text());
        };
        let found = (refusal.line, refusal.column, refusal.kind);
        assert_eq!(
            found,
            (line, column, kind),
            "{condition}: {}",
            refusal.reason
        );
        assert!(
            refusal.reason.contains(reason),
            "{condition}: {}",
            refusal.reason
        );
        assert_eq!(refusal.rule.as_deref(), Some("r"));
        assert_eq!(report.loaded, 0);
    }
}

/// A rule file of one rule after other items.
fn after(items: &str, condition: &str) -> Loaded {
    loaded(&format!(
        "{items}- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n"
    ))
}

#[test]
fn macros_are_defined_before_macros_that_use_them() {
    let ok = after(
        "- macro: a\n  condition: proc.name = x\n- macro: b\n  condition: a\n",
        "b",
    );
    assert_eq!(ok.report.refused, []);
    let late = after(
        "- macro: b\n  condition: a\n- macro: a\n  condition: proc.name = x\n",
        "b",
    );
    assert!(late.report.refused[0].reason.contains("defined only later"));
    // A redefinition keeps the place of the first, so it may refer to what came in between.
    let again = after(
        "- macro: a\n  condition: proc.name = x\n- macro: b\n  condition: a\n- macro: a\n  condition: b\n",
        "b",
    );
    assert!(again.report.refused[0].reason.contains("uses itself"));
    let cycle = after(
        "- list: a\n  items: [b]\n- list: b\n  items: [a]\n",
        "proc.name in (a)",
    );
    assert!(cycle.report.refused[0].reason.contains("contains itself"));
}

#[test]
fn macros_that_multiply_are_stopped() {
    let mut items = "- macro: m0\n  condition: proc.name = x\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        items += &format!("- macro: m{level}\n  condition: m{below} or m{below}\n");
    }
    let report = after(&items, "m39").report;
    assert_eq!(report.refused[0].kind, RefusalKind::TooLarge);
}

#[test]
fn items_can_be_changed_later() {
    let base = "- list: l\n  items: [a]\n- macro: m\n  condition: proc.name in (l)\n\
                - rule: r\n  desc: d\n  condition: m\n  output: o\n  priority: INFO\n  tags: [x]\n";
    let fires = |changes: &str, name: &str| {
        let Loaded { set, report } = loaded(&format!("{base}{changes}"));
        assert_eq!(report.refused, [], "{changes}");
        let mut outcome = Outcome::default();
        set.evaluate(&exec(process(10, name, &[], None)), &mut outcome);
        !outcome.matched.is_empty()
    };
    for (changes, on_a, on_b) in [
        ("", true, false),
        (
            "- list: l\n  items: [b]\n  override: {items: append}\n",
            true,
            true,
        ),
        ("- list: l\n  items: [b]\n  append: true\n", true, true),
        (
            "- list: l\n  items: [b]\n  override: {items: replace}\n",
            false,
            true,
        ),
        (
            "- macro: m\n  condition: or proc.name = b\n  append: true\n",
            true,
            true,
        ),
        (
            "- rule: r\n  condition: or proc.name = b\n  override: {condition: append}\n",
            true,
            true,
        ),
        (
            "- rule: r\n  condition: and proc.name = b\n  append: true\n",
            false,
            false,
        ),
        (
            "- rule: r\n  condition: proc.name = b\n  override: {condition: replace}\n",
            false,
            true,
        ),
        ("- rule: r\n  enabled: false\n", false, false),
        (
            "- rule: r\n  enabled: false\n  override: {enabled: replace}\n",
            false,
            false,
        ),
    ] {
        assert_eq!(fires(changes, "a"), on_a, "{changes}");
        assert_eq!(fires(changes, "b"), on_b, "{changes}");
    }
    for (change, reason) in [
        (
            "- rule: r\n  output: x\n  override: {condition: append}\n",
            "'output' is given",
        ),
        (
            "- rule: r\n  override: {condition: append}\n",
            "'condition' is to be changed",
        ),
        (
            "- rule: r\n  priority: ERROR\n  override: {priority: append}\n",
            "cannot be appended to",
        ),
        (
            "- rule: r\n  output: x\n  override: {output: merge}\n",
            "append or replace",
        ),
        (
            "- list: l\n  items: [x]\n  override: {condition: append}\n",
            "only 'items' can",
        ),
    ] {
        let report = loaded(&format!("{base}{change}")).report;
        let refusal = report
            .refused
            .first()
            .map(|refusal| refusal.reason.as_str());
        assert!(
            refusal.is_some_and(|found| found.contains(reason)),
            "{change}: {refusal:?}"
        );
        assert_eq!(report.loaded, 1, "the earlier rule stays");
    }
    let lost = loaded("- rule: x\n  condition: and m\n  append: true\n");
    assert_eq!(lost.report.refused[0].kind, RefusalKind::Undefined);
}

#[test]
fn exceptions_take_events_out() {
    let rule = |exceptions: &str| {
        loaded(&format!(
            "- rule: r\n  desc: d\n  condition: evt.type = execve\n  output: o\n  priority: INFO\n  \
             exceptions:\n{exceptions}"
        ))
    };
    let fires = |exceptions: &str, name: &str| {
        let Loaded { set, report } = rule(exceptions);
        assert_eq!(report.refused, [], "{exceptions}");
        let mut outcome = Outcome::default();
        set.evaluate(&exec(process(10, name, &["-x y"], None)), &mut outcome);
        !outcome.matched.is_empty()
    };
    for (exceptions, on_a, on_b) in [
        (
            "    - {name: n, fields: proc.name, values: [a, c]}\n",
            false,
            true,
        ),
        (
            "    - {name: n, fields: [proc.name, proc.pid], values: [[a, 10], [b, 11]]}\n",
            false,
            true,
        ),
        (
            "    - {name: n, fields: [proc.name], comps: [startswith], values: [[a]]}\n",
            false,
            true,
        ),
        (
            "    - {name: n, fields: [proc.name], comps: [in], values: [[[a, b]]]}\n",
            false,
            false,
        ),
        (
            "    - {name: n, fields: [proc.args], values: [['-x y']]}\n",
            false,
            false,
        ),
        (
            "    - {name: n, fields: proc.exepath, comps: pmatch, values: [/usr/bin/a]}\n",
            false,
            true,
        ),
        ("    - {name: n, fields: proc.name}\n", true, true),
    ] {
        assert_eq!(fires(exceptions, "a"), on_a, "{exceptions}");
        assert_eq!(fires(exceptions, "b"), on_b, "{exceptions}");
    }
    for (exceptions, reason) in [
        ("    - {name: n, values: [a]}\n", "no 'fields'"),
        (
            "    - {name: n, fields: [proc.name, proc.pid], values: [[a]]}\n",
            "2 fields, the value 1",
        ),
        (
            "    - {name: n, fields: [proc.name], comps: [in, in], values: [[a]]}\n",
            "1 fields and 2 comps",
        ),
        (
            "    - {name: n, fields: proc.nam, values: [a]}\n",
            "no field 'proc.nam'",
        ),
        ("    - {fields: proc.name}\n", "needs a 'name'"),
    ] {
        let report = rule(exceptions).report;
        assert!(
            report.refused[0].reason.contains(reason),
            "{exceptions}: {}",
            report.to_text()
        );
    }
}

#[test]
fn one_bad_rule_drops_no_other() {
    let good = "  desc: d\n  condition: proc.name = x\n  output: o\n  priority: INFO\n";
    let report = loaded(&format!(
        "- rule: good\n{good}\
         - rule: no priority\n  desc: d\n  condition: proc.name = x\n  output: o\n\
         - rule: bad priority\n  desc: d\n  condition: proc.name = x\n  output: o\n  priority: HIGH\n\
         - rule: bad output\n  desc: d\n  condition: proc.name = x\n  output: o %proc.nam\n  priority: INFO\n\
         - rule: other source\n  source: k8s_audit\n{good}\
         - rule: unsupported output\n  desc: d\n  condition: proc.name = x\n  output: o %proc.nthreads\n  priority: INFO\n\
         - thing: x\n\
         - just text\n\
         - rule: also good\n{good}"
    ))
    .report;
    assert_eq!(report.loaded, 3, "{}", report.to_text());
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(|refusal| (refusal.line, refusal.rule.as_deref(), refusal.kind))
        .collect();
    assert_eq!(
        refused,
        [
            (6, Some("no priority"), RefusalKind::Item),
            (14, Some("bad priority"), RefusalKind::Item),
            (18, Some("bad output"), RefusalKind::NoSuchField),
            (21, Some("other source"), RefusalKind::UnsupportedFeature),
            (31, None, RefusalKind::Item),
            (32, None, RefusalKind::Item),
        ]
    );
}

#[test]
fn broken_yaml_drops_its_own_rule_only() {
    let rule = |name: &str| {
        format!(
            "- rule: {name}\n  desc: d\n  condition: proc.name = x\n  output: o\n  priority: INFO\n"
        )
    };
    let text = format!("{}- rule: broken\n  desc: [\n{}", rule("a"), rule("b"));
    let report = loaded(&text).report;
    assert_eq!(report.loaded, 2, "{}", report.to_text());
    assert_eq!(report.refused[0].rule.as_deref(), Some("broken"));
    assert_eq!(report.refused[0].kind, RefusalKind::Yaml);
}

#[test]
fn warnings_tell_what_may_surprise() {
    for (text, expected) in [
        ("proc.name = x", "names no event type"),
        (
            "evt.type in (execve, sendfile) and proc.name = x",
            "no loaded hook produces sendfile",
        ),
        ("evt.type = vfork", "reported as 'clone'"),
        ("evt.num = 0", "never holds"),
        (
            "evt.type = execve and user.name = bob",
            "known for root only",
        ),
    ] {
        let report = with_condition(text).report;
        assert_eq!(report.refused, [], "{text}");
        assert!(
            report
                .warnings
                .iter()
                .any(|warning| warning.reason.contains(expected)),
            "{text}: {}",
            report.to_text()
        );
    }
    let text = after(
        "- list: web\n  items: [x]\n",
        "proc.args contains \"web server\"",
    )
    .report;
    assert!(
        text.warnings
            .iter()
            .any(|warning| warning.reason.contains("name of a list"))
    );
}

#[test]
fn the_report_is_json() {
    let report = with_condition("proc.nam = x").report;
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["loaded"], 0);
    let refusal = &json["refused"][0];
    assert_eq!(refusal["rule"], "r");
    assert_eq!(refusal["file"], "test.yaml");
    assert_eq!(
        (&refusal["line"], &refusal["column"]),
        (&4.into(), &5.into())
    );
    assert_eq!(refusal["kind"], "no_such_field");
    assert_eq!(refusal["hint"], "did you mean 'proc.name'?");
}

#[test]
fn the_digest_is_of_the_contents() {
    let digest = |text: &str| with_condition(text).set.digest().to_owned();
    assert_eq!(digest("proc.name = x"), digest("proc.name = x"));
    assert_ne!(digest("proc.name = x"), digest("proc.name = y"));
    assert_eq!(digest("proc.name = x").len(), 64);
}

#[test]
fn an_exception_ends_with_its_last_day() {
    let rule = |expires: &str| {
        format!(
            "- rule: r\n  desc: d\n  condition: proc.name = sh and evt.type = execve\n  output: o\n  \
             priority: INFO\n  exceptions:\n    - name: x\n      expires: {expires}\n      fields: \
             [proc.name]\n      values: [[sh]]\n"
        )
    };
    let during = |time: &str, expires: &str| {
        let set = loaded(&rule(expires)).set;
        let event = SampleEvent::with_values(&[("proc.name", "sh"), ("evt.rawtime", time)]);
        set.decide(RuleIndex(0), &event.unwrap())
    };
    // 2026-03-01T23:59:59Z and the second after it.
    assert_eq!(during("1772409599000000000", "2026-03-01"), Truth::False);
    assert_eq!(during("1772409600000000000", "2026-03-01"), Truth::True);
    let refused = loaded(&rule("soon")).report.refused;
    assert_eq!(refused[0].reason, "'soon' is no date");
    assert_eq!((refused[0].line, refused[0].column), (8, 16));
}
