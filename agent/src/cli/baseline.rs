//! `baseline`: what workloads do, and what of it is new.

mod diff;
mod files;
mod merge;
mod show;
mod simulate;

use clap::Subcommand;

pub(super) use self::files::Known;
pub(super) use self::simulate::node_of;
use super::{Failure, Global};

/// What to do with baselines.
#[derive(Debug, Subcommand)]
pub(super) enum BaselineVerb {
    /// Learn from recordings, and say what would have been new and when each class may be trusted
    Simulate(simulate::SimulateArgs),
    /// Print what profiles say, for review: no times, no counts
    Show(show::ShowArgs),
    /// Say what two profiles do not have in common
    Diff(diff::DiffArgs),
    /// Put profiles of one workload together, whatever their number and order
    Merge(merge::MergeArgs),
}

/// `gravlens baseline`
pub(super) fn run(global: &Global, verb: &BaselineVerb) -> Result<(), Failure> {
    match verb {
        BaselineVerb::Simulate(args) => simulate::run(global, args),
        BaselineVerb::Show(args) => show::run(global, args),
        BaselineVerb::Diff(args) => diff::run(global, args),
        BaselineVerb::Merge(args) => merge::run(global, args),
    }
}

#[cfg(test)]
mod tests;
