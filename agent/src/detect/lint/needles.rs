//! Substrings that stand in almost everything.

use super::super::falco::ast::{Check, Operator, TextOperator};
use super::super::report::WarningKind;
use super::Notes;
use super::source::{Sources, each_check};

/// Words of which the paths and command lines of ordinary programs are made.
const COMMON: &[&str] = &[
    "app",
    "bin",
    "conf",
    "config",
    "data",
    "dev",
    "etc",
    "home",
    "lib",
    "lib64",
    "local",
    "log",
    "main",
    "opt",
    "proc",
    "run",
    "sbin",
    "share",
    "srv",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/local",
    "usr/sbin",
    "var",
    "var/lib",
    "x86_64-linux-gnu",
];

/// Families of fields that hold such texts.
const FAMILIES: &[&str] = &["proc.", "fd.", "fs.", "evt.arg."];

pub(super) fn find(sources: &Sources, notes: &mut Notes) {
    for written in sources.conditions() {
        let rule = written.rule.map(|rule| rule.name.value.as_str());
        each_check(&written.condition, false, &mut |check, negated| {
            if !is_search(check) {
                return;
            }
            let field = check.left.to_string();
            for (needle, place) in sources.words(check, &written.text) {
                let Some(why) = broad(&field, &needle) else {
                    continue;
                };
                let effect = if negated {
                    "leaves out almost everything"
                } else {
                    "narrows nothing down"
                };
                notes.add(
                    WarningKind::BroadContains,
                    rule,
                    &place,
                    format!("'{needle}' {why}: 'contains' with it {effect}"),
                    "compare with the whole path or word, or use 'startswith', 'endswith' or \
                     'pmatch'",
                );
            }
        });
    }
}

fn is_search(check: &Check) -> bool {
    let Operator::Text(operator, _) = check.operator else {
        return false;
    };
    matches!(operator, TextOperator::Contains | TextOperator::IContains)
}

/// Why a needle says next to nothing.
fn broad(field: &str, needle: &str) -> Option<&'static str> {
    if needle.is_empty() {
        return Some("is empty, so every value contains it");
    }
    if !FAMILIES.iter().any(|family| field.contains(family)) {
        return None;
    }
    if needle.len() == 1 {
        return Some("is a single character");
    }
    // An option such as -c is short and still says something.
    if needle.len() == 2 && needle.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Some("is so short that it stands within other words");
    }
    let word = needle.trim_matches('/').to_ascii_lowercase();
    COMMON
        .contains(&word.as_str())
        .then_some("stands in the paths of ordinary programs")
}
