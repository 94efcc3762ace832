//! Learning what workloads do, and raising what is new as alerts.

use std::sync::Arc;

use tokio::time::Instant;

use super::Detector;
use crate::alert::Alert;
use crate::baseline::{Learner, Novel, alert};
use crate::model::{Container, ContainerView, Event};

impl Detector {
    /// Who learns, if anybody does.
    pub(in crate::pipeline) fn learner(&mut self) -> Option<&mut Learner> {
        self.learner.as_mut()
    }

    /// Gives back who learnt, if anybody did.
    pub(in crate::pipeline) fn into_learner(self) -> Option<Learner> {
        self.learner
    }

    /// Learns from an event that the rules have judged, or tells what is new about it.
    pub(super) fn learn(&mut self, event: &Event<'_>) {
        let suspects = self.rulings.take_suspects();
        let Some(learner) = self.learner() else {
            return;
        };
        for process in &suspects {
            learner.suspect(*process);
        }
        learner.observe(event, suspects.contains(&event.exec_id().key()));
        let tainted = learner.take_tainted();
        self.forget_actors(&tainted);
        self.tell_news();
    }

    /// More is known about a container.
    pub(super) fn learn_identity(&mut self, container: &Arc<Container>) {
        if let Some(learner) = self.learner() {
            learner.identified(container);
        }
        self.tell_news();
    }

    /// Time passed.
    pub(super) fn learn_time(&mut self) {
        let time = self.time();
        if let Some(learner) = self.learner() {
            learner.tick(time);
        }
        self.tell_news();
    }

    /// Nothing comes any more.
    pub(super) fn conclude_learning(&mut self) {
        if let Some(learner) = self.learner() {
            learner.conclude();
        }
        self.tell_news();
    }

    /// Nothing comes any more; until then each alert waits for its room.
    pub(super) async fn finish_learning(&mut self, until: Instant) {
        if let Some(learner) = self.learner() {
            learner.conclude();
        }
        for novel in self.take_news() {
            self.alerts.room(until).await;
            self.tell(novel);
        }
    }

    fn tell_news(&mut self) {
        for novel in self.take_news() {
            self.tell(novel);
        }
    }

    /// What is to be told.
    fn take_news(&mut self) -> Vec<Novel> {
        match &mut self.learner {
            Some(learner) if self.tells_news => learner.take_novel(),
            _ => Vec::new(),
        }
    }

    fn tell(&mut self, novel: Novel) {
        let set = self.rulings.in_force();
        let finding = alert::finding(&novel, set.digest);
        let late = novel.waited
            && self
                .rulings
                .is_beyond_grace(novel.event.boot_ns, self.now_ns);
        let mut event = novel.event;
        if let ContainerView::Container(container) = &event.container
            && event.container.is_pending()
        {
            // An alert must show the container as it is known now.
            event.container = self.containers.view(container.cgroup_id);
        }
        self.alerts.raise(Alert {
            finding,
            event,
            late,
            set_generation: set.generation,
        });
    }
}
