//! How many alerts a rule may tell: a bucket for each, which fills at a steady rate. What a rule
//! raises beyond it is counted, and the count is told.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::model::RuleInfo;

/// How often the counts are told.
const TELL: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

/// Alerts of a rule that were kept back.
#[derive(Clone, Debug)]
pub(super) struct Throttled {
    /// The rule, as of the first.
    pub(super) rule: Arc<RuleInfo>,
    /// How many.
    pub(super) count: u64,
    /// Time of the first event.
    pub(super) first: SystemTime,
    /// Time of the last.
    pub(super) last: SystemTime,
}

#[derive(Debug)]
struct Bucket {
    /// Alerts that may leave at once.
    left: f64,
    filled: Instant,
}

/// The limit.
#[derive(Debug)]
pub(super) struct Throttle {
    /// Alerts of a rule in a minute, and at once; `None`: no limit.
    per_minute: Option<NonZeroU32>,
    /// By name of the rule.
    buckets: HashMap<String, Bucket>,
    /// What has not been told.
    kept_back: HashMap<String, Throttled>,
    tell: Option<Instant>,
}

impl Throttle {
    pub(super) fn new(per_minute: Option<NonZeroU32>) -> Self {
        Self {
            per_minute,
            buckets: HashMap::new(),
            kept_back: HashMap::new(),
            tell: None,
        }
    }

    /// The limit; 0 when there is none.
    pub(super) fn per_minute(&self) -> u32 {
        self.per_minute.map_or(0, NonZeroU32::get)
    }

    /// Whether an alert of the rule may leave. One that may not is counted.
    pub(super) fn admits(&mut self, rule: &Arc<RuleInfo>, time: SystemTime, now: Instant) -> bool {
        let Some(limit) = self.per_minute else {
            return true;
        };
        let full = f64::from(limit.get());
        let bucket = match self.buckets.get_mut(&rule.name) {
            Some(bucket) => bucket,
            None => self.buckets.entry(rule.name.clone()).or_insert(Bucket {
                left: full,
                filled: now,
            }),
        };
        let passed = now.saturating_duration_since(bucket.filled);
        let come_back = full * passed.as_secs_f64() / MINUTE.as_secs_f64();
        bucket.left = (bucket.left + come_back).min(full);
        bucket.filled = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return true;
        }
        self.keep_back(rule, time, now);
        false
    }

    fn keep_back(&mut self, rule: &Arc<RuleInfo>, time: SystemTime, now: Instant) {
        let kept = self
            .kept_back
            .entry(rule.name.clone())
            .or_insert_with(|| Throttled {
                rule: Arc::clone(rule),
                count: 0,
                first: time,
                last: time,
            });
        kept.count += 1;
        kept.first = kept.first.min(time);
        kept.last = kept.last.max(time);
        self.tell.get_or_insert(now + TELL);
    }

    /// When counts are to be told.
    pub(super) fn next_tell(&self) -> Option<Instant> {
        self.tell
    }

    /// The counts, once it is time.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Throttled> {
        match self.tell {
            Some(tell) if tell <= now => self.finish(),
            _ => Vec::new(),
        }
    }

    /// The counts so far, by rule.
    pub(super) fn finish(&mut self) -> Vec<Throttled> {
        self.tell = None;
        let mut kept: Vec<Throttled> = self.kept_back.drain().map(|(_, kept)| kept).collect();
        kept.sort_by(|one, other| one.rule.name.cmp(&other.rule.name));
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::sample;

    fn named(name: &str) -> Arc<RuleInfo> {
        let name = name.to_owned();
        Arc::new(RuleInfo {
            name,
            ..sample::rule()
        })
    }

    fn admitted(throttle: &mut Throttle, rule: &Arc<RuleInfo>, count: u32, now: Instant) -> u32 {
        let admit = |_: &u32| throttle.admits(rule, SystemTime::UNIX_EPOCH, now);
        u32::try_from((0..count).filter(admit).count()).unwrap()
    }

    #[tokio::test]
    async fn a_rule_has_its_own_share_and_gets_it_back() {
        let now = Instant::now();
        let (one, other) = (named("one"), named("other"));
        let mut throttle = Throttle::new(NonZeroU32::new(60));
        assert_eq!(admitted(&mut throttle, &one, 100, now), 60);
        assert_eq!(admitted(&mut throttle, &other, 10, now), 10);
        let later = now + Duration::from_secs(5);
        assert_eq!(admitted(&mut throttle, &one, 100, later), 5);
        let much_later = now + Duration::from_secs(3_600);
        assert_eq!(admitted(&mut throttle, &one, 100, much_later), 60);
    }

    #[tokio::test]
    async fn what_is_kept_back_is_told_once_and_in_whole() {
        let now = Instant::now();
        let mut throttle = Throttle::new(NonZeroU32::new(1));
        admitted(&mut throttle, &named("one"), 8, now);
        admitted(&mut throttle, &named("other"), 2, now);
        assert!(throttle.due(now).is_empty());
        assert_eq!(throttle.next_tell(), Some(now + TELL));
        let told: Vec<_> = throttle
            .due(now + TELL)
            .into_iter()
            .map(|kept| (kept.rule.name.clone(), kept.count))
            .collect();
        assert_eq!(told, [("one".to_owned(), 7), ("other".to_owned(), 1)]);
        assert!(throttle.finish().is_empty() && throttle.next_tell().is_none());
    }

    #[tokio::test]
    async fn without_a_limit_everything_leaves() {
        let mut throttle = Throttle::new(None);
        assert_eq!(admitted(&mut throttle, &named("one"), 9, Instant::now()), 9);
        assert_eq!(throttle.per_minute(), 0);
    }
}
