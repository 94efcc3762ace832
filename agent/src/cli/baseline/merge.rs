//! `baseline merge`: profiles of replicas and nodes as one.

use std::path::PathBuf;

use clap::Args;

use super::super::{Failure, output};
use super::files;
use crate::baseline::file::Evidence;

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
    /// Write a file for each workload into this folder, instead of printing them
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long, requires = "into")]
    force: bool,
    /// Leave out the evidence: for review
    #[arg(long)]
    without_evidence: bool,
}

/// `gravlens baseline merge`
pub(super) fn run(args: &MergeArgs) -> Result<(), Failure> {
    let evidence = if args.without_evidence {
        Evidence::Without
    } else {
        Evidence::With
    };
    let profiles = files::read(&args.paths)?;
    match &args.into {
        Some(folder) => files::write(folder, &profiles, evidence, args.force),
        None => {
            for (workload, profile) in &profiles {
                output::text(&profile.to_yaml(workload, evidence))?;
            }
            Ok(())
        }
    }
}
