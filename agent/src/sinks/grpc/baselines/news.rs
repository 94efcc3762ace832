//! What the stream and the log tell of changes, in words that are bounded.

use std::time::Duration;

use tokio::time::sleep;

use crate::alert::{SensorFinding, WeakAlertSender, printable};
use crate::baseline::Workload;
use crate::baseline::evidence::Decision;
use crate::baseline::operate::{Decided, Scope};
use crate::proto::ImportedBaseline;
use crate::proto::imported_baseline::Outcome;
use crate::telemetry::{Counter, Failure};

/// Between tries to put a finding into a full queue, and how many there are.
const RETRY: (Duration, u32) = (Duration::from_millis(200), 3_000);
/// Longest text, in characters.
const MAX_TEXT: usize = 1_000;
/// Workloads that are named.
const MAX_NAMES: usize = 5;

struct Untold<'a> {
    what: &'a str,
}

impl Failure for Untold<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("baseline_change_not_told");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "The stream does not tell of a change of baselines: its queue stays full.",
            what = self.what,
            total
        );
    }
}

/// Tells of a change in the log, and in the stream as soon as there is room.
pub(super) fn tell(findings: &WeakAlertSender, finding: SensorFinding) {
    tracing::info!(message = "Baselines changed.", what = finding.output);
    if findings.sensor(finding.clone()) {
        return;
    }
    let findings = findings.clone();
    tokio::spawn(async move {
        for _ in 0..RETRY.1 {
            sleep(RETRY.0).await;
            if findings.sensor(finding.clone()) {
                return;
            }
        }
        Untold {
            what: &finding.output,
        }
        .emit();
    });
}

/// Somebody decided.
pub(super) fn decided(by: &str, decided: &Decided) -> SensorFinding {
    let word = match decided.decision {
        Decision::Accepted => "accepted",
        Decision::Rejected => "rejected",
    };
    let workload = printable(decided.workload.text());
    let what = match &decided.items[..] {
        [one] => format!("{word} {} in '{workload}'", one.behaviour),
        all => format!("{word} {} behaviours of '{workload}'", all.len()),
    };
    let anew = match decided.restarted {
        Some(_) => "; its classes arm anew",
        None => "",
    };
    SensorFinding::baseline_decided(&bounded(format!("{by} {what}{anew}")))
}

/// Somebody locked or unlocked classes.
pub(super) fn locked(by: &str, workload: &Workload, scope: Scope, locked: bool) -> SensorFinding {
    let word = if locked { "locked" } else { "unlocked" };
    let class = scope.class.map_or("all classes", |class| class.name());
    let phase = match scope.phase {
        Some(phase) => format!(" in the {} phase", phase.name()),
        None => String::new(),
    };
    let workload = printable(workload.text());
    let what = format!("{by} {word} {class} of '{workload}'{phase}");
    SensorFinding::baseline_decided(&bounded(what))
}

/// Somebody imported profiles; `None` when nothing was taken in.
pub(super) fn imported(by: &str, files: &[ImportedBaseline]) -> Option<SensorFinding> {
    let merged = files
        .iter()
        .filter(|file| file.outcome() == Outcome::Merged)
        .map(|file| format!("'{}'", printable(&file.workload)));
    let merged: Vec<String> = merged.collect();
    if merged.is_empty() {
        return None;
    }
    let mut names = merged[..merged.len().min(MAX_NAMES)].join(", ");
    if merged.len() > MAX_NAMES {
        names.push_str(&format!(" and {} more", merged.len() - MAX_NAMES));
    }
    let refused = files.len() - merged.len();
    let refused = match refused {
        0 => String::new(),
        refused => format!("; {refused} files were refused"),
    };
    let what = format!("{by} imported {names}{refused}");
    Some(SensorFinding::baselines_imported(&bounded(what)))
}

fn bounded(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_names_some_workloads() {
        let file = |outcome: Outcome, number: usize| ImportedBaseline {
            outcome: outcome.into(),
            workload: format!("image {number}"),
            ..ImportedBaseline::default()
        };
        let refused = file(Outcome::Refused, 9);
        assert!(imported("root", std::slice::from_ref(&refused)).is_none());
        let mut files: Vec<_> = (0..7).map(|number| file(Outcome::Merged, number)).collect();
        files.push(refused);
        assert_eq!(
            imported("root", &files).unwrap().output,
            "Baselines imported: root imported 'image 0', 'image 1', 'image 2', 'image 3', 'image 4' \
             and 2 more; 1 files were refused"
        );
    }

    #[test]
    fn what_is_told_has_a_bound() {
        let name = Workload::from_text(&"é".repeat(5_000));
        let told = locked("root", &name, Scope::default(), true).output;
        assert!(told.ends_with('…') && told.chars().count() < MAX_TEXT + 50);
    }
}
