//! `baseline diff`: what two profiles do not have in common.

use std::path::PathBuf;

use clap::Args;

use super::super::{Exit, Failure, Global, output};
use super::files;
use crate::baseline::diff;
use crate::config::OutputFormat;

/// Two profiles.
#[derive(Debug, Args)]
#[command(after_help = "\
Lines with `-` are in the first alone, those with `+` in the second, those with `~` are a pattern of the
one for what the other has. Exit code 1 if they differ.")]
pub(in crate::cli) struct DiffArgs {
    /// The profile as it was
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The profile as it is
    #[arg(value_name = "NEW")]
    new: PathBuf,
}

/// `gravlens baseline diff`
pub(super) fn run(global: &Global, args: &DiffArgs) -> Result<(), Failure> {
    let form = global.document()?;
    let (old_of, old) = files::read_one(&args.old)?;
    let (new_of, new) = files::read_one(&args.new)?;
    if old_of != new_of {
        eprintln!("gravlens: the profiles are of different workloads: {old_of} and {new_of}");
    }
    let found = diff::diff(&old, &new);
    let text = found.to_string();
    match form {
        OutputFormat::Text => output::text(&text)?,
        OutputFormat::Json => output::json(&text.lines().collect::<Vec<_>>())?,
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Failure, "the profiles differ"))
}
