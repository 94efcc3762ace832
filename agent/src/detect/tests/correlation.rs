//! Correlations: several matches in one container.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::testing::{exec, in_container, loaded, metadata, process};
use super::super::{Correlated, Correlator, Outcome, RefusalKind, RuleSet, rule_list};
use crate::model::{Container, ContainerView, Event};

const SECOND: u64 = 1_000_000_000;

/// Two rules, `curl` and `shell`, and what follows them.
fn with(rest: &str) -> String {
    let rule = |name: &str, image: &str| {
        format!(
            "title: {name} ran\nname: {name}\nlogsource: {{category: process_creation, product: \
             linux}}\ndetection:\n    s:\n        Image|endswith: /{image}\n    condition: s\n---\n"
        )
    };
    format!("{}{}{rest}", rule("curl", "curl"), rule("shell", "sh"))
}

fn correlation(section: &str) -> String {
    let section = section.replace('\n', "\n    ");
    with(&format!(
        "title: c\nlevel: high\ncorrelation:\n    {section}\n"
    ))
}

/// An execution of that program in a container, at that second.
fn run(name: &str, container: &str, second: u64) -> Event<'static> {
    let mut event = in_container(exec(process(2, name, &[], None)), metadata("web"));
    event.boot_ns = second * SECOND;
    event.number = second;
    if let ContainerView::Container(known) = &event.container {
        let known = Container {
            id: container.to_owned(),
            ..(**known).clone()
        };
        event.container = ContainerView::Container(Arc::new(known));
    }
    event
}

/// What detection does with an event: alerts of single rules, and of correlations.
fn feed(set: &RuleSet, correlator: &mut Correlator, event: &Event<'_>) -> Vec<String> {
    let mut outcome = Outcome::default();
    set.evaluate(event, &mut outcome);
    let mut alerts = Vec::new();
    for &rule in &outcome.matched {
        let correlated = correlator.observe(set, rule, event, event.boot_ns);
        if set.rule(rule).alerts {
            alerts.push(set.rule(rule).info.name.clone());
        }
        alerts.extend(names(set, &correlated));
    }
    alerts
}

fn names(set: &RuleSet, correlated: &[Correlated]) -> Vec<String> {
    let name = |found: &Correlated| set.rule(found.rule).info.name.clone();
    correlated.iter().map(name).collect()
}

/// The seconds at which alerts came of these executions.
fn alerts(text: &str, events: &[(&str, &str, u64)]) -> Vec<(u64, String)> {
    let set = set(text);
    let mut correlator = Correlator::default();
    let mut found = Vec::new();
    for &(name, container, second) in events {
        let alerts = feed(&set, &mut correlator, &run(name, container, second));
        found.extend(alerts.into_iter().map(|alert| (second, alert)));
    }
    found
}

#[track_caller]
fn set(text: &str) -> RuleSet {
    let loaded = loaded(text);
    assert!(
        loaded.report.refused.is_empty(),
        "{}",
        loaded.report.to_text()
    );
    loaded.set
}

fn c(second: u64) -> (u64, String) {
    (second, "c".to_owned())
}

#[test]
fn events_are_counted_per_container_in_a_window_that_moves() {
    let text = correlation("type: event_count\nrules: [curl]\ntimespan: 10s\ncondition: {gte: 3}");
    let events = [
        ("curl", "a", 1),
        ("curl", "b", 2),
        ("curl", "a", 9),
        // The first one is too old by now.
        ("curl", "a", 12),
        ("curl", "a", 13),
        // It counts anew.
        ("curl", "a", 14),
        ("curl", "b", 15),
    ];
    assert_eq!(alerts(&text, &events), [c(13)]);
}

#[test]
fn distinct_values_are_counted() {
    let text = correlation(
        "type: value_count\nrules: [curl, shell]\ntimespan: 1m\ncondition: {field: Image, gte: 2}",
    );
    let events = [("curl", "a", 1), ("curl", "a", 2), ("sh", "a", 3)];
    assert_eq!(alerts(&text, &events), [c(3)]);
}

