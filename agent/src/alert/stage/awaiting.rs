//! Alerts whose container was not identified when they left.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::alert::{Alert, Facts};
use crate::model::{ContainerView, RuleInfo};

/// Alerts that left with incomplete identity and wait for it. Beyond it the oldest is forgotten:
/// it stays as it was sent.
const MAX_AWAITING: usize = 4_096;

/// What an alert waits for after it has left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Awaited {
    /// The name of the container with this id.
    Container(String),
    /// Whose the cgroup with this id is.
    Cgroup(u64),
}

impl Awaited {
    pub(super) fn of(view: &ContainerView) -> Option<Self> {
        if !view.is_pending() {
            return None;
        }
        match view {
            ContainerView::Host(_) => None,
            ContainerView::Container(container) => Some(Self::Container(container.id.clone())),
            ContainerView::Unknown { cgroup_id, .. } => Some(Self::Cgroup(*cgroup_id)),
        }
    }
}

/// Alerts whose container was not identified when they left.
#[derive(Debug, Default)]
pub(super) struct Awaiting {
    by_awaited: HashMap<Awaited, Vec<Sent>>,
    /// What each waits for, oldest first. Entries of what has come linger until they are the
    /// oldest.
    order: VecDeque<(u64, Awaited)>,
}

/// An alert that has left, as its additions tell of it. Many are kept at a time, so they share rule
/// and container: a container can have many labels.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) sequence: u64,
    pub(super) id: String,
    rule: Arc<RuleInfo>,
    /// As the alert told it.
    container: ContainerView,
    event_type: &'static str,
}

impl Sent {
    pub(super) fn new(sequence: u64, id: String, alert: &Alert) -> Self {
        Self {
            sequence,
            id,
            rule: Arc::clone(&alert.finding.rule),
            container: alert.event.container.clone(),
            event_type: alert.event.syscall.name(),
        }
    }

    /// What filters look at.
    pub(super) fn facts(&self) -> Facts {
        Facts::alert(&self.rule, &self.container, self.event_type)
    }
}

impl Awaiting {
    pub(super) fn add(&mut self, awaited: Awaited, sent: Sent) {
        if self.order.len() >= MAX_AWAITING
            && let Some((oldest, awaited)) = self.order.pop_front()
        {
            self.forget(oldest, &awaited);
        }
        self.order.push_back((sent.sequence, awaited.clone()));
        self.by_awaited.entry(awaited).or_default().push(sent);
    }

    fn forget(&mut self, sequence: u64, awaited: &Awaited) {
        if let Some(sent) = self.by_awaited.get_mut(awaited) {
            sent.retain(|sent| sent.sequence != sequence);
            if sent.is_empty() {
                self.by_awaited.remove(awaited);
            }
        }
    }

    pub(super) fn take(&mut self, awaited: &Awaited) -> Vec<Sent> {
        let sent = self.by_awaited.remove(awaited).unwrap_or_default();
        if self.by_awaited.is_empty() {
            self.order.clear();
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::sample;

    #[test]
    fn the_list_of_awaiting_alerts_is_bounded() {
        let mut awaiting = Awaiting::default();
        let container = |number: u64| Awaited::Container(format!("c{number}"));
        let alert = sample::alert_in(sample::pending_container_view());
        for sequence in 1..=MAX_AWAITING as u64 + 10 {
            let sent = Sent::new(sequence, "id".into(), &alert);
            awaiting.add(container(sequence % 5), sent);
        }
        assert_eq!(awaiting.order.len(), MAX_AWAITING);
        let left: usize = (0..5).map(|c| awaiting.take(&container(c)).len()).sum();
        assert_eq!(left, MAX_AWAITING);
        assert!(awaiting.order.is_empty());
    }

    #[test]
    fn an_alert_that_has_left_shares_its_container() {
        let container = sample::known_container();
        let alert = sample::alert_in(ContainerView::Container(Arc::clone(&container)));
        let sent = Sent::new(1, "id".into(), &alert);
        assert!(
            matches!(&sent.clone().container, ContainerView::Container(kept)
            if Arc::ptr_eq(kept, &container))
        );
        let told = Facts::alert(&alert.finding.rule, &alert.event.container, "openat");
        assert_eq!(sent.facts(), told);
    }
}
