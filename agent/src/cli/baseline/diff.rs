//! `baseline diff`: what two profiles do not have in common, of files or of the running agent.

mod document;

use std::path::PathBuf;

use clap::Args;

use self::document::Document;
use super::super::{Exit, Failure, Global, output};
use super::{files, live};
use crate::alert::printable;
use crate::baseline::diff::{self, Diff};
use crate::baseline::{Profile, Workload};
use crate::config::OutputFormat;

/// Two profiles.
#[derive(Debug, Args)]
#[command(after_help = "\
Lines with `-` are in the first alone, those with `+` in the second, those with `~` are a pattern of the
one for what the other has, which is no difference. Exit code 1 if they differ, 2 if one cannot be used.
The names of their workloads may be others: that is said, and is no difference either.")]
pub(in crate::cli) struct DiffArgs {
    /// The profile as it was
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The profile as it is [default: what the running agent has learnt of the workload of OLD]
    #[arg(value_name = "NEW")]
    new: Option<PathBuf>,
    /// Ask the running agent for this workload instead
    #[arg(long, value_name = "NAME", conflicts_with = "new")]
    workload: Option<String>,
}

/// `gravlens baseline diff`
pub(super) fn run(global: &Global, args: &DiffArgs) -> Result<(), Failure> {
    let form = global.document()?;
    let old = files::read_one(&args.old)?;
    let new = match (&args.new, &args.workload) {
        (Some(new), _) => files::read_one(new)?,
        (None, Some(workload)) => live::profile(global, workload)?,
        (None, None) => live::profile(global, old.0.text())?,
    };
    let found = Comparison::of(old, new);
    match form {
        OutputFormat::Text => output::text(&found.text())?,
        OutputFormat::Json => output::json(&Document::of(&found))?,
    }
    found.outcome()
}

/// What came of it.
struct Comparison {
    old: Workload,
    new: Workload,
    diff: Diff,
}

impl Comparison {
    fn of((old, before): (Workload, Profile), (new, after): (Workload, Profile)) -> Self {
        let diff = diff::diff(&before, &after);
        Self { old, new, diff }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if self.old != self.new {
            text.push_str(&format!(
                "different workloads: {} and {}\n",
                printable(self.old.text()),
                printable(self.new.text())
            ));
        }
        text.push_str(&self.diff.to_string());
        text
    }

    /// The output says what differs: the code alone is left to say that something does.
    fn outcome(&self) -> Result<(), Failure> {
        if self.diff.is_empty() {
            Ok(())
        } else {
            Err(Failure::silent(Exit::Failure))
        }
    }
}

#[cfg(test)]
mod tests;
