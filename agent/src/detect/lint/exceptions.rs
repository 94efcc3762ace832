//! Exceptions that have ended, hide their whole rule, or exclude nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use super::super::ir::Node;
use super::super::load::definitions::RuleDefinition;
use super::super::report::{Warning, WarningKind};
use super::Notes;
use super::compiled::Compiled;
use super::contradiction::{Placeholders, Prover, Term};

/// Warnings of exceptions that have ended.
pub(in super::super) fn expired(rules: &[RuleDefinition], now: SystemTime) -> Vec<Warning> {
    let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ns = i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX);
    let mut notes = Notes::default();
    for rule in rules {
        for exception in &rule.exceptions {
            let expires = exception.expires.as_ref();
            let Some(expires) = expires.filter(|expires| expires.end_ns <= now_ns) else {
                continue;
            };
            let (name, date) = (&exception.name.value, &expires.date.value);
            let owner = match &exception.owner {
                Some(owner) => format!(" with its owner {}", owner.value),
                None => String::new(),
            };
            notes.add(
                WarningKind::ExpiredException,
                Some(&rule.name.value),
                &expires.date.start(),
                format!("exception '{name}' ended on {date} and excludes nothing any more"),
                format!("remove it, or agree{owner} on a later date for 'expires'"),
            );
        }
    }
    notes.warnings
}

/// What exceptions leave of their rules.
pub(super) fn find(compiled: &Compiled<'_>, notes: &mut Notes) {
    let prover = Prover::new(&compiled.leaves, Placeholders::Open);
    for rule in &compiled.rules {
        let condition = Term::holds(&rule.condition);
        // Of a condition that never holds everything could be said.
        if prover.contradict(&[condition]) {
            continue;
        }
        let name = &rule.definition.name.value;
        for (exception, values) in &rule.exceptions {
            let excluded = Node::Or(values.as_slice().into());
            let title = &exception.name.value;
            if prover.follows(&[condition], Term::holds(&excluded)) {
                notes.add(
                    WarningKind::HidingException,
                    Some(name),
                    &exception.place,
                    format!("exception '{title}' excludes everything that the rule looks for"),
                    "compare more fields, or values that are rarer; to switch a rule off write \
                     'enabled: false'",
                );
                continue;
            }
            let never = |value: &Node| prover.contradict(&[condition, Term::holds(value)]);
            let useless = values.iter().filter(|value| never(value)).count();
            if useless > 0 {
                let which = match (useless, values.len()) {
                    (_, 1) => "excludes nothing".to_owned(),
                    (useless, all) if useless == all => "excludes nothing".to_owned(),
                    (useless, all) => format!("has {useless} of {all} values that exclude nothing"),
                };
                notes.add(
                    WarningKind::UselessException,
                    Some(name),
                    &exception.place,
                    format!("exception '{title}' {which}: the rule never fires there"),
                    "remove it, or compare what the rule's events have",
                );
            }
        }
    }
}