#[test]
fn rules_near_each_other_match_in_any_order_or_in_theirs() {
    let section = |kind: &str| format!("type: {kind}\nrules: [curl, shell]\ntimespan: 10s");
    let temporal = correlation(&section("temporal"));
    let ordered = correlation(&section("temporal_ordered"));
    let forth = [("curl", "a", 1), ("sh", "a", 2)];
    let back = [("sh", "a", 1), ("curl", "a", 2)];
    let late = [("curl", "a", 1), ("sh", "a", 12)];
    let apart = [("curl", "a", 1), ("sh", "b", 2)];
    assert_eq!(alerts(&temporal, &forth), [c(2)]);
    assert_eq!(alerts(&temporal, &back), [c(2)]);
    assert_eq!(alerts(&ordered, &forth), [c(2)]);
    assert_eq!(alerts(&ordered, &back), []);
    for events in [late, apart] {
        assert_eq!(alerts(&temporal, &events), []);
        assert_eq!(alerts(&ordered, &events), []);
    }
}

#[test]
fn an_event_that_comes_late_has_its_own_time() {
    let text = correlation("type: temporal_ordered\nrules: [curl, shell]\ntimespan: 10s");
    let events = [("sh", "a", 5), ("curl", "a", 4)];
    assert_eq!(alerts(&text, &events), [(4, "c".to_owned())]);
}

#[test]
fn an_upper_bound_is_decided_when_the_time_is_over() {
    let text = correlation("type: event_count\nrules: [curl]\ntimespan: 10s\ncondition: {eq: 2}");
    let set = set(&text);
    for (count, expected) in [(1, 0), (2, 1), (3, 0)] {
        let mut correlator = Correlator::default();
        for second in 1..=count {
            assert!(feed(&set, &mut correlator, &run("curl", "a", second)).is_empty());
        }
        assert!(correlator.is_waiting());
        assert!(correlator.expire(&set, 11 * SECOND).is_empty());
        let found = correlator.expire(&set, 12 * SECOND);
        assert_eq!(found.len(), expected, "{count}");
        assert!(
            found
                .iter()
                .all(|found| found.event.boot_ns == count * SECOND)
        );
        assert!(!correlator.is_waiting());
    }
}

#[test]
fn groups_are_told_apart_by_fields_and_aliases() {
    let text = correlation(
        "type: temporal\nrules: [curl, shell]\ngroup-by: [who]\ntimespan: 10s\naliases:\n    who:\
         \n        curl: ProcessId\n        shell: ProcessId",
    );
    let set = set(&text);
    let mut correlator = Correlator::default();
    let mut other = run("sh", "a", 2);
    other.process = Arc::new(process(77, "sh", &[], None));
    assert!(feed(&set, &mut correlator, &run("curl", "a", 1)).is_empty());
    assert!(feed(&set, &mut correlator, &other).is_empty());
    let mut outcome = Outcome::default();
    let same = run("sh", "a", 3);
    set.evaluate(&same, &mut outcome);
    let found = correlator.observe(&set, outcome.matched[0], &same, same.boot_ns);
    let terms: Vec<_> = found[0]
        .finding
        .evidence
        .iter()
        .map(|term| (&*term.field, term.value.as_deref()))
        .collect();
    assert_eq!(terms, [("temporal", Some("2")), ("who", Some("2"))]);
    assert!(
        found[0]
            .finding
            .output
            .starts_with("c | temporal of curl ran, shell ran within 10s |"),
        "{}",
        found[0].finding.output
    );
}

