//! Where unsafe code may stand: at the border to the kernel, and in the programs that misbehave.

use super::code::{has_word, only_code};
use super::{Problem, Source};

const ALLOWED: &[&str] = &[
    "agent-common/",
    "agent-ebpf/",
    "agent/src/ingest",
    "agent/src/probe",
    "tests/", // offenders make the system calls that a safe program would not
];

/// Finds unsafe code elsewhere.
pub(super) fn check(source: &Source) -> Vec<Problem> {
    let allowed = ALLOWED.iter().any(|prefix| source.path.starts_with(prefix));
    if allowed || !source.path.ends_with(".rs") {
        return Vec::new();
    }
    let code = only_code(&source.text);
    let lines = code.lines().enumerate();
    lines
        .filter(|(_, line)| has_word(line, "unsafe"))
        .map(|(index, _)| {
            let what = format!("unsafe code belongs into {}", ALLOWED.join(", "));
            Problem::new(&source.path, index + 1, what)
        })
        .collect()
}
