//! What benchmarks have in common.

pub mod stats;

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

use crate::undo;

/// How a benchmark prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people.
    Text,
    /// Metrics for programs.
    Json,
}

/// The end of a benchmark.
pub fn conclude(result: Result<()>) -> ExitCode {
    undo::yield_to_interruption();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
