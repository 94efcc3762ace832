//! Whatever stands in a file, loading says what is wrong with it.

use proptest::prelude::*;

use super::super::testing::{event, exec, loaded, process};
use super::super::{Loaded, Outcome};
use crate::model::{Payload, Syscall};

/// Documents with every kind of section, as a beginning for what follows.
const SEED: &str = "title: one\nname: one\nid: 1\nlevel: high\ntags:\n    - attack.t1059\nlogsource:\n    \
category: process_creation\n    product: linux\ndetection:\n    a_1:\n        \
Image|endswith: ['/sh', '/b?sh*']\n        CommandLine|contains|all: [x, '\\*', \"\"]\n    a_2:\n        \
- ParentImage|re|i: '(a|b)+$'\n        - ProcessId|gt: 3\n          User: null\n    condition: 1 of \
a_* and not (a_1 or all of them)\n---\ntitle: many\ncorrelation:\n    type: value_count\n    rules: \
one\n    group-by: [User]\n    timespan: 5m\n    condition: {field: Image, gte: 2}\n---\ntitle: \
less\nlogsource: {product: linux}\nfilter:\n    rules: any\n    x:\n        Image|windash|base64offset: \
'-a'\n    condition: not x\n";

const PIECES: &[&str] = &[
    "\n",
    "    ",
    "        ",
    "- ",
    ": ",
    "|",
    "*",
    "?",
    "\\",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "---",
    "~",
    "null",
    "title",
    "detection",
    "correlation",
    "filter",
    "condition",
    "of",
    "them",
    "all",
    "not",
    "1",
    "99999999999999999999",
    "contains",
    "re",
    "base64offset",
    "wide",
    "fieldref",
    "Image",
    "a9",
    "type",
    "EXECVE",
    "timespan",
    "aliases",
    "generate",
    "é",
    "\u{202e}",
    "&x",
    "*x",
    "!!str",
];

/// Loads it and evaluates what was loaded.
fn exercise(text: &str) {
    let Loaded { set, report } = loaded(text);
    let _ = report.to_text();
    let mut outcome = Outcome::default();
    set.evaluate(&exec(process(2, "sh", &["-c", "x"], None)), &mut outcome);
    set.evaluate(
        &event(
            process(2, "sh", &[], None),
            Syscall::Rename,
            Payload::Paths(Default::default()),
        ),
        &mut outcome,
    );
}

#[test]
fn the_seed_is_loaded() {
    let report = loaded(SEED).report;
    assert_eq!(
        (report.loaded, report.refused.len()),
        (2, 0),
        "{}",
        report.to_text()
    );
}

proptest! {
    #[test]
    fn any_text_behind_the_keys_is_read_or_refused(text in "[ -~\\n\\té]{0,200}") {
        exercise(&format!("detection:\n{text}"));
        exercise(&format!("title: x\nlogsource: {{product: linux, service: auditd}}\ndetection:\n  s: {{a0: x}}\n  condition: {text}"));
        exercise(&format!("title: x\ncorrelation:\n{text}"));
    }

    #[test]
    fn any_change_of_a_file_is_read_or_refused(
        changes in prop::collection::vec(
            (0..SEED.len(), 0..12_usize, prop::sample::select(PIECES)),
            1..8,
        ),
    ) {
        let mut text = SEED.to_owned();
        for (at, length, piece) in changes {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, piece);
            }
        }
        exercise(&text);
    }

    #[test]
    fn any_value_is_compared_or_refused(
        value in "\\PC{0,24}",
        key in prop::sample::select(vec![
            "Image", "Image|re", "CommandLine|contains", "CommandLine|windash|contains",
            "CommandLine|base64offset|contains", "CommandLine|utf16|base64", "ProcessId",
            "ProcessId|lt", "Image|fieldref", "UtcTime|week", "Image|exists", "User|cidr",
        ]),
    ) {
        let quoted = value.replace('\'', "''");
        exercise(&format!(
            "title: x\nlogsource: {{category: process_creation}}\ndetection:\n  s:\n    {key}: '{quoted}'\n  condition: s\n"
        ));
    }
}
