//! What `tune` found, for people and programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::history::Recorded;
use super::proposal::{Effect, FieldValue, Proposal};
use super::{Checked, rule_name};
use crate::alert::printable;
use crate::detect::Warning;
use crate::proto::Alert;
use crate::sinks::render;

/// Everything that is told.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    alert: String,
    rule: String,
    proposals: Vec<Level>,
    /// Level of the proposal that was taken.
    level: usize,
    /// What it does to each recorded alert of the rule, the oldest first.
    alerts: Vec<Judged>,
    /// Item of a rule file.
    exception: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileReport>,
}

/// A proposal with what it would have done.
#[derive(Debug, Serialize)]
struct Level {
    level: usize,
    compares: String,
    fields: Vec<FieldValue>,
    hidden: usize,
    /// Alerts that were rolled up into the hidden ones: of each only its evidence is known to be
    /// equal, so it may be kept.
    hidden_rolled_up: u64,
    kept: usize,
    unknown: usize,
}

#[derive(Debug, Serialize)]
struct Judged {
    id: String,
    time: String,
    effect: Effect,
    rolled_up: u64,
    output: String,
}

#[derive(Debug, Serialize)]
struct FileReport {
    path: String,
    written: bool,
    /// The configuration names the file or its directory.
    loaded: bool,
    warnings: Vec<Warning>,
}

/// Alerts of each effect that are shown to people.
const SHOWN: usize = 10;

impl Report {
    pub(super) fn new(
        alert: &Alert,
        proposals: &[Proposal],
        chosen: &Proposal,
        history: &[Recorded],
        exception: String,
    ) -> Self {
        let judged = history.iter().map(|recorded| Judged {
            id: recorded.alert.id.clone(),
            time: render::time(recorded.alert.time.as_ref()),
            effect: chosen.effect(&recorded.alert),
            rolled_up: recorded.rolled_up,
            output: recorded.alert.output.clone(),
        });
        Self {
            alert: alert.id.clone(),
            rule: rule_name(alert).to_owned(),
            proposals: proposals
                .iter()
                .map(|found| Level::new(found, history))
                .collect(),
            level: chosen.level,
            alerts: judged.collect(),
            exception,
            file: None,
        }
    }

    pub(super) fn about_file(&mut self, path: String, checked: &Checked, written: bool) {
        self.file = Some(FileReport {
            path,
            written,
            loaded: checked.is_loaded,
            warnings: checked.report.warnings.clone(),
        });
    }

    pub(super) fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            out,
            "rule '{}', alert {}\n",
            printable(&self.rule),
            self.alert
        );
        let all = self.alerts.len();
        let _ = writeln!(
            out,
            "Proposals, the narrowest first; {all} alerts of the rule are looked at:"
        );
        for level in &self.proposals {
            level.write(&mut out, level.level == self.level);
        }
        for (effect, title) in [
            (Effect::Hidden, "Would have been hidden"),
            (Effect::Kept, "Would have been raised all the same"),
            (
                Effect::Unknown,
                "Cannot be told, as the alert is incomplete",
            ),
        ] {
            self.write_alerts(&mut out, effect, title);
        }
        let _ = write!(
            out,
            "\nThe exception of level {}:\n\n{}",
            self.level, self.exception
        );
        self.write_file(&mut out);
        out
    }

    fn write_alerts(&self, out: &mut String, effect: Effect, title: &str) {
        let of_effect = || self.alerts.iter().filter(|judged| judged.effect == effect);
        let count = of_effect().count();
        if count == 0 {
            return;
        }
        let _ = writeln!(out, "\n{title}: {count}");
        // The newest tell most.
        for judged in of_effect().skip(count.saturating_sub(SHOWN)) {
            let output = printable(&judged.output);
            let more = match judged.rolled_up {
                0 => String::new(),
                count => format!(" (and {count} rolled up into it)"),
            };
            let _ = writeln!(out, "  {} {} {output}{more}", judged.time, judged.id);
        }
        if count > SHOWN {
            let _ = writeln!(
                out,
                "  and {} older ones: --output json has all",
                count - SHOWN
            );
        }
    }

    fn write_file(&self, out: &mut String) {
        let Some(file) = &self.file else {
            let _ = writeln!(
                out,
                "\nNothing was written: --write --file PATH adds it to a file."
            );
            return;
        };
        let FileReport {
            path,
            written,
            loaded,
            warnings,
        } = file;
        let _ = match written {
            true => writeln!(out, "\nWritten to {path}."),
            false => writeln!(out, "\nIt would load in {path}; --write adds it there."),
        };
        for warning in warnings {
            let (line, reason, kind) = (warning.line, &warning.reason, warning.kind.word());
            let _ = writeln!(out, "{path}:{line}: warning: {reason} [{kind}]");
        }
        if !loaded {
            let _ = writeln!(
                out,
                "The agent does not load {path}: name it last in rules.paths, then load the rules \
                 anew."
            );
        }
    }
}

impl Level {
    fn new(proposal: &Proposal, history: &[Recorded]) -> Self {
        let mut level = Self {
            level: proposal.level,
            compares: proposal.words(),
            fields: proposal.fields.clone(),
            hidden: 0,
            hidden_rolled_up: 0,
            kept: 0,
            unknown: 0,
        };
        for recorded in history {
            match proposal.effect(&recorded.alert) {
                Effect::Hidden => {
                    level.hidden += 1;
                    level.hidden_rolled_up += recorded.rolled_up;
                }
                Effect::Kept => level.kept += 1,
                Effect::Unknown => level.unknown += 1,
            }
        }
        level
    }

    fn write(&self, out: &mut String, is_chosen: bool) {
        let mark = if is_chosen { '*' } else { ' ' };
        let _ = write!(
            out,
            "{mark} {} {}: {} hidden, {} kept",
            self.level, self.compares, self.hidden, self.kept
        );
        if self.unknown > 0 {
            let _ = write!(out, ", {} unknown", self.unknown);
        }
        if self.hidden_rolled_up > 0 {
            let _ = write!(
                out,
                "; {} more were rolled up into the hidden ones, which does not tell them apart",
                self.hidden_rolled_up
            );
        }
        out.push('\n');
    }
}
