//! Cgroups that somebody asked for and the table does not know.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Cgroups remembered at most; the oldest goes first. One that is forgotten is remembered again
/// when it is asked for again.
const MAX_UNKNOWN: usize = 4_096;
/// How long a cgroup that a scan did not find is not looked for again.
const RETRY_NS: u64 = 10_000_000_000;

/// The cgroups, each with what a scan said of it.
#[derive(Debug, Default)]
pub(super) struct UnknownCgroups {
    met: HashMap<u64, Met>,
    oldest_first: VecDeque<u64>,
    settled: Vec<u64>,
}

#[derive(Debug)]
struct Met {
    /// When it was looked for last: a scan that began later would have found it.
    since_ns: u64,
    /// Why it stays unknown, after a scan that did not bring it.
    why: Option<Arc<str>>,
}

impl UnknownCgroups {
    /// Somebody asks for a cgroup. Returns whether to look for it, and why it is not known if a
    /// scan could not tell.
    pub(super) fn ask(&mut self, cgroup_id: u64, now_ns: u64) -> (bool, Option<Arc<str>>) {
        if let Some(met) = self.met.get_mut(&cgroup_id) {
            let retry = met.why.is_some() && met.since_ns.saturating_add(RETRY_NS) <= now_ns;
            if retry {
                met.since_ns = now_ns;
            }
            return (retry, met.why.clone());
        }
        while self.met.len() >= MAX_UNKNOWN {
            match self.oldest_first.pop_front() {
                Some(oldest) => self.met.remove(&oldest),
                None => break,
            };
        }
        self.oldest_first.push_back(cgroup_id);
        self.met.insert(
            cgroup_id,
            Met {
                since_ns: now_ns,
                why: None,
            },
        );
        (true, None)
    }

    /// A cgroup has become known, or it is certain that it never will.
    pub(super) fn settle(&mut self, cgroup_id: u64) {
        if self.met.remove(&cgroup_id).is_some() {
            self.oldest_first.retain(|id| *id != cgroup_id);
            self.settled.push(cgroup_id);
        }
    }

    /// A scan has brought what it could: what was asked for before it began and is still unknown
    /// stays so. Returns those that it did not find; they are gone if it was complete.
    pub(super) fn scanned(
        &mut self,
        started_boot_ns: u64,
        found: &HashSet<u64>,
        complete: bool,
    ) -> Vec<u64> {
        let mut absent = Vec::new();
        for (&cgroup_id, met) in &mut self.met {
            if met.since_ns > started_boot_ns {
                continue;
            }
            let is_there = found.contains(&cgroup_id);
            if met.why.is_none() {
                self.settled.push(cgroup_id);
                if !is_there {
                    absent.push(cgroup_id);
                }
            }
            met.why = Some(if is_there {
                "the container table has no place for the cgroup".into()
            } else if complete {
                "the cgroup was gone before it could be looked at".into()
            } else {
                "there are more cgroups than could be looked at".into()
            });
        }
        absent
    }

    /// Takes the cgroups of which more is known than when they were asked for, in the order of
    /// their ids.
    pub(super) fn take_settled(&mut self) -> Vec<u64> {
        let mut settled = std::mem::take(&mut self.settled);
        settled.sort_unstable();
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_cgroup_is_looked_for_again_only_after_a_while() {
        let mut unknown = UnknownCgroups::default();
        assert_eq!(unknown.ask(7, 100), (true, None));
        assert_eq!(unknown.ask(7, 101), (false, None));
        assert!(unknown.scanned(99, &HashSet::new(), true).is_empty());
        assert!(unknown.take_settled().is_empty(), "the scan was too early");
        assert_eq!(unknown.scanned(100, &HashSet::new(), true), [7]);
        assert_eq!(unknown.take_settled(), [7]);
        let (look, why) = unknown.ask(7, 102);
        assert!(!look && why.is_some());
        let (look, why) = unknown.ask(7, 100 + RETRY_NS);
        assert!(look && why.is_some());
    }

    #[test]
    fn the_list_is_bounded_and_forgets_the_oldest() {
        let mut unknown = UnknownCgroups::default();
        for id in 0..=MAX_UNKNOWN as u64 {
            unknown.ask(id, id);
        }
        assert_eq!(unknown.met.len(), MAX_UNKNOWN);
        unknown.settle(0);
        assert!(unknown.take_settled().is_empty());
        unknown.settle(1);
        assert_eq!(unknown.take_settled(), [1]);
        assert_eq!(unknown.oldest_first.len(), unknown.met.len());
    }
}
