//! From running totals to LOSS records.

use std::collections::HashMap;
use std::time::SystemTime;

use gravlens_common::limits::OTHER_CGROUP;
use tokio::time::Instant;

use super::{AlertSender, Loss, LossReason};
use crate::telemetry::{Counter, EventCounts, Failure, LossAccount};

/// Turns the growth of loss accounts into LOSS records. The detection task owns it and calls
/// [`LossWatch::report`] each second or at a barrier.
///
/// What was reported of a cgroup is kept until the cgroup's account moves to `other`, and moves
/// with it. So the sum of all LOSS records is what was lost, and nothing is told twice, whatever
/// accounts a call leaves out.
#[derive(Debug)]
pub struct LossWatch {
    by_cgroup: HashMap<u64, HashMap<(String, LossReason), Reported>>,
    last: SystemTime,
}

#[derive(Clone, Copy, Debug)]
struct Reported {
    count: u64,
    until: SystemTime,
}

struct LossUntold<'a> {
    hook: &'a str,
    count: u64,
}

impl Failure for LossUntold<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("loss_untold");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "Lost events are not in the stream: the alert stage had no room at the end.",
            hook = self.hook,
            count = self.count,
            total
        );
    }
}

type Count = fn(&EventCounts) -> u64;

const REASONS: [(LossReason, Count); 5] = [
    (LossReason::RingFull, |events| events.ring_full),
    (LossReason::RateLimited, |events| events.rate_limited),
    (LossReason::ScratchBusy, |events| events.scratch_busy),
    (LossReason::Queue, |events| events.queue),
    (LossReason::Decode, |events| events.decode),
];

impl LossWatch {
    /// Counts from zero at `started`.
    pub fn new(started: SystemTime) -> Self {
        Self {
            by_cgroup: HashMap::new(),
            last: started,
        }
    }

    /// Sends one LOSS for each account and reason that has grown. What the queue has no room for
    /// is reported by a later call.
    pub fn report(&mut self, accounts: &[LossAccount], now: SystemTime, alerts: &AlertSender) {
        self.report_to(accounts, now, |loss| alerts.loss(loss));
    }

    /// The last report: waits for room until the deadline, as no later call repeats what is
    /// refused. That is counted and logged.
    pub async fn report_finally(
        &mut self,
        accounts: &[LossAccount],
        now: SystemTime,
        alerts: &AlertSender,
        until: Instant,
    ) {
        let mut losses = Vec::new();
        self.report_to(accounts, now, |loss| {
            losses.push(loss);
            true
        });
        for loss in losses {
            alerts.room(until).await;
            let (hook, count) = (loss.hook.clone(), loss.count);
            if !alerts.loss(loss) {
                LossUntold { hook: &hook, count }.emit();
            }
        }
    }

    pub(crate) fn report_to(
        &mut self,
        accounts: &[LossAccount],
        now: SystemTime,
        mut send: impl FnMut(Loss) -> bool,
    ) {
        for account in accounts {
            for (reason, count) in REASONS {
                let count = count(&account.events);
                if count == 0 {
                    continue;
                }
                let of_cgroup = self.by_cgroup.entry(account.cgroup_id).or_default();
                let before = of_cgroup
                    .entry((account.hook.clone(), reason))
                    .or_insert(Reported {
                        count: 0,
                        until: self.last,
                    });
                let lost = count.saturating_sub(before.count);
                if lost == 0 || send(loss(account, reason, lost, (before.until, now))) {
                    before.count += lost;
                    before.until = now;
                }
            }
        }
        self.last = now;
    }

    /// A cgroup's account has moved to `other`: what was reported of it counts there from now on.
    pub fn fold(&mut self, cgroup_id: u64) {
        let moving = self.by_cgroup.remove(&cgroup_id).unwrap_or_default();
        let other = self.by_cgroup.entry(OTHER_CGROUP).or_default();
        for (key, moved) in moving {
            other
                .entry(key)
                .and_modify(|reported| {
                    reported.count += moved.count;
                    reported.until = reported.until.min(moved.until);
                })
                .or_insert(moved);
        }
    }
}

fn loss(
    account: &LossAccount,
    reason: LossReason,
    count: u64,
    (from, to): (SystemTime, SystemTime),
) -> Loss {
    Loss {
        hook: account.hook.clone(),
        reason,
        count,
        from,
        to,
        cgroup_id: account.cgroup_id,
        cgroup_path: account.cgroup_path.clone(),
        container: account.container.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn account(hook: &str, ring_full: u64, rate_limited: u64) -> LossAccount {
        LossAccount {
            hook: hook.into(),
            cgroup_id: 7,
            cgroup_path: "/x".into(),
            container: None,
            events: EventCounts {
                ring_full,
                rate_limited,
                ..EventCounts::default()
            },
        }
    }

    fn report(watch: &mut LossWatch, accounts: &[LossAccount], now: u64) -> Vec<(u64, u64, u64)> {
        let mut losses = Vec::new();
        watch.report_to(accounts, at(now), |loss| {
            let seconds = |time: SystemTime| time.duration_since(at(0)).unwrap().as_secs();
            losses.push((loss.count, seconds(loss.from), seconds(loss.to)));
            true
        });
        losses
    }

    #[test]
    fn growth_is_reported_once_with_its_interval() {
        let mut watch = LossWatch::new(at(10));
        assert_eq!(report(&mut watch, &[account("open", 0, 0)], 11), []);
        assert_eq!(
            report(&mut watch, &[account("open", 3, 0)], 12),
            [(3, 11, 12)]
        );
        assert_eq!(report(&mut watch, &[account("open", 3, 0)], 13), []);
        assert_eq!(
            report(&mut watch, &[account("open", 5, 1)], 14),
            [(2, 13, 14), (1, 13, 14)]
        );
    }

    #[test]
    fn what_was_not_taken_is_reported_later() {
        let mut watch = LossWatch::new(at(0));
        watch.report_to(&[account("open", 3, 0)], at(1), |_| false);
        assert_eq!(report(&mut watch, &[account("open", 4, 0)], 2), [(4, 0, 2)]);
    }

    #[test]
    fn an_account_that_is_left_out_once_is_not_told_again() {
        let mut watch = LossWatch::new(at(0));
        report(&mut watch, &[account("open", 3, 0)], 1);
        assert_eq!(report(&mut watch, &[], 2), []);
        assert_eq!(report(&mut watch, &[account("open", 4, 0)], 3), [(1, 1, 3)]);
    }

    #[test]
    fn a_folded_account_is_not_told_again_but_what_it_lost_since_is() {
        let mut watch = LossWatch::new(at(0));
        let other = |ring_full| LossAccount {
            cgroup_id: OTHER_CGROUP,
            ..account("open", ring_full, 0)
        };
        report(&mut watch, &[account("open", 3, 0), other(10)], 1);
        watch.fold(7);
        assert_eq!(report(&mut watch, &[other(13)], 2), []);
        assert_eq!(report(&mut watch, &[other(15)], 3), [(2, 2, 3)]);
        assert_eq!(
            report(&mut watch, &[account("open", 1, 0), other(15)], 4),
            [(1, 3, 4)],
            "a new account under the same id begins at zero"
        );
    }
}
