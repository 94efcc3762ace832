//! `baseline`: what workloads do, and what of it is new.

mod decide;
mod diff;
mod explain;
mod export;
mod files;
mod import;
mod list;
mod live;
mod lock;
mod merge;
mod show;
mod simulate;
mod told;
mod words;

use clap::Subcommand;

pub(super) use self::files::Known;
pub(super) use self::simulate::node_of;
use super::{Failure, Global};
use crate::proto::BaselineDecision;

/// What to do with baselines.
#[derive(Debug, Subcommand)]
pub(super) enum BaselineVerb {
    /// List the workloads that the running agent knows, and how far each can be trusted
    List(list::ListArgs),
    /// Print what profiles say, for review: no times, no counts
    Show(show::ShowArgs),
    /// Say what two profiles do not have in common
    Diff(diff::DiffArgs),
    /// Say why a baseline raised an alert, and how it stands now
    Explain(explain::ExplainArgs),
    /// Say that behaviours belong to their workload, and print what a reviewed file needs for the same
    Accept(decide::DecideArgs),
    /// Say that behaviours do not belong to their workload, however often they come
    Reject(decide::DecideArgs),
    /// Close classes of a workload: what is new in them is told, whatever the numbers say
    Lock(lock::LockArgs),
    /// Give locked classes back to their numbers
    Unlock(lock::LockArgs),
    /// Write what the running agent knows into files
    Export(export::ExportArgs),
    /// Have the running agent take in what files know
    Import(import::ImportArgs),
    /// Put profiles of one workload together, whatever their number and order
    Merge(merge::MergeArgs),
    /// Learn from recordings, and say what would have been new and when each class may be trusted
    Simulate(simulate::SimulateArgs),
}

/// `gravlens baseline`
pub(super) fn run(global: &Global, verb: &BaselineVerb) -> Result<(), Failure> {
    match verb {
        BaselineVerb::List(args) => list::run(global, args),
        BaselineVerb::Show(args) => show::run(global, args),
        BaselineVerb::Diff(args) => diff::run(global, args),
        BaselineVerb::Explain(args) => explain::run(global, args),
        BaselineVerb::Accept(args) => decide::run(global, args, BaselineDecision::Accept),
        BaselineVerb::Reject(args) => decide::run(global, args, BaselineDecision::Reject),
        BaselineVerb::Lock(args) => lock::run(global, args, true),
        BaselineVerb::Unlock(args) => lock::run(global, args, false),
        BaselineVerb::Export(args) => export::run(global, args),
        BaselineVerb::Import(args) => import::run(global, args),
        BaselineVerb::Merge(args) => merge::run(global, args),
        BaselineVerb::Simulate(args) => simulate::run(global, args),
    }
}

#[cfg(test)]
mod tests;
