//! `baseline export`: what the running agent knows, as files.

use clap::Args;

use super::super::{Failure, Global};
use super::files::{self, Parts, Target};
use super::live;

/// What, and where.
#[derive(Debug, Args)]
#[command(after_help = "\
With evidence a file can be merged, and imported by this agent or another. Without it, it is a reviewed
file: for git, and for the folder that the agent's setting baselines.dir names.")]
pub(in crate::cli) struct ExportArgs {
    /// Only this workload, as `gravlens baseline list` has it; may be given several times
    #[arg(long, value_name = "NAME")]
    workload: Vec<String>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    parts: Parts,
}

/// `gravlens baseline export`
pub(super) fn run(global: &Global, args: &ExportArgs) -> Result<(), Failure> {
    files::only_yaml(global, "export")?;
    let profiles = live::profiles(global, &args.workload, false)?;
    args.target.put(&profiles, args.parts.evidence())
}
