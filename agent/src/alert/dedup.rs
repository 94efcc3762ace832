//! Equal alerts told once, and counted: the first leaves at once, those that follow are rolled up.
//!
//! Alerts are equal when rule, rule set, container, event type and evidence are, and those of a
//! baseline when container, class, phase, role, object and priority are. While equal ones come, each
//! window tells how many there were, as an addition to the first; a window without any ends it, and the
//! next one is a new alert.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Alert;
use crate::model::{BaselineEvidence, BaselineKind, ContainerView};

/// Alerts whose repetitions are counted at a time; what comes beyond them leaves as it is.
const MAX_OPEN: usize = 16_384;
/// Outputs that a roll-up shows.
const MAX_SAMPLES: usize = 3;

/// What makes alerts equal, as a digest: evidence can be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    fn of(alert: &Alert) -> Self {
        let mut digest = Sha256::new();
        let mut add = |text: &str| {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        };
        match &alert.event.container {
            ContainerView::Host(_) => add("host"),
            ContainerView::Container(container) => add(&container.id),
            ContainerView::Unknown { cgroup_id, .. } => add(&cgroup_id.to_string()),
        }
        match &alert.finding.baseline {
            Some(evidence) => {
                add(alert.finding.rule.priority.name());
                add_behaviour(evidence, add);
            }
            None => add_match(alert, add),
        }
        Self(digest.finalize().into())
    }
}

/// What a rule matched.
fn add_match(alert: &Alert, mut add: impl FnMut(&str)) {
    let rule = &alert.finding.rule;
    add("rule");
    add(&rule.name);
    add(&rule.set_digest);
    add(&alert.set_generation.to_string());
    add(alert.event.syscall.name());
    for term in &alert.finding.evidence {
        add(&term.field);
        add(&term.operator);
        add(&term.operand);
        add(if term.negated { "not" } else { "" });
        // No value differs from an empty one.
        add(term.value.as_ref().map_or("-", |_| "+"));
        add(term.value.as_deref().unwrap_or_default());
    }
}

/// What a baseline says. No rule set and no call made it, and which of the behaviours of a flood comes
/// first is chance.
fn add_behaviour(evidence: &BaselineEvidence, mut add: impl FnMut(&str)) {
    let kind = match evidence.kind {
        // What is quarantined was told when it was new.
        BaselineKind::Quarantined => BaselineKind::New,
        kind => kind,
    };
    add("baseline");
    add(&evidence.workload);
    add(&(kind as u8).to_string());
    add(evidence.class);
    add(&(evidence.phase as u8).to_string());
    if kind != BaselineKind::Flood {
        add(&evidence.role);
        add(&evidence.object);
    }
}

/// Whether an alert repeats one that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It does, and is counted.
    Counted,
    /// It has to be told; then by this key, where repetitions are counted.
    New(Option<Key>),
}

/// Equal alerts since the first of them was told, or since the last roll-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RollUp<T> {
    /// The alert that was told.
    pub(super) told: T,
    /// How many.
    pub(super) count: u64,
    /// How many since that alert.
    pub(super) total: u64,
    /// Time of the first event.
    pub(super) first: SystemTime,
    /// Time of the last.
    pub(super) last: SystemTime,
    /// Outputs of some, where they differ from one another.
    pub(super) samples: Vec<String>,
}

#[derive(Debug)]
struct Open<T> {
    told: T,
    total: u64,
    news: Option<News>,
}

#[derive(Debug)]
struct News {
    count: u64,
    first: SystemTime,
    last: SystemTime,
    samples: Vec<String>,
}

/// Counts repetitions. `T` says which alert was told.
#[derive(Debug)]
pub(super) struct Dedup<T> {
    /// `None`: every alert is told.
    window: Option<Duration>,
    open: HashMap<Key, Open<T>>,
    /// When each window ends, soonest first: all have the same length.
    ends: VecDeque<(Instant, Key)>,
}

impl<T: Clone> Dedup<T> {
    pub(super) fn new(window: Option<Duration>) -> Self {
        Self {
            window,
            open: HashMap::new(),
            ends: VecDeque::new(),
        }
    }

