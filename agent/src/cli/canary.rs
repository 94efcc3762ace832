//! `canary`: the agent's own helper, for the agent alone.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Failure;
use crate::canary;

#[derive(Debug, Args)]
pub(super) struct CanaryArgs {
    /// The helper's own cgroup; without it there is nothing to do, which is a deed of its own
    #[arg(long, value_name = "DIRECTORY")]
    cgroup: Option<PathBuf>,
    /// Time from one round to the next
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 4_000)]
    interval_ms: u64,
}

/// `gravlens canary`
pub(super) fn run(args: &CanaryArgs) -> Result<(), Failure> {
    match &args.cgroup {
        Some(cgroup) => Ok(canary::run(
            cgroup,
            Duration::from_millis(args.interval_ms),
        )?),
        None => Ok(()),
    }
}
