//! `cargo xtask soak`: the long form of tests, and what came of it at which commit.

mod entry;
mod record;
mod report;
mod results;
mod source;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum as _;

use crate::run::workspace_root;
use crate::steps::{self, Outcome, Row, Step};
use crate::test;
use entry::Entry;
use record::Record;
use results::Results;
use source::Source;

pub(crate) use entry::variables;

/// Run the long form of tests, which `cargo xtask test` runs in a shorter one.
///
/// Needs what `cargo xtask test` needs. What has passed at this commit is not run again, so that
/// a run that was interrupted can be resumed; the test that was interrupted starts anew. Exit code
/// 1 if any failed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to run; without a name all of it, in this order
    #[arg(value_enum, value_name = "NAME")]
    names: Vec<Entry>,
    /// Run also what has passed at this commit
    #[arg(long)]
    again: bool,
    /// Print the newest result of each as Markdown, and run nothing
    #[arg(long, conflicts_with = "again")]
    report: bool,
}

/// Runs `cargo xtask soak`.
pub(crate) fn verb(args: &Args) -> Result<()> {
    let entries = chosen(&args.names);
    let results = Results::new(folder().join("results.jsonl"));
    if args.report {
        print!("{}", report::markdown(&entries, &results.read()?));
        return Ok(());
    }
    let source = Source::here()?;
    let known = if args.again {
        Vec::new()
    } else {
        results.read()?
    };
    let (planned, passed) = plan(&entries, &known, &source);
    if planned.is_empty() {
        passed.iter().for_each(|line| println!("{line}"));
        return Ok(());
    }
    let steps = steps(&planned)?;
    let total = steps.iter().map(|step| step.deadline).sum::<Duration>();
    steps::run_each(steps, total, &passed, |row| match Entry::named(row.name) {
        Some(entry) => results.append(&record(entry, row, &source)?),
        None => Ok(()), // what prepares the others
    })
}

/// The entries that were named, each once, in their order.
fn chosen(names: &[Entry]) -> Vec<Entry> {
    let mut entries = Entry::value_variants().to_vec();
    entries.retain(|entry| names.is_empty() || names.contains(entry));
    entries
}

/// What is to run, and a line for each entry that has passed already.
fn plan(entries: &[Entry], known: &[Record], source: &Source) -> (Vec<Entry>, Vec<String>) {
    let mut planned = Vec::new();
    let mut passed = Vec::new();
    for &entry in entries {
        let kernel = entry.kernel();
        let newest = known.iter().rfind(|record| record.entry == entry.name());
        match newest.filter(|record| record.counts(source, kernel.as_deref())) {
            Some(record) => passed.push(format!(
                "{}: passed at {} on {}; --again runs it again",
                record.entry, record.commit, record.date
            )),
            None => planned.push(entry),
        }
    }
    (planned, passed)
}

fn steps(entries: &[Entry]) -> Result<Vec<Step>> {
    let mut steps = vec![test::setup()?, test::release_build()];
    for entry in entries {
        let mut step = entry.step()?;
        step.log = Some(log_of(*entry));
        steps.push(step);
    }
    Ok(steps)
}

fn record(entry: Entry, row: &Row, source: &Source) -> Result<Record> {
    let mut lines = record::last_lines(&fs::read_to_string(log_of(entry))?);
    if let Outcome::Failed(why) = &row.outcome {
        lines.push(format!("failed: {why}"));
    }
    Ok(Record {
        entry: entry.name().to_owned(),
        passed: row.outcome == Outcome::Passed,
        commit: source.commit.clone(),
        date: source::now(),
        kernel: entry.kernel().unwrap_or_default(),
        cores: entry.cores(),
        seconds: row.seconds.round() as u64,
        lines,
    })
}

/// The newest output of an entry.
fn log_of(entry: Entry) -> PathBuf {
    folder().join(format!("{}.log", entry.name()))
}

fn folder() -> PathBuf {
    workspace_root().join("target/soak")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(commit: &str) -> Source {
        Source {
            commit: commit.to_owned(),
        }
    }

    fn passed(entry: Entry, commit: &str) -> Record {
        Record {
            entry: entry.name().to_owned(),
            passed: true,
            commit: commit.to_owned(),
            date: "2026-01-02".to_owned(),
            kernel: entry.kernel().unwrap_or_default(),
            cores: 2,
            seconds: 1,
            lines: Vec::new(),
        }
    }

    fn planned(known: &[Record], commit: &str) -> Vec<Entry> {
        let entries = [Entry::RacesOpen, Entry::Fairness];
        plan(&entries, known, &source(commit)).0
    }

    #[test]
    fn what_has_passed_at_this_commit_is_not_run_again() {
        let known = [passed(Entry::RacesOpen, "a")];
        assert_eq!(planned(&known, "a"), [Entry::Fairness]);
        assert_eq!(planned(&known, "b"), [Entry::RacesOpen, Entry::Fairness]);
        let lines = plan(&[Entry::RacesOpen], &known, &source("a")).1;
        assert_eq!(
            lines,
            ["races-open: passed at a on 2026-01-02; --again runs it again"]
        );
    }

    #[test]
    fn a_changed_tree_another_kernel_and_a_failure_count_for_nothing() {
        let all = [Entry::RacesOpen, Entry::Fairness];
        let dirty = "a-dirty";
        assert_eq!(planned(&[passed(Entry::RacesOpen, dirty)], dirty), all);
        let mut elsewhere = passed(Entry::RacesOpen, "a");
        elsewhere.kernel = "another".to_owned();
        assert_eq!(planned(&[elsewhere], "a"), all);
        let mut failed = passed(Entry::RacesOpen, "a");
        failed.passed = false;
        assert_eq!(planned(std::slice::from_ref(&failed), "a"), all);
        // What failed after it had passed has to be run again.
        let known = [passed(Entry::RacesOpen, "a"), failed];
        assert_eq!(planned(&known, "a"), all);
    }

    #[test]
    fn names_select_in_the_order_of_all() {
        assert_eq!(chosen(&[]), Entry::value_variants());
        assert_eq!(
            chosen(&[Entry::Fairness, Entry::RacesExec, Entry::Fairness]),
            [Entry::RacesExec, Entry::Fairness]
        );
    }
}