    /// Counts an alert that repeats one that was told.
    pub(super) fn take(&mut self, alert: &Alert) -> Repeat {
        if self.window.is_none() {
            return Repeat::New(None);
        }
        let key = Key::of(alert);
        let Some(open) = self.open.get_mut(&key) else {
            return Repeat::New(Some(key));
        };
        open.total += 1;
        let time = alert.event.time;
        let news = open.news.get_or_insert_with(|| News {
            count: 0,
            first: time,
            last: time,
            samples: Vec::new(),
        });
        news.count += 1;
        news.first = news.first.min(time);
        news.last = news.last.max(time);
        let output = &alert.finding.output;
        if news.samples.len() < MAX_SAMPLES && !news.samples.contains(output) {
            news.samples.push(output.clone());
        }
        Repeat::Counted
    }

    /// The alert with that key is told.
    pub(super) fn told(&mut self, key: Key, told: T, now: Instant) {
        let Some(window) = self.window else { return };
        if self.open.len() >= MAX_OPEN {
            return;
        }
        let open = Open {
            told,
            total: 0,
            news: None,
        };
        self.open.insert(key, open);
        self.ends.push_back((now + window, key));
    }

    /// When the next window ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// The roll-ups of windows that have ended.
    pub(super) fn ended(&mut self, now: Instant) -> Vec<RollUp<T>> {
        let mut rolled = Vec::new();
        while let Some(&(end, key)) = self.ends.front()
            && end <= now
        {
            self.ends.pop_front();
            let news = self.open.get_mut(&key).and_then(Open::take);
            match (news, self.window) {
                (Some(news), Some(window)) => {
                    rolled.push(news);
                    self.ends.push_back((now + window, key));
                }
                _ => drop(self.open.remove(&key)),
            }
        }
        rolled
    }

    /// The roll-ups of every window, which all end now.
    pub(super) fn finish(&mut self) -> Vec<RollUp<T>> {
        self.ends.clear();
        let mut open = std::mem::take(&mut self.open);
        open.values_mut().filter_map(Open::take).collect()
    }
}

