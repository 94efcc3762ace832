//! The account of events: what the kernel counted against what arrived.
//!
//! Each cgroup with an entry of its own in the kernel's map has an account of its own here. The
//! rest share one, `other`: cgroups that found the map full, and those that are gone. An account
//! moves to `other` with both of its sides, or the equation would hold for neither; and it moves
//! once and for good, so that no event is ever counted under two names. What the kernel counted of
//! a cgroup in `other` is counted with the cgroup until it has moved.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::AddAssign;

use gravlens_common::{Hook, limits::OTHER_CGROUP};

use crate::decode::Origin;
use crate::probe::KernelAccount;
use crate::telemetry::EventCounts;

/// What arrived, per cgroup and hook, since the start.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    received: HashMap<(u64, Hook), Received>,
    /// Both sides of the accounts that cgroups left behind in `other`.
    left: HashMap<Hook, Sides>,
    /// Cgroups whose account stands in `other` although the kernel may count them by themselves:
    /// it began to when a part of their events had been counted in `other`.
    shared: HashSet<u64>,
    /// Cgroups that are counted under another: what the canary makes counts as the canary's.
    counted_as: HashMap<u64, u64>,
    /// What such cgroups that are gone had counted, under the other.
    kept: HashMap<(u64, Hook), KernelAccount>,
    /// Cgroups of which more had arrived at the last reading than their own entry put into a ring.
    suspects: HashSet<u64>,
    /// Undecodable records that do not even tell their cgroup.
    unattributed: HashMap<Hook, u64>,
}

/// All accounts at one time.
#[derive(Debug, Default)]
pub(super) struct Balance {
    /// By cgroup and hook; [`OTHER_CGROUP`] is `other`.
    pub(super) accounts: Vec<(u64, Hook, EventCounts)>,
    /// Cgroups whose account has moved to `other` since the last time.
    pub(super) folded: Vec<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Received {
    decoded: u64,
    undecodable: u64,
}

impl Received {
    const fn total(self) -> u64 {
        self.decoded + self.undecodable
    }
}

impl AddAssign for Received {
    fn add_assign(&mut self, other: Self) {
        self.decoded += other.decoded;
        self.undecodable += other.undecodable;
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sides {
    kernel: KernelAccount,
    received: Received,
}

impl Sides {
    /// Records that arrived beyond what the kernel put into a ring.
    const fn excess(self) -> u64 {
        let put = self.kernel.delivered;
        self.received.total().saturating_sub(put)
    }

    /// Counts the excess here, as far as the kernel counted as much elsewhere.
    fn borrow(&mut self, elsewhere: &mut Self) {
        let there = elsewhere.kernel;
        let events = self.excess().min(there.seen).min(there.delivered);
        elsewhere.kernel.seen -= events;
        elsewhere.kernel.delivered -= events;
        self.kernel.seen += events;
        self.kernel.delivered += events;
    }

    /// In flight is what the kernel put into a ring and what has not arrived, so the account
    /// balances only if kernel and daemon counted the same events.
    fn counts(self) -> EventCounts {
        let Self { kernel, received } = self;
        EventCounts {
            seen: kernel.seen,
            delivered: received.decoded,
            suppressed: kernel.suppressed,
            ring_full: kernel.ring_full,
            scratch_busy: kernel.scratch_busy,
            rate_limited: kernel.rate_limited,
            decode: received.undecodable,
            in_flight: kernel.delivered.saturating_sub(received.total()),
            ..EventCounts::default()
        }
    }
}

impl Ledger {
    /// A record was decoded.
    pub(super) fn received(&mut self, cgroup_id: u64, hook: Hook) {
        let cgroup_id = self.account_of(cgroup_id);
        self.received.entry((cgroup_id, hook)).or_default().decoded += 1;
    }

    /// From now on the events of one cgroup stand in the account of another, until it is retired.
    pub(super) fn count_as(&mut self, cgroup_id: u64, other: u64) {
        self.counted_as.insert(cgroup_id, other);
    }

    fn account_of(&self, cgroup_id: u64) -> u64 {
        let other = self.counted_as.get(&cgroup_id);
        other.copied().unwrap_or(cgroup_id)
    }

    /// A record could not be decoded. One that does not tell its cgroup is counted as seen and
    /// lost in `other`, and the account that it left in the kernel goes on showing it in flight.
    pub(super) fn undecodable(&mut self, origin: Origin) {
        match origin.cgroup_id {
            Some(cgroup_id) => {
                let key = (self.account_of(cgroup_id), origin.hook);
                self.received.entry(key).or_default().undecodable += 1;
            }
            None => *self.unattributed.entry(origin.hook).or_default() += 1,
        }
    }

    /// Compares what arrived with a whole reading of the kernel's counters.
    pub(super) fn balance(&mut self, kernel: &[(u64, Hook, KernelAccount)]) -> Balance {
        let kernel = &*self.gathered(kernel);
        let folded = self.fold_foreign(kernel);
        let mut other = self.left.clone();
        // Of a hook that the entry has not counted yet, records may have arrived all the same.
        let mut own: HashMap<(u64, Hook), Sides> = HashMap::with_capacity(kernel.len());
        for (&key, &received) in &self.received {
            own.entry(key).or_default().received = received;
        }
        for &(cgroup_id, hook, kernel) in kernel {
            if cgroup_id == OTHER_CGROUP || self.shared.contains(&cgroup_id) {
                other.entry(hook).or_default().kernel += kernel;
            } else {
                own.entry((cgroup_id, hook)).or_default().kernel = kernel;
            }
        }
        let mut accounts = Vec::with_capacity(own.len() + other.len());
        for ((cgroup_id, hook), mut sides) in own {
            if sides.excess() > 0 {
                sides.borrow(other.entry(hook).or_default());
            }
            accounts.push((cgroup_id, hook, sides.counts()));
        }
        for (&hook, &records) in &self.unattributed {
            let Sides { kernel, received } = other.entry(hook).or_default();
            kernel.seen += records;
            kernel.delivered += records;
            received.undecodable += records;
        }
        let other = other.into_iter();
        accounts.extend(other.map(|(hook, sides)| (OTHER_CGROUP, hook, sides.counts())));
        Balance { accounts, folded }
    }

    /// The kernel's reading with each entry under the cgroup that it is counted as.
    fn gathered<'a>(
        &self,
        kernel: &'a [(u64, Hook, KernelAccount)],
    ) -> Cow<'a, [(u64, Hook, KernelAccount)]> {
        if self.counted_as.is_empty() && self.kept.is_empty() {
            return Cow::Borrowed(kernel);
        }
        let mut sums = self.kept.clone();
        for &(cgroup_id, hook, account) in kernel {
            *sums.entry((self.account_of(cgroup_id), hook)).or_default() += account;
        }
        let sums = sums.into_iter();
        sums.map(|((cgroup_id, hook), account)| (cgroup_id, hook, account))
            .collect()
    }

