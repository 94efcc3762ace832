//! `baseline merge`: profiles of replicas and nodes as one.

use std::path::PathBuf;

use clap::Args;

use super::super::{Failure, Global};
use super::files::{self, Parts, Target};

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
    #[command(flatten)]
    parts: Parts,
}

/// `gravlens baseline merge`
pub(super) fn run(global: &Global, args: &MergeArgs) -> Result<(), Failure> {
    files::only_yaml(global, "merge")?;
    let profiles = files::read(&args.paths)?;
    args.target.put(&profiles, args.parts.evidence())
}
