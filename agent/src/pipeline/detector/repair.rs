//! The process table is repaired from the task iterator when lifecycle records were lost.

use std::collections::HashSet;

use gravlens_common::{ExecKey, Hook};

use super::Detector;
use crate::enrich::pace::ScanPace;
use crate::ingest::boot_ns;
use crate::probe::{ProbeError, Snapshot, proc_details};
use crate::telemetry::{Counter, Failure, LossAccount};

/// Processes that one repair completes from /proc: meanwhile nothing else is detected.
const PER_REPAIR: usize = 256;

struct RepairFailed {
    error: ProbeError,
}

impl Failure for RepairFailed {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("process_repair_failed");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(message = "The process table cannot be repaired.", error = %self.error, total);
    }
}

/// Whether, and when, to repair.
#[derive(Debug, Default)]
pub(super) struct Repair {
    pace: ScanPace,
    /// Lifecycle records lost so far.
    lost: u64,
}

impl Repair {
    /// A record named a process that is not known.
    pub(super) fn want(&mut self, now_ns: u64) {
        self.pace.want(now_ns);
    }

    /// Looks for new losses of the records that the process table is made of.
    pub(super) fn watch(&mut self, accounts: &[LossAccount], now_ns: u64) {
        let lost: u64 = accounts
            .iter()
            .filter(|account| {
                [Hook::Exec, Hook::Fork, Hook::Exit]
                    .iter()
                    .any(|hook| hook.name() == account.hook)
            })
            .map(|account| account.events.dropped())
            .sum();
        if lost > self.lost {
            self.lost = lost;
            self.want(now_ns);
        }
    }
}

impl Detector {
    /// Enters up to `limit` processes that run and ends those that do not. An end is only believed
    /// of a process that was entered before the iteration began. Whether all were entered.
    pub(in crate::pipeline) fn find_processes(&mut self, limit: usize) -> Result<bool, ProbeError> {
        let started_ns = boot_ns();
        let Some(sensor) = &mut self.sensor else {
            return Ok(true);
        };
        let snapshot = Snapshot::take(&mut sensor.probe)?;
        let mut running = HashSet::new();
        let mut entered = 0;
        for (id, record) in snapshot.tasks() {
            running.insert(id.key());
            if self.processes.knows(id.key()) {
                continue;
            }
            entered += 1;
            if entered <= limit {
                self.found(record, &proc_details(id.tgid));
            }
        }
        self.iterated(started_ns, &running);
        Ok(entered <= limit)
    }

    /// An iteration of the tasks, begun at that time, found these processes running.
    pub(in crate::pipeline) fn iterated(&mut self, started_ns: u64, running: &HashSet<ExecKey>) {
        if let Some(tape) = &mut self.tape {
            tape.iterated(started_ns, running);
        }
        self.processes
            .retain_found(running, started_ns, self.now_ns);
    }

    /// Only a running sensor can be asked; what it answered is among the inputs of a replay.
    pub(super) fn repair_processes(&mut self) {
        if self.sensor.is_none() {
            return;
        }
        let started_ns = boot_ns();
        if !self.repair.pace.take(self.now_ns) {
            return;
        }
        match self.find_processes(PER_REPAIR) {
            Ok(complete) => {
                let ended_ns = boot_ns();
                let took_ns = ended_ns.saturating_sub(started_ns);
                self.repair.pace.done(started_ns, took_ns);
                if !complete {
                    self.repair.want(ended_ns);
                }
            }
            Err(error) => RepairFailed { error }.emit(),
        }
    }
}
