//! `rules backtest`: which alerts other rules would have made of captures.

mod compare;

use std::path::PathBuf;

use clap::Args;

use super::super::replay::{RulePaths, each_capture, replay};
use super::super::run::RunArgs;
use super::super::{Exit, Failure, Global, output};
use super::load_options_of_named;
use crate::config::OutputFormat;
use crate::proto::record::Body;

use compare::{Alerts, Comparison};

/// Two sets of rules and what to try them on.
#[derive(Debug, Args)]
#[command(after_help = "\
An alert is new if the old rules make none by a rule of that name from the same event; it is changed
if its priority, output or tags are others. Exit code 1 if more are new than --max-new allows.")]
pub(in crate::cli) struct BacktestArgs {
    /// Captures: a file stands for all parts of its capture, a directory for the captures in it
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Rule file or directory of the rules as they were; also several times
    #[arg(long, value_name = "PATH", required = true)]
    old: Vec<PathBuf>,
    /// Rule file or directory of the rules as they are to be; also several times
    #[arg(long, value_name = "PATH", required = true)]
    new: Vec<PathBuf>,
    /// Do not load the bundled rules, with their macros and lists, before either
    #[arg(long)]
    no_bundled: bool,
    /// Fail if more alerts than these are new
    #[arg(long, value_name = "N")]
    max_new: Option<u64>,
}

/// `gravlens rules backtest`
pub(super) fn run(global: &Global, args: &BacktestArgs) -> Result<(), Failure> {
    let form = global.document()?;
    let config = global.load(RunArgs::default().flags())?.config;
    let paths = |paths: &[PathBuf]| RulePaths {
        bundled: !args.no_bundled,
        paths: paths.to_vec(),
        options: load_options_of_named(&config),
    };
    let (old, new) = (paths(&args.old), paths(&args.new));
    let mut comparison = Comparison::default();
    let before = replay_all(&args.files, &old)?;
    let after = replay_all(&args.files, &new)?;
    comparison.add(&before.alerts, &after.alerts);
    comparison.seen = after.seen;
    comparison.lost = after.lost;
    match form {
        OutputFormat::Text => output::text(&comparison.text())?,
        OutputFormat::Json => output::json(&comparison)?,
    }
    // Both stop at the same place: it is told once.
    after.damage?;
    match args.max_new {
        Some(max) if comparison.gained > max => Err(Failure::new(
            Exit::Failure,
            format!(
                "{} alerts are new; --max-new allows {max}",
                comparison.gained
            ),
        )),
        _ => Ok(()),
    }
}

struct Replayed {
    alerts: Alerts,
    seen: u64,
    lost: u64,
    damage: Result<(), Failure>,
}

fn replay_all(files: &[PathBuf], rules: &RulePaths) -> Result<Replayed, Failure> {
    let mut alerts = Alerts::default();
    let (mut seen, mut lost) = (0, 0);
    let damage = each_capture(files, |mut capture| {
        let set = rules.load(&capture.header().node)?;
        alerts.begin_capture();
        let (here, gone) = replay(&mut capture, &set, None, &mut |record| {
            match &record.body {
                Some(Body::Alert(alert)) => alerts.alert(record.sequence, alert),
                Some(Body::Amend(amend)) => alerts.amend(amend),
                _ => {}
            }
            Ok(())
        })?;
        seen += here;
        lost += gone;
        Ok(())
    });
    match damage {
        Err(failure) if failure.exit() != Exit::Damaged => Err(failure),
        damage => Ok(Replayed {
            alerts,
            seen,
            lost,
            damage,
        }),
    }
}
