//! The account of events: what the kernel counted against what arrived.

use std::collections::HashMap;

use gravlens_common::{Hook, limits};

use crate::probe::KernelAccount;
use crate::telemetry::EventCounts;

/// What arrived, per cgroup and hook, since the start.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    received: HashMap<(u64, Hook), Received>,
    /// Accounts of cgroups that are gone: they stay in the node's totals.
    gone: HashMap<Hook, EventCounts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Received {
    decoded: u64,
    undecodable: u64,
}

impl Ledger {
    /// A record was decoded.
    pub(super) fn received(&mut self, cgroup_id: u64, hook: Hook) {
        self.received.entry((cgroup_id, hook)).or_default().decoded += 1;
    }

    /// A record could not be decoded; its cgroup is unknown.
    pub(super) fn undecodable(&mut self, hook: Hook) {
        let key = (limits::OTHER_CGROUP, hook);
        self.received.entry(key).or_default().undecodable += 1;
    }

    /// The account of one cgroup and hook. In flight is what the kernel put into a ring and what
    /// has not arrived, so the account balances only if kernel and daemon counted the same events.
    pub(super) fn account(&self, cgroup_id: u64, hook: Hook, kernel: KernelAccount) -> EventCounts {
        let received = self
            .received
            .get(&(cgroup_id, hook))
            .copied()
            .unwrap_or_default();
        EventCounts {
            seen: kernel.seen,
            delivered: received.decoded,
            ring_full: kernel.ring_full,
            scratch_busy: kernel.scratch_busy,
            decode: received.undecodable,
            in_flight: kernel
                .delivered
                .saturating_sub(received.decoded + received.undecodable),
            ..EventCounts::default()
        }
    }

    /// Moves a removed cgroup's account to the totals of those that are gone.
    pub(super) fn retire(&mut self, cgroup_id: u64, hook: Hook, counts: EventCounts) {
        *self.gone.entry(hook).or_default() += counts;
        self.received.remove(&(cgroup_id, hook));
    }

    /// Accounts of cgroups that are gone.
    pub(super) fn gone(&self) -> impl Iterator<Item = (Hook, EventCounts)> + '_ {
        self.gone.iter().map(|(hook, counts)| (*hook, *counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(seen: u64, delivered: u64, ring_full: u64) -> KernelAccount {
        KernelAccount {
            seen,
            delivered,
            ring_full,
            ..KernelAccount::default()
        }
    }

    #[test]
    fn the_account_balances_when_all_is_counted() {
        let mut ledger = Ledger::default();
        for _ in 0..3 {
            ledger.received(7, Hook::Open);
        }
        let counts = ledger.account(7, Hook::Open, kernel(10, 4, 6));
        assert_eq!((counts.delivered, counts.in_flight), (3, 1));
        assert!(counts.balances());
    }

    #[test]
    fn an_event_that_the_kernel_forgot_to_count_shows() {
        let ledger = Ledger::default();
        assert!(!ledger.account(7, Hook::Open, kernel(10, 4, 5)).balances());
    }

    #[test]
    fn a_removed_cgroup_stays_in_the_totals() {
        let mut ledger = Ledger::default();
        ledger.received(7, Hook::Open);
        let counts = ledger.account(7, Hook::Open, kernel(1, 1, 0));
        ledger.retire(7, Hook::Open, counts);
        assert_eq!(ledger.gone().next(), Some((Hook::Open, counts)));
    }
}
