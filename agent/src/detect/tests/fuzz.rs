//! Conditions and rule files that are changed at random.

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use super::super::catalogue;
use super::super::falco::parser;
use super::super::testing::{event, exec, in_container, metadata, open, process};
use super::super::{
    LoadOptions, Loaded, Outcome, RuleFile, RuleIndex, Truth, check, explain, rule_list,
    rule_list_text,
};
use super::fields::socket;
use crate::fuzzing::{Campaign, Chance, change, text};
use crate::model::{Event, Identity, Payload, Syscall, Transport};

/// Memory for one file of at most 16 KiB: what multiplies in it has bounds of its own, and so has an
/// expression, of 10 MiB.
const MOST_MEMORY: u64 = 128 << 20;

/// Words of both languages.
const WORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "not(",
    "in",
    "intersects",
    "pmatch",
    "exists",
    "=",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "contains",
    "icontains",
    "bcontains",
    "startswith",
    "bstartswith",
    "endswith",
    "glob",
    "iglob",
    "regex",
    "anyof",
    "allof",
    "oneof",
    "val(",
    "tolower(",
    "toupper(",
    "b64(",
    "basename(",
    "len(",
    "concat(",
    "join(",
    "getopt(",
    "(",
    ")",
    "()",
    "[",
    "]",
    "[0]",
    "{",
    "}",
    ",",
    ".",
    "'",
    "\"",
    "\\",
    "*",
    "?",
    "**",
    "|",
    "%",
    "%%",
    ":",
    ": ",
    "-",
    "- ",
    "---",
    "#",
    "~",
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "0x1f",
    "2147483648",
    "99999999999999999999",
    "1.5",
    "10.0.0.0/8",
    "::/0",
    "::1",
    "/etc/",
    "2d63",
    "a{1000}",
    "(a|b)*",
    "[a-z]",
    "é",
    "\u{202e}",
    "\0",
    "\u{feff}",
    "\r",
    "\t",
    "\n",
    "\n  ",
    "\n    ",
    "&a",
    "*a",
    "!!str",
    "!x",
    ">",
    "|-",
    ">+",
    "<<",
];

const FALCO: &[&str] = &[
    "rule: ",
    "macro: ",
    "list: ",
    "items: ",
    "condition: ",
    "output: ",
    "desc: ",
    "priority: ",
    "WARNING",
    "tags: ",
    "enabled: ",
    "source: ",
    "syscall",
    "exceptions: ",
    "name: ",
    "fields: ",
    "comps: ",
    "values: ",
    "expires: ",
    "2026-12-31",
    "owner: ",
    "override: ",
    "append: true",
    "append",
    "replace",
    "warn_evttypes: ",
    "skip-if-unknown-filter: ",
    "capture: ",
    "required_engine_version: ",
    "required_plugin_versions: ",
    "alternatives: ",
    "correlation: ",
    "group-by: ",
    "timespan: ",
    "%proc.name",
    "%container.info",
    "%tolower(proc.name)",
    "evt.num=0",
];

const SIGMA: &[&str] = &[
    "title: ",
    "id: ",
    "status: ",
    "level: ",
    "high",
    "tags: ",
    "attack.t1059",
    "logsource: ",
    "product: ",
    "linux",
    "category: ",
    "process_creation",
    "file_event",
    "network_connection",
    "service: ",
    "auditd",
    "detection: ",
    "condition: ",
    "selection",
    "of",
    "them",
    "all",
    "1 of ",
    "all of ",
    "filter: ",
    "rules: ",
    "any",
    "correlation: ",
    "type: ",
    "event_count",
    "value_count",
    "temporal",
    "temporal_ordered",
    "timespan: ",
    "5m",
    "group-by: ",
    "aliases: ",
    "generate: ",
    "gte: ",
    "field: ",
    "Image",
    "CommandLine",
    "ParentImage",
    "User",
    "ProcessId",
    "UtcTime",
    "TargetFilename",
    "DestinationIp",
    "DestinationPort",
    "DestinationHostname",
    "Initiated",
    "a0",
    "a1",
    "EXECVE",
    "PATH",
    "|all",
    "|cased",
    "|re",
    "|i",
    "|cidr",
    "|exists",
    "|neq",
    "|lt",
    "|gte",
    "|hour",
    "|week",
    "|windash",
    "|base64",
    "|base64offset",
    "|wide",
    "|utf16",
    "|utf16be",
    "|fieldref",
    "|expand",
    "|contains",
    "|startswith",
    "|endswith",
    "count()",
    "timeframe: ",
];

/// A rule file with that condition.
pub(super) fn with_condition(condition: &str) -> String {
    let condition = serde_json::to_string(condition).unwrap();
    format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: o %proc.name\n  priority: INFO\n"
    )
}

/// Reads a condition, writes it and reads it again, and then loads it. Whether it was loaded.
pub(super) fn try_condition(bytes: &[u8]) -> bool {
    let condition = String::from_utf8_lossy(bytes);
    if let Ok(expression) = parser::parse(&condition) {
        let printed = expression.to_string();
        match parser::parse(&printed) {
            // A word may have got quotes.
            Ok(again) => assert_eq!(again.to_string(), printed),
            Err(error) => panic!("{printed}: {error:?}"),
        }
    }
    try_text(&with_condition(&condition))
}

