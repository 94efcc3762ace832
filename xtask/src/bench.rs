//! `cargo xtask bench`: measurements.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

use crate::run::{cargo, run};

/// Measure; prints a table, or with `--output json` `{"metrics": {...}}`.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// What capture costs a workload: CPU time with the agent and without, bytes and wake-ups per
    /// event, time in the kernel programs, throughput of a saturated machine
    Capture {
        /// Arguments of the benchmark itself (`-- --help` lists them)
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGS"
        )]
        args: Vec<String>,
    },
}

/// Runs `cargo xtask bench`; returns only if the benchmark could not start.
pub(crate) fn verb(bench: &Bench) -> Result<()> {
    let Bench::Capture { args } = bench;
    let build = [
        "build",
        "--release",
        "-p",
        "gravlens",
        "-p",
        "integration-test",
        "--bins",
    ];
    run(cargo().args(build))?;
    let start = [
        "run",
        "--release",
        "-p",
        "integration-test",
        "--bin",
        "bench_capture",
        "--",
    ];
    Err(cargo().args(start).args(args).exec()).context("could not start cargo")
}
