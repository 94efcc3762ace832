//! `baseline merge`: profiles of replicas and nodes as one.

use std::path::PathBuf;

use clap::Args;

use super::super::{Exit, Failure, Global};
use super::files::{self, Target};
use crate::baseline::file::Evidence;
use crate::config::OutputFormat;

/// What to put together, and where.
#[derive(Debug, Args)]
#[command(after_help = "\
The result depends on what is merged alone, not on its order, nor on how often one file is named. With
evidence it can be merged again; files without it are reviewed ones, whose behaviours count as
accepted.")]
pub(in crate::cli) struct MergeArgs {
    /// Files with profiles, or folders of them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// Leave out the evidence: for review
    #[arg(long)]
    without_evidence: bool,
}

/// `gravlens baseline merge`
pub(super) fn run(global: &Global, args: &MergeArgs) -> Result<(), Failure> {
    if global.document()? == OutputFormat::Json {
        let message = "merge makes files, which are YAML: 'gravlens baseline show --output json' prints \
                       what they say";
        return Err(Failure::new(Exit::Usage, message));
    }
    let evidence = if args.without_evidence {
        Evidence::Without
    } else {
        Evidence::With
    };
    args.target.put(&files::read(&args.paths)?, evidence)
}
