//! Development tasks of Gravlens, run as `cargo xtask VERB`.

#![forbid(unsafe_code)]

mod bench;
mod demo;
mod ebpf_toolchain;
mod eval;
mod integration_test;
mod run;
mod setup;
mod soak;
mod steps;
mod test;
mod tidy;
mod vm;

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
    Setup(setup::Args),
    Demo(demo::Args),
    Test(test::Args),
    /// Run the privileged suites alone
    #[command(subcommand)]
    IntegrationTest(integration_test::Where),
    /// Measure what the agent costs
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Evaluate how good detection is
    #[command(subcommand)]
    Eval(eval::Eval),
    Soak(soak::Args),
    Tidy(tidy::Args),
    Vm(vm::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Setup(args) => setup::verb(&args),
        Verb::Demo(args) => demo::verb(&args),
        Verb::Test(args) => test::verb(&args),
        Verb::IntegrationTest(place) => integration_test::verb(&place),
        Verb::Bench(bench) => bench::verb(&bench),
        Verb::Eval(eval) => eval::verb(&eval),
        Verb::Soak(args) => soak::verb(&args),
        Verb::Tidy(args) => tidy::verb(&args),
        Verb::Vm(args) => vm::verb(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