#[test]
fn counted_rules_are_silent_unless_they_are_to_generate() {
    let section = "type: event_count\nrules: [curl]\ntimespan: 10s\ncondition: {gte: 2}";
    let events = [("curl", "a", 1), ("sh", "a", 2), ("curl", "a", 3)];
    let shell = (2, "shell ran".to_owned());
    assert_eq!(
        alerts(&correlation(section), &events),
        [shell.clone(), c(3)]
    );
    let generate = correlation(&format!("{section}\ngenerate: true"));
    let curl = |second| (second, "curl ran".to_owned());
    assert_eq!(alerts(&generate, &events), [curl(1), shell, curl(3), c(3)]);
}

#[test]
fn correlations_count_correlations() {
    let text = with(
        "title: many curls\nname: many\ncorrelation:\n    type: event_count\n    rules: [curl]\n    \
         timespan: 10s\n    condition: {gte: 2}\n---\ntitle: c\ncorrelation:\n    type: \
         temporal_ordered\n    rules: [many, shell]\n    timespan: 1m\n",
    );
    let events = [
        ("curl", "a", 1),
        ("sh", "a", 2),
        ("curl", "a", 3),
        ("sh", "a", 4),
    ];
    assert_eq!(alerts(&text, &events), [c(4)]);
}

#[test]
fn a_rule_below_the_level_is_counted_all_the_same() {
    use super::super::{Level, LoadOptions, RuleFile, load};
    let text = correlation("type: event_count\nrules: [curl]\ntimespan: 10s\ncondition: {gte: 1}");
    let options = LoadOptions {
        minimum_level: Level::High,
        ..LoadOptions::default()
    };
    let file = RuleFile {
        path: "test.yml".to_owned(),
        text,
    };
    let set = load(&[file], &options).set;
    let states: Vec<_> = rule_list(&set)
        .iter()
        .map(|rule| (rule.name.clone(), rule.enabled, rule.alerts))
        .collect();
    let state = |name: &str, enabled, alerts| (name.to_owned(), enabled, alerts);
    assert_eq!(
        states,
        [
            state("curl ran", true, false),
            state("shell ran", false, true),
            state("c", true, true)
        ]
    );
    let mut correlator = Correlator::default();
    assert_eq!(feed(&set, &mut correlator, &run("curl", "a", 1)), ["c"]);
}

#[test]
fn rules_in_falcos_language_count_too() {
    let rule = |section: &str| {
        format!(
            "- rule: f\n  desc: d\n  condition: evt.type = execve and proc.name = curl\n  output: \
             o\n  priority: INFO\n  correlation: {section}\n- rule: g\n  desc: d\n  condition: \
             evt.type = execve and proc.name = sh\n  output: o\n  priority: INFO\n"
        )
    };
    let events = [("curl", "a", 1), ("sh", "a", 2), ("curl", "a", 3)];
    let count =
        rule("{type: event_count, timespan: 10s, group-by: [proc.name], condition: {gte: 2}}");
    let g = (2, "g".to_owned());
    assert_eq!(alerts(&count, &events), [g, (3, "f".to_owned())]);
    // The rule itself comes first.
    let ordered = rule("{type: temporal_ordered, timespan: 10s, rules: [g]}");
    assert_eq!(alerts(&ordered, &events), [(2, "f".to_owned())]);
}

