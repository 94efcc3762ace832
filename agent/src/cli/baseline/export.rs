//! `baseline export`: what the running agent knows, as files.

use clap::Args;

use super::super::{Exit, Failure, Global};
use super::files::Target;
use super::live;
use crate::baseline::file::Evidence;
use crate::config::OutputFormat;

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
    /// Leave out the evidence: for review
    #[arg(long)]
    without_evidence: bool,
}

/// `gravlens baseline export`
pub(super) fn run(global: &Global, args: &ExportArgs) -> Result<(), Failure> {
    if global.document()? == OutputFormat::Json {
        let message = "export makes files, which are YAML: 'gravlens baseline show --output json' prints \
                       what they say";
        return Err(Failure::new(Exit::Usage, message));
    }
    let evidence = if args.without_evidence {
        Evidence::Without
    } else {
        Evidence::With
    };
    let profiles = live::profiles(global, &args.workload, false)?;
    args.target.put(&profiles, evidence)
}
