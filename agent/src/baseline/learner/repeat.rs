//! What would change nothing if it came again.

use std::hash::BuildHasher as _;

use gravlens_common::ExecKey;

use super::super::profile::Phase;
use super::Learner;
use super::actors::Roles;

/// The last event was counted and is ordinary: one like it, by whoever has the same role, changes
/// nothing for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Stands for the role in its instance; another one in another run.
    pub role: u64,
    /// When the window ends, in seconds since the Unix epoch.
    pub until: u64,
}

impl Learner {
    /// Whether the event that came last would change nothing if it came again. What is guarded, new, of a
    /// process that has met a rule, or of the start phase never is.
    pub fn repeat(&self) -> Option<Repeat> {
        self.repeat
    }

    /// Processes that have met a rule, or that descend from such, since this was asked last.
    pub fn take_tainted(&mut self) -> Vec<ExecKey> {
        std::mem::take(&mut self.tainted)
    }

    pub(super) fn taint(&mut self, process: ExecKey) {
        self.tainted.extend(self.actors.taint(process));
    }

    pub(super) fn repeat_of(&self, id: u64, actor: &Roles) -> Option<Repeat> {
        let instance = self.instances.get(&id)?;
        (instance.phase() == Phase::Run).then(|| Repeat {
            role: self.hashers[0].hash_one((id, &actor.own)),
            until: instance.end_of_window(&self.settings),
        })
    }
}
