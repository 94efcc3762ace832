//! Events of containers of which it is not known yet which workload they belong to.

use std::collections::BTreeMap;

use gravlens_common::ExecKey;

use super::seconds;
use crate::model::Event;

/// Events that wait in all.
const MAX_EVENTS: usize = 16_384;
/// Seconds after which nobody will say any more.
const PATIENCE: u64 = 60;

/// What waits of one container, oldest first, and whether a rule matched it.
#[derive(Debug)]
struct Waiting {
    since: u64,
    events: Vec<(Event<'static>, bool)>,
}

/// All that waits, by own cgroup id.
#[derive(Debug, Default)]
pub(super) struct WaitingRoom {
    containers: BTreeMap<u64, Waiting>,
    /// Events that wait in all.
    events: usize,
}

impl WaitingRoom {
    /// Keeps an event. When there are too many, the container that has waited longest should go:
    /// returns which.
    pub(super) fn keep(&mut self, event: &Event<'_>, id: u64, hit: bool) -> Option<u64> {
        let waiting = self.containers.entry(id).or_insert_with(|| Waiting {
            since: seconds(event.time),
            events: Vec::new(),
        });
        waiting.events.push((event.to_owned(), hit));
        self.events += 1;
        if self.events <= MAX_EVENTS {
            return None;
        }
        let oldest = self
            .containers
            .iter()
            .min_by_key(|(_, waiting)| waiting.since);
        oldest.map(|(id, _)| *id)
    }

    /// What waits of a container goes.
    pub(super) fn leave(&mut self, id: u64) -> Vec<(Event<'static>, bool)> {
        let events = self.containers.remove(&id);
        let events = events.map_or_else(Vec::new, |waiting| waiting.events);
        self.events -= events.len();
        events
    }

    /// A rule matched what a process did.
    pub(super) fn suspect(&mut self, process: ExecKey) {
        for waiting in self.containers.values_mut() {
            for (event, hit) in &mut waiting.events {
                *hit |= event.exec_id().key() == process;
            }
        }
    }

    /// Containers that have waited too long.
    pub(super) fn overdue(&self, now: u64) -> Vec<u64> {
        let containers = self.containers.iter();
        containers
            .filter(|(_, waiting)| waiting.since.saturating_add(PATIENCE) <= now)
            .map(|(id, _)| *id)
            .collect()
    }
}