impl<T: Clone> Open<T> {
    fn take(&mut self) -> Option<RollUp<T>> {
        let news = self.news.take()?;
        Some(RollUp {
            told: self.told.clone(),
            count: news.count,
            total: self.total,
            first: news.first,
            last: news.last,
            samples: news.samples,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::alert::sample;
    use crate::model::{BaselinePhase, Priority, Syscall};

    const WINDOW: Duration = Duration::from_secs(60);

    fn alert(output: &str) -> Alert {
        let mut alert = sample::alert_in(sample::container_view());
        alert.finding.output = output.to_owned();
        alert
    }

    /// Tells the alert or counts it, and says which.
    fn take(dedup: &mut Dedup<u64>, alert: &Alert, id: u64, now: Instant) -> bool {
        match dedup.take(alert) {
            Repeat::Counted => return false,
            Repeat::New(Some(key)) => dedup.told(key, id, now),
            Repeat::New(None) => {}
        }
        true
    }

    #[tokio::test]
    async fn the_first_is_told_and_the_others_are_counted() {
        let now = Instant::now();
        let mut dedup = Dedup::new(Some(WINDOW));
        assert!(take(&mut dedup, &alert("one"), 1, now));
        for output in ["one", "two", "two", "three", "four"] {
            assert!(!take(&mut dedup, &alert(output), 2, now));
        }
        assert!(dedup.ended(now + WINDOW / 2).is_empty());
        let rolled = dedup.ended(now + WINDOW);
        assert_eq!(rolled.len(), 1);
        assert_eq!(
            (rolled[0].told, rolled[0].count, rolled[0].total),
            (1, 5, 5)
        );
        assert_eq!(rolled[0].samples, ["one", "two", "three"]);
        // It goes on while equal ones come, and ends with a window without.
        assert!(!take(&mut dedup, &alert("one"), 3, now + WINDOW));
        let rolled = dedup.ended(now + WINDOW * 2);
        assert_eq!((rolled[0].count, rolled[0].total), (1, 6));
        assert!(dedup.ended(now + WINDOW * 3).is_empty());
        assert!(take(&mut dedup, &alert("one"), 4, now + WINDOW * 3));
    }

    #[tokio::test]
    async fn what_differs_is_told() {
        let now = Instant::now();
        let mut dedup = Dedup::new(Some(WINDOW));
        assert!(take(&mut dedup, &alert("one"), 1, now));
        let mut other = alert("one");
        other.event.container = ContainerView::Host(None);
        assert!(take(&mut dedup, &other, 2, now));
        let mut other = alert("one");
        other.finding.evidence[0].value = None;
        assert!(take(&mut dedup, &other, 3, now));
        let mut everything = Dedup::new(None);
        assert!(take(&mut everything, &alert("one"), 1, now));
        assert!(take(&mut everything, &alert("one"), 2, now));
    }

    /// Makes an alert of a baseline another one.
    type Edit<'a> = dyn Fn(&mut Alert, &mut BaselineEvidence) + 'a;

    fn told(edit: &Edit<'_>) -> Alert {
        let mut evidence = sample::behaviour();
        let mut alert = sample::alert_of(evidence.clone());
        edit(&mut alert, &mut evidence);
        alert.finding.baseline = Some(Box::new(evidence));
        alert
    }

    #[tokio::test]
    async fn a_behaviour_is_told_once_whatever_shows_it() {
        let now = Instant::now();
        let mut dedup = Dedup::new(Some(WINDOW));
        assert!(take(&mut dedup, &told(&|_, _| {}), 1, now));
        // It comes again, by another call, under another rule set, with more evidence.
        let again = told(&|alert, evidence| {
            alert.event.syscall = Syscall::Openat2;
            alert.set_generation += 1;
            evidence.kind = BaselineKind::Quarantined;
            evidence.watched.windows += 1;
            evidence.predicted = None;
        });
        assert!(!take(&mut dedup, &again, 2, now));
        let edits: [&Edit<'_>; 8] = [
            &|_, evidence| evidence.workload.push('-'),
            &|_, evidence| evidence.object.push('-'),
            &|_, evidence| evidence.role.push_str(" > /bin/cat"),
            &|_, evidence| evidence.class = "file_write",
            &|_, evidence| evidence.phase = BaselinePhase::Start,
            &|_, evidence| evidence.kind = BaselineKind::Rejected,
            &|alert, _| alert.event.container = sample::unknown_view(7, None),
            &|alert, _| Arc::make_mut(&mut alert.finding.rule).priority = Priority::Notice,
        ];
        for edit in edits {
            assert!(take(&mut dedup, &told(edit), 3, now));
        }
        let flood = |object: &str| {
            told(&|_, evidence| {
                evidence.kind = BaselineKind::Flood;
                evidence.object = object.to_owned();
            })
        };
        assert!(take(&mut dedup, &flood("/a"), 4, now));
        assert!(!take(&mut dedup, &flood("/b"), 5, now));
    }

    #[tokio::test]
    async fn beyond_the_room_alerts_leave_as_they_are() {
        let now = Instant::now();
        let mut dedup = Dedup::new(Some(WINDOW));
        let numbered = |number: usize| {
            let mut alert = alert("one");
            alert.finding.evidence[0].value = Some(number.to_string());
            alert
        };
        for number in 0..MAX_OPEN {
            assert!(take(&mut dedup, &numbered(number), 1, now));
        }
        assert!(take(&mut dedup, &numbered(MAX_OPEN), 1, now));
        assert!(take(&mut dedup, &numbered(MAX_OPEN), 1, now));
        assert!(!take(&mut dedup, &numbered(0), 1, now));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Told and rolled up are all there were, whatever comes when.
        #[test]
        fn nothing_is_lost(steps in prop::collection::vec((0..4u64, 0..90u64), 1..60)) {
            let mut now = Instant::now();
            let mut dedup = Dedup::new(Some(WINDOW));
            let (mut told, mut rolled) = (0, 0);
            for (number, pause) in &steps {
                now += Duration::from_secs(*pause);
                rolled += dedup.ended(now).iter().map(|news| news.count).sum::<u64>();
                let mut alert = alert("one");
                alert.finding.evidence[0].value = Some(number.to_string());
                told += u64::from(take(&mut dedup, &alert, 0, now));
            }
            rolled += dedup.finish().iter().map(|news| news.count).sum::<u64>();
            prop_assert_eq!(told + rolled, steps.len() as u64);
            prop_assert!(dedup.finish().is_empty());
        }
    }
}
