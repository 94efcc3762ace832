//! When each hook last told of the canary.

use std::collections::VecDeque;

use gravlens_common::{BulkContext, ExecKey, Hook};

use super::Identity;
use crate::decode::Context;
use crate::telemetry::{CanaryHook, CanaryStatus};

/// Rounds without a sign after which a hook is blind.
const ROUNDS: u64 = 2;
/// A longer time between two checks means that the agent itself did not run: what came meanwhile
/// still waits in the rings.
const CHECK_GAP_NS: u64 = 3_000_000_000;
/// Images of the helper's children that are remembered: a bulk record of one that has ended may
/// still come.
const CHILDREN: usize = 16;

/// The watch over the canary. The detection task owns it; it takes the time from ticks.
#[derive(Debug)]
pub struct Watch {
    identity: Identity,
    interval_ns: u64,
    hooks: Vec<Watched>,
    /// Images that children of the helper run, the newest last.
    children: VecDeque<ExecKey>,
    checked_ns: u64,
}

#[derive(Debug)]
struct Watched {
    hook: Hook,
    last_ns: u64,
    /// When it may be called blind at the earliest.
    patience_ns: u64,
    blind: bool,
}

/// A hook went blind or sees again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The hook.
    pub hook: Hook,
    /// It went blind.
    pub blind: bool,
    /// Time since the last sign.
    pub age_ns: u64,
}

impl Watch {
    /// Watches these hooks from `now_ns` on.
    pub fn new(
        identity: Identity,
        hooks: impl IntoIterator<Item = Hook>,
        interval_ns: u64,
        now_ns: u64,
    ) -> Self {
        let watched = hooks.into_iter().map(|hook| Watched {
            hook,
            last_ns: now_ns,
            patience_ns: 0,
            blind: false,
        });
        Self {
            identity,
            interval_ns,
            hooks: watched.collect(),
            children: VecDeque::with_capacity(CHILDREN),
            checked_ns: now_ns,
        }
    }

    /// The cgroup of the canary.
    pub fn cgroup_id(&self) -> u64 {
        self.identity.cgroup_id
    }

    /// The process of a critical record is the helper or a child of it, in the canary's cgroup.
    pub fn is_process(&mut self, context: &Context) -> bool {
        let Identity { cgroup_id, pid } = self.identity;
        if context.cgroup_id != cgroup_id {
            return false;
        }
        let child = context.parent.is_some_and(|parent| parent.tgid == pid);
        if child {
            self.remember(context.exec_id.key());
        }
        child || context.exec_id.tgid == pid
    }

    /// The thread of a bulk record is the helper's, or that of a child of which a critical record
    /// has told.
    pub fn is_thread(&self, context: &BulkContext) -> bool {
        let Identity { cgroup_id, pid } = self.identity;
        let child = || self.children.contains(&ExecKey(context.exec_key));
        context.cgroup_id == cgroup_id && (context.tid == pid || child())
    }

    fn remember(&mut self, image: ExecKey) {
        if self.children.contains(&image) {
            return;
        }
        if self.children.len() == CHILDREN {
            self.children.pop_front();
        }
        self.children.push_back(image);
    }

    /// A hook told of the canary.
    pub fn saw(&mut self, hook: Hook, boot_ns: u64) {
        if let Some(watched) = self.hooks.iter_mut().find(|watched| watched.hook == hook) {
            watched.last_ns = watched.last_ns.max(boot_ns);
        }
    }

    /// Looks at every hook and tells what has changed. What `tell` does not take is told by a later
    /// call.
    pub fn check(&mut self, now_ns: u64, mut tell: impl FnMut(Change) -> bool) {
        let limit = ROUNDS * self.interval_ns;
        let held_up = now_ns.saturating_sub(self.checked_ns) > CHECK_GAP_NS;
        self.checked_ns = now_ns;
        for watched in &mut self.hooks {
            if held_up {
                watched.patience_ns = now_ns + limit;
            }
            let age_ns = now_ns.saturating_sub(watched.last_ns);
            let blind = age_ns > limit && (watched.blind || now_ns > watched.patience_ns);
            let change = Change {
                hook: watched.hook,
                blind,
                age_ns,
            };
            if blind != watched.blind && tell(change) {
                watched.blind = blind;
            }
        }
    }