#[test]
fn what_cannot_be_correlated_is_refused_with_the_reason() {
    for (section, kind, reason) in [
        (
            "type: event_count\nrules: [curl]\ntimespan: 10s",
            RefusalKind::Item,
            "the correlation has no 'condition'",
        ),
        (
            "type: event_count\nrules: [wget]\ntimespan: 10s\ncondition: {gte: 2}",
            RefusalKind::Undefined,
            "no rule with the id or the name 'wget' is loaded",
        ),
        (
            "type: value_sum\nrules: [curl]\ntimespan: 10s\ncondition: {gte: 2}",
            RefusalKind::UnsupportedFeature,
            "correlations of type 'value_sum' are not supported here",
        ),
        (
            "type: temporal\nrules: [curl]\ntimespan: ten",
            RefusalKind::Item,
            "'ten' is no time span",
        ),
        (
            "type: temporal\nrules: [curl]\ntimespan: 10s\ncondition: {gte: 2}",
            RefusalKind::Item,
            "2 of 1 rules can never match",
        ),
        (
            "type: event_count\nrules: [curl]\ntimespan: 10s\ncondition: {lt: 1}",
            RefusalKind::Item,
            "the condition can never hold: at least one event is counted",
        ),
        (
            "type: event_count\nrules: [curl]\ntimespan: 10s\ncondition: {gte: 100000}",
            RefusalKind::TooLarge,
            "more than 10000 cannot be counted",
        ),
        (
            "type: value_count\nrules: [curl]\ntimespan: 10s\ncondition: {gte: 2}",
            RefusalKind::Item,
            "'field' belongs to value_count, which needs it",
        ),
        (
            "type: temporal\nrules: [curl]\ngroup-by: [Imag]\ntimespan: 10s",
            RefusalKind::NoSuchField,
            "there is no field 'Imag' in process_creation",
        ),
        (
            "type: temporal\nrules: [c]\ntimespan: 10s",
            RefusalKind::Undefined,
            "the correlation counts itself, or one that cannot be loaded",
        ),
        (
            "type: temporal\nrule: [curl]\ntimespan: 10s",
            RefusalKind::Item,
            "'rule' means nothing in a correlation",
        ),
    ] {
        let loaded = loaded(&correlation(section));
        let report = &loaded.report;
        assert_eq!(report.refused.len(), 1, "{section}: {}", report.to_text());
        let refusal = &report.refused[0];
        assert_eq!(
            (refusal.kind, &*refusal.reason),
            (kind, reason),
            "{section}"
        );
        assert_eq!(refusal.rule.as_deref(), Some("c"), "{section}");
        assert_eq!(loaded.report.loaded, 2, "{section}");
    }
}

#[test]
fn memory_is_bounded_and_one_container_does_not_displace_the_others() {
    let text = correlation(
        "type: value_count\nrules: [curl]\ngroup-by: [CommandLine]\ntimespan: 1h\ncondition: \
         {field: ProcessId, gte: 2}",
    );
    let set = set(&text);
    let mut correlator = Correlator::default();
    assert!(feed(&set, &mut correlator, &run("curl", "quiet", 1)).is_empty());
    let mut event = run("curl", "loud", 2);
    for number in 0..20_000_u32 {
        let argument = format!("{number:>900}");
        event.process = Arc::new(process(2, "curl", &[&argument], None));
        assert!(feed(&set, &mut correlator, &event).is_empty());
    }
    let forgotten = correlator.take_forgotten();
    assert!(forgotten > 1_000, "{forgotten}");
    assert_eq!(correlator.take_forgotten(), 0);
    let mut second = run("curl", "quiet", 3);
    second.process = Arc::new(process(3, "curl", &[], None));
    // The quiet container's group is there still.
    assert_eq!(feed(&set, &mut correlator, &second), ["c"]);
}

proptest! {
    /// The same events make the same matches, whatever was asked for in between.
    #[test]
    fn a_replay_gives_the_same(
        events in prop::collection::vec((0..2_usize, 0..2_usize, 0..4_u64), 1..60),
        kind in prop::sample::select(vec!["temporal", "temporal_ordered"]),
    ) {
        let text = correlation(&format!("type: {kind}\nrules: [curl, shell]\ntimespan: 5s"));
        let mut second = 1;
        let events: Vec<_> = events
            .into_iter()
            .map(|(name, container, step)| {
                second += step;
                (["curl", "sh"][name], ["a", "b"][container], second)
            })
            .collect();
        let first = alerts(&text, &events);
        prop_assert_eq!(&first, &alerts(&text, &events));
        // A match needs both rules within the time.
        for (at, _) in first {
            let near = |wanted| events.iter().any(|&(name, _, second)| {
                name == wanted && second.abs_diff(at) <= 5
            });
            prop_assert!(near("curl") && near("sh"));
        }
    }
}
