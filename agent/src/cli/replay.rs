//! `replay`: the alerts that rules, and baselines, make of captures.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::baseline::{Known, node_of};
use super::rules::{load_options, load_options_of_named};
use super::run::RunArgs;
use super::{Exit, Failure, Global};
use crate::baseline::{LearnSettings, Learner};
use crate::capture::{Capture, Damage, captures};
use crate::config::Config;
use crate::detect::{self, LoadOptions, RuleSet};
use crate::pipeline::{Replay, learn_settings};
use crate::proto;
use crate::proto::capture::Header;
use crate::proto::record::Body;
use crate::sinks::render;

/// What to replay, and with which rules.
#[derive(Debug, Args)]
#[command(after_help = "\
The same capture and rules give the same output, to the byte. Every alert is printed: equal ones are
not counted together, and no rule is throttled.")]
pub(super) struct ReplayArgs {
    /// Captures: a file stands for all parts of its capture, a directory for the captures in it
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    rules: RuleChoice,
    /// File with a profile, or folder of them: tell what the workloads do that is new to it as well; also
    /// several times. What no profile is of is learnt from the captures
    #[arg(long, value_name = "PATH")]
    baselines: Vec<PathBuf>,
}

/// Rules for captures: those named, or the configured ones.
#[derive(Debug, Args)]
pub(super) struct RuleChoice {
    /// Rule file or directory, instead of the configured ones; also several times
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Leave out the bundled rules
    #[arg(long)]
    no_bundled: bool,
}

impl RuleChoice {
    /// Where they are, and how they are loaded.
    pub(super) fn paths(&self, config: &Config) -> RulePaths {
        let configured = self.rules.is_empty();
        RulePaths {
            bundled: config.rules.bundled && !self.no_bundled,
            paths: if configured {
                config.rules.paths.clone()
            } else {
                self.rules.clone()
            },
            options: if configured {
                load_options(config)
            } else {
                load_options_of_named(config)
            },
        }
    }
}

/// `gravlens replay`
pub(super) fn run(global: &Global, args: &ReplayArgs) -> Result<(), Failure> {
    let config = global.load(RunArgs::default().flags())?.config;
    let rules = args.rules.paths(&config);
    let mut baselines = match args.baselines.as_slice() {
        [] => None,
        paths => Some(Baselines {
            known: Known::read(paths)?,
            settings: learn_settings(&config.baselines),
        }),
    };
    let mut stdout = BufWriter::new(io::stdout().lock());
    let mut alerts = 0;
    let outcome = each_capture(&args.files, |mut capture| {
        let node = capture.header().node.clone();
        let set = rules.load(&node)?;
        let (seen, lost) = replay(&mut capture, &set, baselines.as_mut(), &mut |record| {
            alerts += u64::from(matches!(record.body, Some(Body::Alert(_))));
            match render::record(record, global.output, &node) {
                Some(text) => Ok(stdout.write_all(text.as_bytes())?),
                None => Ok(()),
            }
        })?;
        if lost > 0 {
            eprintln!("gravlens: the recorder lost {lost} of {seen} events");
        }
        Ok(())
    });
    stdout.flush()?;
    eprintln!("gravlens: {alerts} alerts");
    outcome
}

/// Does something with each capture. One that is damaged does not keep the others from their turn;
/// the first failure is what the command ends with.
pub(super) fn each_capture(
    files: &[PathBuf],
    mut with: impl FnMut(Capture) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut outcome = Ok(());
    for capture in captures(files)? {
        if capture.header().part > 1 {
            eprintln!(
                "gravlens: parts 1 to {} of the capture are gone; it begins with what ran then",
                capture.header().part - 1
            );
        }
        match (with(capture), &outcome) {
            (Err(failure), Ok(())) if failure.exit() == Exit::Damaged => outcome = Err(failure),
            (Err(failure), Err(_)) if failure.exit() == Exit::Damaged => {
                eprintln!("gravlens: {failure}");
            }
            (Err(failure), _) => return Err(failure),
            (Ok(()), _) => {}
        }
    }
    outcome
}

/// Baselines to tell by.
pub(super) struct Baselines {
    /// What they know, and what they have learnt from one capture for the next.
    known: Known,
    /// How they learn.
    settings: LearnSettings,
}

impl Baselines {
    fn learner(&self, header: &Header) -> Learner {
        let settings = LearnSettings {
            node: node_of(header),
            ..self.settings
        };
        // A copy, as the replay of a header that is refused gives nothing back.
        let mut learner = Learner::new(settings, self.known.learnt.clone());
        learner.review(self.known.reviewed.clone());
        learner
    }
}

/// Replays a capture to its end, or to where it is damaged, and hands out the records: with baselines,
/// what is new to them as well. Returns how many events the recorder saw and lost.
pub(super) fn replay(
    capture: &mut Capture,
    rules: &Arc<RuleSet>,
    baselines: Option<&mut Baselines>,
    with: &mut dyn FnMut(&proto::Record) -> Result<(), Failure>,
) -> Result<(u64, u64), Failure> {
    let (header, set) = (capture.header(), Arc::clone(rules));
    let replay = match &baselines {
        Some(baselines) => Replay::telling(header, set, baselines.learner(header)),
        None => Replay::new(header, set),
    };
    let mut replay = replay.map_err(|fault| capture.damage(fault))?;
    let damage = play(capture, &mut replay, |replay| drain(replay, with))?;
    let account = replay.account();
    if let (Some(baselines), Some(learner)) = (baselines, replay.into_learner()) {
        baselines.known.learnt = learner.into_profiles();
    }
    match damage {
        Some(damage) => Err(damage.into()),
        None => Ok(account),
    }
}

/// Gives a capture to its replay, to its end or to where it is damaged: returns how. `after` takes what
/// each input made, and what the end does.
pub(super) fn play(
    capture: &mut Capture,
    replay: &mut Replay,
    mut after: impl FnMut(&mut Replay) -> Result<(), Failure>,
) -> Result<Option<Damage>, Failure> {
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
        after(replay)?;
    };
    replay.finish();
    after(replay)?;
    Ok(damage)
}

fn drain(
    replay: &mut Replay,
    with: &mut dyn FnMut(&proto::Record) -> Result<(), Failure>,
) -> Result<(), Failure> {
    while let Some(record) = replay.next_record() {
        with(&record)?;
    }
    Ok(())
}

/// Which rules to replay with.
pub(super) struct RulePaths {
    pub(super) bundled: bool,
    pub(super) paths: Vec<PathBuf>,
    /// Without the name of the node, which is the capture's.
    pub(super) options: LoadOptions,
}

impl RulePaths {
    /// Loads them for captures of that node. None may be refused, as with `run`.
    pub(super) fn load(&self, node: &str) -> Result<Arc<RuleSet>, Failure> {
        let mut files = Vec::new();
        if self.bundled {
            files.extend(detect::bundled());
        }
        files.extend(detect::read_paths(&self.paths)?);
        let options = LoadOptions {
            hostname: Some(node.to_owned()),
            ..self.options.clone()
        };
        let loaded = detect::load(&files, &options);
        if loaded.report.refused.is_empty() {
            return Ok(Arc::new(loaded.set));
        }
        Err(Failure::new(Exit::RulesRefused, loaded.report.to_text()))
    }
}

#[cfg(test)]
mod tests;