    /// Moves a cgroup that is gone to `other`, with the last its kernel entry counted; one that was
    /// counted as another stays with that.
    pub(super) fn retire(&mut self, cgroup_id: u64, kernel: &[(Hook, KernelAccount)]) {
        if let Some(other) = self.counted_as.remove(&cgroup_id) {
            for &(hook, account) in kernel {
                *self.kept.entry((other, hook)).or_default() += account;
            }
            return;
        }
        for &(hook, account) in kernel {
            self.left.entry(hook).or_default().kernel += account;
        }
        self.shared.remove(&cgroup_id);
        self.suspects.remove(&cgroup_id);
        for hook in Hook::ALL {
            if let Some(received) = self.received.remove(&(cgroup_id, hook)) {
                self.left.entry(hook).or_default().received += received;
            }
        }
    }

    /// Moves what arrived from cgroups that the kernel does not, or not only, count by
    /// themselves to `other`. Returns those that move for the first time.
    fn fold_foreign(&mut self, kernel: &[(u64, Hook, KernelAccount)]) -> Vec<u64> {
        let mut folded = Vec::new();
        for cgroup_id in self.foreign(kernel) {
            if cgroup_id != OTHER_CGROUP && self.shared.insert(cgroup_id) {
                folded.push(cgroup_id);
            }
        }
        let shared = &self.shared;
        let moving = self.received.extract_if(|(cgroup_id, _), _| {
            *cgroup_id == OTHER_CGROUP || shared.contains(cgroup_id)
        });
        for ((_, hook), received) in moving {
            self.left.entry(hook).or_default().received += received;
        }
        folded
    }

    /// Cgroups of which the kernel counts some events elsewhere: those without an entry of their
    /// own, and those of which more arrived than their entry put into a ring, twice in a row. The
    /// move is for good, so a single reading, taken while programs run, does not decide it.
    fn foreign(&mut self, kernel: &[(u64, Hook, KernelAccount)]) -> HashSet<u64> {
        let entries: HashSet<u64> = kernel.iter().map(|(cgroup_id, ..)| *cgroup_id).collect();
        let delivered: HashMap<(u64, Hook), u64> = kernel
            .iter()
            .map(|&(cgroup_id, hook, account)| ((cgroup_id, hook), account.delivered))
            .collect();
        let excessive = self.received.iter().filter(|(key, received)| {
            received.total() > delivered.get(key).copied().unwrap_or_default()
        });
        let excessive = excessive.map(|(&(cgroup_id, _), _)| cgroup_id).collect();
        let before = std::mem::replace(&mut self.suspects, excessive);
        let suspects = self.suspects.iter().copied();
        suspects
            .filter(|cgroup_id| !entries.contains(cgroup_id) || before.contains(cgroup_id))
            .collect()
    }
}

#[cfg(test)]
mod tests;
