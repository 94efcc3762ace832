//! What is told of a reload, in words that are bounded.

use std::collections::BTreeSet;

use crate::telemetry::{RuleSetFacts, RuleState, RulesSnapshot};

/// Reasons and warnings that are told one by one.
const MAX_LINES: usize = 20;
/// Longest of them, in characters.
const MAX_LINE: usize = 500;
/// Names of rules that are told for each kind of change.
const MAX_NAMES: usize = 5;

/// Some lines, and how many more there are.
pub(super) fn bounded(lines: &[String]) -> Vec<String> {
    let mut some: Vec<String> = lines.iter().take(MAX_LINES).map(|it| short(it)).collect();
    let more = lines.len() - some.len();
    if more > 0 {
        some.push(format!("and {more} more"));
    }
    some
}

fn short(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

/// The first reason, and how many more there are.
pub(super) fn first_of(reasons: &[String]) -> String {
    let first = reasons.first().map(|reason| short(reason));
    let first = first.unwrap_or_default();
    match reasons.len() {
        0 | 1 => first,
        more => format!("{first}; and {} more", more - 1),
    }
}

/// A set in numbers.
pub(super) fn numbers(facts: &RuleSetFacts) -> String {
    let RuleSetFacts {
        generation,
        active,
        disabled,
        refused,
        without_events,
        ..
    } = facts;
    let blind = match without_events {
        0 => String::new(),
        blind => format!(" ({blind} without events)"),
    };
    format!(
        "generation {generation}, {active} active{blind}, {disabled} disabled, {refused} refused"
    )
}

/// What one set has that the other has not, by the names of its active rules.
pub(super) fn difference(old: &RulesSnapshot, new: &RulesSnapshot) -> String {
    let (before, after) = (active(old), active(new));
    let mut parts = Vec::new();
    let kinds = [
        ("now active", after.difference(&before)),
        ("no longer active", before.difference(&after)),
    ];
    for (kind, names) in kinds {
        let names: Vec<&str> = names.copied().collect();
        if names.is_empty() {
            continue;
        }
        let some = names.iter().take(MAX_NAMES);
        let mut list = some
            .map(|name| format!("'{}'", short(name)))
            .collect::<Vec<_>>()
            .join(", ");
        if let Some(more) = names.len().checked_sub(MAX_NAMES).filter(|more| *more > 0) {
            list.push_str(&format!(" and {more} more"));
        }
        parts.push(format!("{kind}: {list}"));
    }
    if parts.is_empty() {
        return "the same rules are active as before".to_owned();
    }
    parts.join("; ")
}

fn active(rules: &RulesSnapshot) -> BTreeSet<&str> {
    let active = rules
        .rules
        .iter()
        .filter(|rule| matches!(rule.state, RuleState::Active | RuleState::WithoutEvents(_)));
    active.map(|rule| &*rule.info.name).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::rules::testing::rules_of;
    use super::*;

    fn snapshot(names: &[&str]) -> Arc<RulesSnapshot> {
        let rule = |name: &&str| {
            format!(
                "- rule: {name}\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: INFO\n"
            )
        };
        let text: String = names.iter().map(rule).collect();
        rules_of(&text, 1).snapshot
    }

    #[test]
    fn the_difference_names_some_rules() {
        let old = snapshot(&["a", "b", "c1", "c2", "c3", "c4", "c5", "c6", "c7"]);
        let new = snapshot(&["a", "x"]);
        assert_eq!(
            difference(&old, &new),
            "now active: 'x'; no longer active: 'b', 'c1', 'c2', 'c3', 'c4' and 3 more"
        );
        assert_eq!(
            difference(&new, &new),
            "the same rules are active as before"
        );
    }

    #[test]
    fn lines_are_bounded() {
        let lines: Vec<String> = (0..30)
            .map(|at| format!("{at}{}", "x".repeat(1_000)))
            .collect();
        let some = bounded(&lines);
        assert_eq!(some.len(), 21);
        assert_eq!(some[20], "and 10 more");
        assert!(some.iter().all(|line| line.chars().count() <= 501));
        assert!(first_of(&lines).ends_with("…; and 29 more"));
        assert_eq!(bounded(&lines[..1]).len(), 1);
        assert_eq!(first_of(&["one".to_owned()]), "one");
    }
}