    /// Age of the oldest sign.
    pub fn oldest_age_ns(&self, now_ns: u64) -> Option<u64> {
        let ages = self.hooks.iter();
        ages.map(|watched| now_ns.saturating_sub(watched.last_ns))
            .max()
    }

    /// For the status.
    pub fn status(&self, now_ns: u64) -> CanaryStatus {
        let hooks = self.hooks.iter().map(|watched| CanaryHook {
            hook: watched.hook.name(),
            age_ms: now_ns.saturating_sub(watched.last_ns) / 1_000_000,
            blind: watched.blind,
        });
        CanaryStatus {
            off: None,
            interval_ms: self.interval_ns / 1_000_000,
            hooks: hooks.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const IDENTITY: Identity = Identity {
        cgroup_id: 7,
        pid: 40,
    };

    fn watch() -> Watch {
        Watch::new(IDENTITY, [Hook::Open, Hook::Connect], 4 * SECOND, 0)
    }

    fn changes(watch: &mut Watch, now_ns: u64) -> Vec<(Hook, bool)> {
        let mut changes = Vec::new();
        watch.check(now_ns, |change| {
            changes.push((change.hook, change.blind));
            true
        });
        changes
    }

    #[test]
    fn a_hook_is_blind_after_two_rounds_and_sees_again() {
        let mut watch = watch();
        for second in 1..=8 {
            watch.saw(Hook::Connect, second * SECOND);
            assert_eq!(changes(&mut watch, second * SECOND), []);
        }
        assert_eq!(changes(&mut watch, 9 * SECOND), [(Hook::Open, true)]);
        assert_eq!(changes(&mut watch, 10 * SECOND), []);
        let status = watch.status(10 * SECOND);
        let told: Vec<_> = status
            .hooks
            .iter()
            .map(|hook| (hook.hook, hook.blind))
            .collect();
        assert_eq!(told, [("open", true), ("connect", false)]);
        assert_eq!(watch.oldest_age_ns(10 * SECOND), Some(10 * SECOND));
        watch.saw(Hook::Open, 11 * SECOND);
        assert_eq!(changes(&mut watch, 11 * SECOND), [(Hook::Open, false)]);
    }

    #[test]
    fn what_is_not_taken_is_told_again() {
        let mut watch = watch();
        for second in 1..=8 {
            changes(&mut watch, second * SECOND);
        }
        watch.check(9 * SECOND, |_| false);
        assert_eq!(changes(&mut watch, 10 * SECOND).len(), 2);
    }

    #[test]
    fn an_agent_that_was_held_up_first_reads_what_waits() {
        let mut watch = watch();
        assert_eq!(changes(&mut watch, 60 * SECOND), []);
        for second in 61..=68 {
            assert_eq!(changes(&mut watch, second * SECOND), []);
        }
        assert_eq!(changes(&mut watch, 69 * SECOND).len(), 2);
    }

    #[test]
    fn another_cgroup_and_another_process_are_not_the_canary() {
        let mut watch = watch();
        watch.remember(ExecKey(9));
        let thread = |cgroup_id, tid| BulkContext {
            cgroup_id,
            exec_key: 1,
            tid,
            result: 0,
        };
        let child = |cgroup_id| BulkContext {
            exec_key: 9,
            ..thread(cgroup_id, 41)
        };
        assert!(watch.is_thread(&child(7)));
        assert!(!watch.is_thread(&child(8)));
        assert!(watch.is_thread(&thread(7, 40)));
        assert!(!watch.is_thread(&thread(8, 40)));
        assert!(!watch.is_thread(&thread(7, 41)));
    }
}
