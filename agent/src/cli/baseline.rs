//! `baseline`: what workloads do, and what of it is new.

mod simulate;

use clap::Subcommand;

use super::{Failure, Global};

/// What to do with baselines.
#[derive(Debug, Subcommand)]
pub(super) enum BaselineVerb {
    /// Learn from recordings, and say what would have been new and when each class may be trusted
    Simulate(simulate::SimulateArgs),
}

/// `gravlens baseline`
pub(super) fn run(global: &Global, verb: &BaselineVerb) -> Result<(), Failure> {
    match verb {
        BaselineVerb::Simulate(args) => simulate::run(global, args),
    }
}
