//! The process table is repaired from the task iterator when lifecycle records were lost.

use std::collections::HashSet;

use gravlens_common::Hook;

use super::Detector;
use crate::ingest::boot_ns;
use crate::probe::{ProbeError, snapshot};
use crate::telemetry::LossAccount;

/// Shortest time from one repair to the next: an iteration over a node's processes takes a few
/// milliseconds.
const INTERVAL_NS: u64 = 1_000_000_000;

/// Whether, and when, to repair.
#[derive(Debug, Default)]
pub(super) struct Repair {
    wanted: bool,
    last_ns: u64,
    /// Lifecycle records lost so far.
    lost: u64,
}

impl Repair {
    /// A record named a process that is not known.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Looks for new losses of the records that the process table is made of.
    pub(super) fn watch(&mut self, accounts: &[LossAccount]) {
        let lost: u64 = accounts
            .iter()
            .filter(|account| {
                [Hook::Exec, Hook::Fork, Hook::Exit]
                    .iter()
                    .any(|hook| hook.name() == account.hook)
            })
            .map(|account| account.events.dropped())
            .sum();
        self.wanted |= lost > self.lost;
        self.lost = self.lost.max(lost);
    }

    fn is_due(&mut self, now_ns: u64) -> bool {
        let due = self.wanted && self.last_ns + INTERVAL_NS <= now_ns;
        if due {
            self.wanted = false;
            self.last_ns = now_ns;
        }
        due
    }
}

impl Detector {
    /// Enters the processes that run and ends those that do not. An end is only believed of a
    /// process that was entered before the iteration began.
    pub(in crate::pipeline) fn find_processes(&mut self) -> Result<(), ProbeError> {
        let started_ns = boot_ns();
        let mut running = HashSet::new();
        let processes = &self.processes;
        let new = snapshot(&mut self.probe, |id| {
            running.insert(id.key());
            !processes.knows(id.key())
        })?;
        for task in new {
            self.found(&task);
        }
        self.processes
            .retain_found(&running, started_ns, self.now_ns);
        Ok(())
    }

    pub(super) fn repair_processes(&mut self) {
        if !self.repair.is_due(self.now_ns) {
            return;
        }
        if let Err(error) = self.find_processes() {
            tracing::error!(message = "The process table cannot be repaired.", %error);
        }
    }
}