/// Loads a file. Whether it was loaded whole.
pub(super) fn try_file(bytes: &[u8]) -> bool {
    try_text(&String::from_utf8_lossy(bytes))
}

/// Loads a file, has it looked at as `rules check`, `list` and `explain` do, and has the rules decide
/// on events. Whether it has rules and nothing was refused.
fn try_text(text: &str) -> bool {
    let files = [RuleFile {
        path: "fuzz.yaml".to_owned(),
        text: text.to_owned(),
    }];
    let options = LoadOptions {
        now: Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
        ..LoadOptions::default()
    };
    let loaded = check(&files, &options);
    let Loaded { set, report } = &loaded;
    // For YAML a carriage return ends a line too.
    let lines = text.split(['\n', '\r']).count() as u32 + 1;
    let refused = report.refused.iter().map(|it| (it.line, it.column));
    let warned = report.warnings.iter().map(|it| (it.line, it.column));
    for (line, column) in refused.chain(warned) {
        assert!((1..=lines).contains(&line), "line {line} of {lines}");
        assert!(column >= 1, "column {column}");
    }
    assert_eq!(report.loaded, set.rules().len());
    assert!(!report.to_text().is_empty());
    rule_list_text(&rule_list(set));
    for explanation in explain(&loaded, &files, &[]) {
        explanation.to_text(&[]);
    }
    let mut outcome = Outcome::default();
    for event in events() {
        set.evaluate(&event, &mut outcome);
        for rule in (0..set.rules().len() as u32).map(RuleIndex) {
            let found = match (
                outcome.matched.contains(&rule),
                outcome.undecided.contains(&rule),
            ) {
                (true, _) => Truth::True,
                (_, true) => Truth::Unknown,
                _ => Truth::False,
            };
            // What the index finds is what a look at the rule finds.
            assert_eq!(
                found,
                set.decide(rule, &event),
                "{}",
                set.rule(rule).info.name
            );
            if found != Truth::False {
                set.finding(rule, &event);
            }
        }
    }
    report.loaded > 0 && report.refused.is_empty()
}

/// Events of the kinds that the languages tell apart.
fn events() -> [Event<'static>; 5] {
    let shell = || {
        process(
            2,
            "sh",
            &["-c", "curl é | sh"],
            Some(process(1, "runc", &[], None).into()),
        )
    };
    [
        exec(shell()),
        in_container(exec(shell()), Identity::Pending),
        in_container(
            open(shell(), "/etc/shadow", 0o101),
            metadata("internal/nginx"),
        ),
        event(shell(), Syscall::Rename, Payload::Paths(Default::default())),
        socket(
            Syscall::Connect,
            "10.0.0.1:40000",
            "10.0.0.2:443",
            Transport::Tcp,
        ),
    ]
}

/// A text with some of its parts changed, or now and then its bytes.
fn changed(seed: &[u8], other: &[u8], words: &[&[&str]], chance: &mut Chance) -> Vec<u8> {
    let text = |bytes| String::from_utf8_lossy(bytes);
    if chance.below(8) == 0 {
        let mut bytes = seed.to_vec();
        change(&mut bytes, other, chance);
        return bytes;
    }
    let words = *chance.pick(words);
    text::change(&text(seed), &text(other), words, chance).into_bytes()
}

/// Two conditions become one, or one is changed.
fn changed_condition(seed: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    let (one, two) = (text(seed), text(other));
    match chance.below(12) {
        0 => format!("({one}) and not ({two})").into_bytes(),
        1 => format!("not({one} or ({two}))").into_bytes(),
        2 => format!("({one})or({two})and({one})").into_bytes(),
        _ => changed(seed, other, &[WORDS, field_names()], chance),
    }
}

fn field_names() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&str>> =
        LazyLock::new(|| catalogue::fields().map(|info| info.name).collect());
    &NAMES
}

#[test]
fn mutated_conditions_are_read_or_refused() {
    let campaign = Campaign {
        name: "fuzz-conditions",
        corpus: "conditions",
        short: 1_500,
        most_memory: MOST_MEMORY,
    };
    campaign.run(changed_condition, try_condition);
}

#[test]
fn mutated_rule_files_are_loaded_or_refused() {
    let campaign = Campaign {
        name: "fuzz-rules",
        corpus: "rules",
        short: 600,
        most_memory: MOST_MEMORY,
    };
    let words = [WORDS, FALCO, field_names()];
    campaign.run(
        |seed, other, chance| changed(seed, other, &words, chance),
        try_file,
    );
}

#[test]
fn mutated_sigma_files_are_loaded_or_refused() {
    let campaign = Campaign {
        name: "fuzz-sigma",
        corpus: "sigma",
        short: 600,
        most_memory: MOST_MEMORY,
    };
    let words = [WORDS, SIGMA, field_names()];
    campaign.run(
        |seed, other, chance| changed(seed, other, &words, chance),
        try_file,
    );
}
