//! Development tasks of Gravlens, run as `cargo xtask VERB`.

#![forbid(unsafe_code)]

mod ebpf_toolchain;
mod run;
mod setup;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development tasks of Gravlens.
///
/// Exit codes: 0 done, 1 a check or step failed, 2 the command line was wrong.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Bring what building and testing need and this machine lacks
    Setup(setup::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Setup(args) => setup::verb(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
