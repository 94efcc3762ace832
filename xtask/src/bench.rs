//! `cargo xtask bench`: measurements.

use anyhow::Result;

use crate::run::become_tool;

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
    /// What decoding, enrichment, rules and known events of baselines cost: a recording of servers under load and of programs
    /// that start goes through the detection task, with a hundred rules and with a thousand; beside
    /// it Sigma's public rules, here and in rsigma-eval
    Rules {
        /// Arguments of the benchmark itself (`-- --help` lists them)
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGS"
        )]
        args: Vec<String>,
    },
    /// How fast alerts reach a subscriber, from memory and through the spool's files, and how long
    /// an event takes from the kernel to a client
    Stream {
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
    match bench {
        Bench::Capture { args } => become_tool("bench_capture", args),
        Bench::Rules { args } => become_tool("bench_rules", args),
        Bench::Stream { args } => become_tool("bench_stream", args),
    }
}
