//! `cargo xtask demo`: the agent at work on containers that misbehave.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

use crate::run::{cargo, run};
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
    // The demo starts the agent and puts the offenders into an image: both must be there.
    run(cargo().args([
        "build",
        "--release",
        "-p",
        "gravlens",
        "-p",
        "integration-test",
        "--bins",
    ]))?;
    let mut demo = cargo();
    demo.args([
        "run",
        "--release",
        "-p",
        "integration-test",
        "--bin",
        "demo",
        "--",
    ])
    .args(&args.args);
    // Replaces this process, as cargo then does itself: Ctrl-C and the exit code are the demo's.
    Err(demo.exec()).context("could not start cargo; is the Rust toolchain in PATH?")
}
