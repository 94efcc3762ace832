//! `baseline simulate`: what a baseline would have learnt from recordings, and what it would have
//! told.

mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use self::report::Report;
use super::super::replay::{RulePaths, each_capture};
use super::super::rules::{load_options, load_options_of_named};
use super::super::run::RunArgs;
use super::super::{Failure, Global, output};
use super::files;
use crate::baseline::file::Evidence;
use crate::baseline::{LearnSettings, Learner, Profile, Workload};
use crate::capture::Capture;
use crate::config::OutputFormat;
use crate::detect::RuleSet;
use crate::pipeline::Replay;

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
    /// Rule file or directory, instead of the configured ones; also several times
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Leave out the bundled rules
    #[arg(long)]
    no_bundled: bool,
    /// Seconds of a window: what came in it came once
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    window: u64,
    /// Seconds from a container's start that are its start phase
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    start_phase: u64,
    /// Arm a class when at most so many new behaviours a day of one container are to be expected, with
    /// 95 % confidence
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    arm_bound: f64,
    /// Hours to watch before a class is armed, so that what comes once in them has had its chance
    #[arg(long, value_name = "HOURS", default_value_t = 24.0)]
    horizon: f64,
    /// File with a profile, or folder of them, that is known from the start; also several times
    #[arg(long, value_name = "PATH")]
    baselines: Vec<PathBuf>,
    /// Write what was learnt into this folder, a file for each workload
    #[arg(long, value_name = "FOLDER")]
    export: Option<PathBuf>,
    /// Do not wait for three starts of a container before a class is armed
    #[arg(long)]
    waive_starts: bool,
}

/// `gravlens baseline simulate`
pub(super) fn run(global: &Global, args: &SimulateArgs) -> Result<(), Failure> {
    let form = global.document()?;
    let config = global.load(RunArgs::default().flags())?.config;
    let configured = args.rules.is_empty();
    let rules = RulePaths {
        bundled: config.rules.bundled && !args.no_bundled,
        paths: if configured {
            config.rules.paths.clone()
        } else {
            args.rules.clone()
        },
        options: if configured {
            load_options(&config)
        } else {
            load_options_of_named(&config)
        },
    };
    let settings = args.settings();
    let mut report = Report::default();
    let mut profiles = files::read(&args.baselines)?;
    let outcome = each_capture(&args.files, |mut capture| {
        let node = capture.header().node.clone();
        let set = rules.load(&node)?;
        let known = std::mem::take(&mut profiles);
        let (learnt, end) = learn(&mut capture, &set, settings, known, &mut report)?;
        profiles = learnt;
        end
    });
    report.conclude(&profiles, &settings);
    match form {
        OutputFormat::Text => output::text(&report.text())?,
        OutputFormat::Json => output::json(&report)?,
    }
    if let Some(folder) = &args.export {
        files::write(folder, &profiles, Evidence::With, false)?;
    }
    outcome
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
        settings.state.horizon = (self.horizon.max(0.0) * 3_600.0) as u64;
        settings
    }
}

/// What was learnt, and how the capture ended.
type Learnt = (BTreeMap<Workload, Profile>, Result<(), Failure>);

/// Replays a capture to its end, or to where it is damaged.
fn learn(
    capture: &mut Capture,
    rules: &Arc<RuleSet>,
    settings: LearnSettings,
    known: BTreeMap<Workload, Profile>,
    report: &mut Report,
) -> Result<Learnt, Failure> {
    let learner = Learner::new(settings, known);
    let replay = Replay::learning(capture.header(), Arc::clone(rules), learner);
    let mut replay = replay.map_err(|fault| capture.damage(fault))?;
    let damage = loop {
        match capture.next_input() {
            Ok(Some(input)) => {
                if let Err(fault) = replay.apply(input) {
                    break Some(capture.damage(fault));
                }
            }
            Ok(None) => break None,
            Err(damage) => break Some(damage),
        }
        while replay.next_record().is_some() {}
        if let Some(learner) = replay.learner() {
            report.take(learner);
        }
    };
    replay.finish();
    let (seen, lost) = replay.account();
    let end = damage.map_or(Ok(()), |damage| Err(damage.into()));
    let Some(learner) = replay.into_learner() else {
        return Ok((BTreeMap::new(), end));
    };
    report.ended(&learner, seen, lost);
    Ok((learner.into_profiles(), end))
}
