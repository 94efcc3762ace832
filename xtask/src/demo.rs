//! `cargo xtask demo`: the agent at work on containers that misbehave.

use anyhow::Result;

use crate::run::become_tool;
use crate::setup::{self, Part};

/// What the demo does not use.
const WITHOUT: &[Part] = &[Part::Vm, Part::Kernels, Part::Python];

/// Show the agent at work on containers that misbehave.
///
/// Sets up what is missing, builds the release and starts the demo. Needs root, a kernel with BTF
/// and Docker Engine.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the demo itself (`-- --help` lists them)
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    args: Vec<String>,
}

/// Runs `cargo xtask demo`; returns only if the demo could not start.
pub(crate) fn verb(args: &Args) -> Result<()> {
    setup::ensure(WITHOUT)?;
    become_tool("demo", &args.args)
}
