//! `replay`: the alerts that rules make of captures.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::rules::{load_options, load_options_of_named};
use super::run::RunArgs;
use super::{Exit, Failure, Global};
use crate::capture::{Capture, Damage, captures};
use crate::config::Config;
use crate::detect::{self, LoadOptions, RuleSet};
use crate::pipeline::Replay;
use crate::proto;
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
    let mut stdout = BufWriter::new(io::stdout().lock());
    let mut alerts = 0;
    let outcome = each_capture(&args.files, |mut capture| {
        let node = capture.header().node.clone();
        let set = rules.load(&node)?;
        let (seen, lost) = replay(&mut capture, &set, &mut |record| {
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

/// Replays a capture to its end, or to where it is damaged, and hands out the records. Returns how
/// many events the recorder saw and lost.
pub(super) fn replay(
    capture: &mut Capture,
    rules: &Arc<RuleSet>,
    with: &mut dyn FnMut(&proto::Record) -> Result<(), Failure>,
) -> Result<(u64, u64), Failure> {
    let replay = Replay::new(capture.header(), Arc::clone(rules));
    let mut replay = replay.map_err(|fault| capture.damage(fault))?;
    let damage = play(capture, &mut replay, |replay| drain(replay, with))?;
    match damage {
        Some(damage) => Err(damage.into()),
        None => Ok(replay.account()),
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
mod tests {
    use std::fs;

    use super::*;
    use crate::capture::sample;
    use crate::config::Config;
    use crate::detect::Level;

    fn story() -> Vec<u8> {
        let stored = "/../tests/corpora/capture/story";
        fs::read([env!("CARGO_MANIFEST_DIR"), stored].concat()).unwrap()
    }

    /// Replays what lies there; the ids of the alerts, and how it ended.
    fn ids(path: PathBuf) -> (Vec<String>, Option<Exit>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yaml");
        fs::write(&file, sample::RULES).unwrap();
        let rules = RulePaths {
            bundled: true,
            paths: vec![file],
            options: LoadOptions::default(),
        };
        let mut ids = Vec::new();
        let outcome = each_capture(&[path], |mut capture| {
            let set = rules.load(&capture.header().node)?;
            let account = replay(&mut capture, &set, &mut |record| {
                if let Some(Body::Alert(alert)) = &record.body {
                    ids.push(alert.id.clone());
                }
                Ok(())
            })?;
            assert_eq!(account, (12, 1));
            Ok(())
        });
        (ids, outcome.err().map(|failure| failure.exit()))
    }

    #[test]
    fn a_damaged_capture_is_used_up_to_the_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        fs::write(&path, story()).unwrap();
        let (whole, exit) = ids(folder.path().to_owned());
        assert_eq!(exit, None);
        assert!(whole.len() > 5, "{whole:?}");
        let mut cut = story();
        cut.truncate(cut.len() - 40);
        fs::write(&path, cut).unwrap();
        let (before, exit) = ids(path.clone());
        assert_eq!(exit, Some(Exit::Damaged));
        // What waits when the capture ends leaves then, so only the begin is the same.
        let same = before
            .iter()
            .zip(&whole)
            .take_while(|(one, other)| one == other);
        let same = same.count();
        assert!(same >= 5 && before.len() <= whole.len(), "{before:?}");
    }

    #[test]
    fn rules_that_are_refused_and_files_that_are_none_have_their_codes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yaml");
        fs::write(&file, sample::RULES.replace("proc.name", "proc.nmae")).unwrap();
        let rules = RulePaths {
            bundled: false,
            paths: vec![file.clone()],
            options: LoadOptions::default(),
        };
        let failure = rules.load("node").unwrap_err();
        assert_eq!(failure.exit(), Exit::RulesRefused);
        assert!(failure.to_string().contains("proc.name"), "{failure}");
        assert_eq!(ids(file).1, Some(Exit::Usage));
        let absent = folder.path().join("absent");
        assert_eq!(ids(absent).1, Some(Exit::Failure));
    }

    #[test]
    fn the_least_level_of_sigma_is_the_configured_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("low.yaml");
        let text = "title: Low\nlevel: low\nlogsource: {category: process_creation}\ndetection:\n  \
                    s: {Image: x}\n  condition: s\n";
        fs::write(&file, text).unwrap();
        let enabled = |level| {
            let mut config = Config::default();
            config.rules.sigma_min_level = level;
            let rules = RulePaths {
                bundled: false,
                paths: vec![file.clone()],
                options: load_options_of_named(&config),
            };
            let set = rules.load("node").unwrap();
            set.rules().filter(|rule| rule.enabled).count()
        };
        assert_eq!((enabled(Level::Low), enabled(Level::Medium)), (1, 0));
    }
}
