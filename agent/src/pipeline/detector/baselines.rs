//! What the learner is told beside events, and where it goes.

use std::collections::HashMap;

use gravlens_common::limits;
use tokio::time::{Instant, timeout_at};

use super::super::baselines::{Changed, Reviewed};
use super::Detector;

impl Detector {
    /// Reviewed files say something else.
    pub(in crate::pipeline) fn review(&mut self, reviewed: Reviewed) {
        self.forget_known();
        if let Some(learner) = &mut self.learner {
            learner.review(reviewed.into_profiles());
        }
    }

    /// Tells the learner whose events were lost since the last account: what it watches of them now
    /// does not count. Of what is lost where cgroups cannot be told apart, everybody may be concerned.
    pub(super) fn tell_learner_of_losses(&mut self) {
        let Some(learner) = &mut self.learner else {
            return;
        };
        let mut lost: HashMap<u64, u64> = HashMap::new();
        for account in &self.accounts {
            *lost.entry(account.cgroup_id).or_default() += account.events.dropped();
        }
        let canary = self.guard.canary_cgroup();
        for (&cgroup_id, &count) in &lost {
            let before = self.lost_events.get(&cgroup_id).copied().unwrap_or(0);
            if count <= before || Some(cgroup_id) == canary {
                continue;
            }
            let known = (cgroup_id != limits::OTHER_CGROUP)
                .then(|| self.containers.known(cgroup_id))
                .flatten();
            match known.map(|view| view.own_cgroup_id()) {
                Some(Some(own)) => learner.lost_in(own),
                // The node's own, of no service.
                Some(None) => {}
                None => learner.lost(),
            }
        }
        self.lost_events = lost;
    }

    /// Has kept what was learnt since the last time. When the last is not through, this waits for the
    /// next time, with all that has come by then.
    pub(super) fn keep_baselines(&mut self) {
        let (Some(learner), Some(kept)) = (&mut self.learner, &self.kept) else {
            return;
        };
        let Ok(room) = kept.try_reserve() else {
            return;
        };
        let changed = learner.changed();
        if !changed.is_empty() {
            room.send(changed);
        }
    }

    /// The last time: waits for room, until then at most.
    pub(super) async fn keep_baselines_finally(&mut self, until: Instant) {
        let (Some(learner), Some(kept)) = (&mut self.learner, self.kept.take()) else {
            return;
        };
        let changed: Changed = learner.changed();
        if changed.is_empty() {
            return;
        }
        if timeout_at(until, kept.send(changed)).await.is_err() {
            tracing::error!(message = "What was learnt last is lost: the disk is too slow.");
        }
    }
}
