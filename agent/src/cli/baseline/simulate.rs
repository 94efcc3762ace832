//! `baseline simulate`: what a baseline would have learnt from recordings, and what it would have
//! told.

mod report;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use sha2::{Digest as _, Sha256};

use self::report::Report;
use super::super::replay::{RuleChoice, RulePaths, each_capture, play};
use super::super::run::RunArgs;
use super::super::{Failure, Global, output};
use super::files::{self, Known};
use crate::baseline::evidence::NodeId;
use crate::baseline::file::Evidence;
use crate::baseline::{LearnSettings, Learner};
use crate::capture::Capture;
use crate::config::OutputFormat;
use crate::detect::RuleSet;
use crate::pipeline::Replay;
use crate::proto::capture::Header;

/// New behaviours that are told one by one: what people read.
const TOLD_AS_TEXT: usize = 100;
/// And what programs read, which has to fit into memory: a capture may have any number.
const TOLD_AS_JSON: usize = 10_000;

/// What to learn from, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
The captures are taken in the order in which they are named, as if one came after the other. The same
captures give the same output, to the byte. Rules run as well: a process that a rule of priority
WARNING or above matches, and what descends from it, teaches nothing.")]
pub(in crate::cli) struct SimulateArgs {
    /// Captures: a file stands for all parts of its capture, a directory for the captures in it
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    rules: RuleChoice,
    /// Seconds of a window: what came in it came once
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    window: u64,
    /// Seconds from a container's start that are its start phase
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    start_phase: u64,
    /// Arm a class when at most so many new behaviours a day of one container are to be expected, with
    /// 95 % confidence
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = from_zero, allow_negative_numbers = true)]
    arm_bound: f64,
    /// Hours to watch before a class is armed, so that what comes once in them has had its chance
    #[arg(long, value_name = "HOURS", default_value_t = 24.0, value_parser = from_zero, allow_negative_numbers = true)]
    horizon: f64,
    /// File with a profile, or folder of them, that is known from the start; also several times. What a
    /// reviewed file, which is one without evidence, does not have is told from the first event on
    #[arg(long, value_name = "PATH")]
    baselines: Vec<PathBuf>,
    /// Write what was learnt into this folder, a file for each workload
    #[arg(long, value_name = "FOLDER")]
    export: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long, requires = "export")]
    force: bool,
    /// How many of the new behaviours to tell one by one [default: 100, or 10000 as JSON]
    #[arg(long, value_name = "N")]
    told: Option<usize>,
    /// Do not wait for three starts of a container before a class is armed. This waives the bound of the
    /// start phase as well: without starts there is nothing to count
    #[arg(long)]
    waive_starts: bool,
}

/// `gravlens baseline simulate`
pub(super) fn run(global: &Global, args: &SimulateArgs) -> Result<(), Failure> {
    let form = global.document()?;
    let config = global.load(RunArgs::default().flags())?.config;
    let rules = args.rules.paths(&config);
    let settings = args.settings();
    let mut report = Report::telling(args.told.unwrap_or(match form {
        OutputFormat::Text => TOLD_AS_TEXT,
        OutputFormat::Json => TOLD_AS_JSON,
    }));
    let mut known = Known::read(&args.baselines)?;
    let outcome = simulate(&args.files, &rules, settings, &mut known, &mut report);
    if report.is_empty() {
        return outcome;
    }
    report.conclude(&known.learnt, &settings);
    // What takes long is kept before anything is printed: who reads that may go away.
    let exported = args.export.as_ref().map_or(Ok(()), |folder| {
        files::write(folder, &known.learnt, Evidence::With, args.force)
    });
    match form {
        OutputFormat::Text => output::text(&report.text())?,
        OutputFormat::Json => output::json(&report)?,
    }
    exported.and(outcome)
}

impl SimulateArgs {
    fn settings(&self) -> LearnSettings {
        let mut settings = LearnSettings {
            window: self.window,
            start_phase: self.start_phase,
            starts_waived: self.waive_starts,
            ..LearnSettings::default()
        };
        settings.state.arm_bound = self.arm_bound;
        settings.state.horizon = (self.horizon * 3_600.0) as u64;
        settings
    }
}

fn from_zero(text: &str) -> Result<f64, &'static str> {
    let number = text.parse::<f64>().ok();
    let number = number.filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or("write a number from 0 on, such as 0.5")
}

/// Learns from captures in turn. `known` is what is known before and after, however it ends.
fn simulate(
    files: &[PathBuf],
    rules: &RulePaths,
    settings: LearnSettings,
    known: &mut Known,
    report: &mut Report,
) -> Result<(), Failure> {
    each_capture(files, |mut capture| {
        let set = rules.load(&capture.header().node)?;
        let settings = LearnSettings {
            node: node_of(capture.header()),
            ..settings
        };
        learn(&mut capture, &set, settings, known, report)
    })
}

/// Who watched, for the evidence. Each capture watched for itself, so what two of them watched adds
/// up; the same capture is the same watching, however often its profiles are merged.
pub(in crate::cli) fn node_of(header: &Header) -> NodeId {
    let mut digest = Sha256::new();
    digest.update(header.capture_id.to_le_bytes());
    digest.update(&header.node);
    let digest = digest.finalize();
    let bytes = digest.first_chunk().expect("a digest has 32 bytes");
    NodeId(u64::from_le_bytes(*bytes))
}

/// Replays a capture to its end, or to where it is damaged.
fn learn(
    capture: &mut Capture,
    rules: &Arc<RuleSet>,
    settings: LearnSettings,
    known: &mut Known,
    report: &mut Report,
) -> Result<(), Failure> {
    // A copy, as the replay of a header that is refused gives nothing back.
    let mut learner = Learner::new(settings, known.learnt.clone());
    learner.review(known.reviewed.clone());
    let replay = Replay::learning(capture.header(), Arc::clone(rules), learner);
    let mut replay = replay.map_err(|fault| capture.damage(fault))?;
    let damage = play(capture, &mut replay, |replay| {
        take(replay, report);
        Ok(())
    })?;
    let (seen, lost) = replay.account();
    if let Some(learner) = replay.into_learner() {
        report.ended(&learner, seen, lost);
        known.learnt = learner.into_profiles();
    }
    damage.map_or(Ok(()), |damage| Err(damage.into()))
}

fn take(replay: &mut Replay, report: &mut Report) {
    while replay.next_record().is_some() {}
    if let Some(learner) = replay.learner() {
        report.take(learner);
    }
}

#[cfg(test)]
mod tests;
