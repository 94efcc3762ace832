//! The alert stage: gives alerts their ids and stores them.

mod awaiting;
mod sender;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::dedup::{Dedup, Repeat, RollUp};
use super::spool::{Change, RETRY};
use super::throttle::{Throttle, Throttled};
use super::{Alert, Facts, SensorFinding, SpoolWriter, Stored, encode};
use crate::model::{Container, ContainerView};
use crate::proto;
use awaiting::{Awaited, Awaiting, Sent};
use sender::{InForce, Input};

pub use sender::{AlertCounts, AlertSender, WeakAlertSender};

/// Inputs that are stored in one transaction, at most.
const BATCH: usize = 512;
/// Time after which a stage without inputs looks for records that are too old, or were lost.
const IDLE: Duration = Duration::from_secs(10);

/// Window in which behaviours that a baseline told of are counted, unless that of other alerts is
/// longer. Where they go on they come once in each window of the baseline, a minute or longer, and
/// nobody needs to be told as often what was told already.
const BEHAVIOURS: Duration = Duration::from_secs(3_600);

/// The task that owns the spool's writer.
#[derive(Debug)]
pub struct AlertStage {
    inputs: mpsc::Receiver<Input>,
    counts: Arc<AlertCounts>,
    in_force: Arc<InForce>,
    writer: SpoolWriter,
    awaiting: Awaiting,
    repeats: Dedup<Sent>,
    /// Of behaviours that a baseline told of.
    behaviours: Dedup<Sent>,
    throttle: Throttle,
    drops_told: u64,
    /// Alerts that the next commit stores.
    uncommitted: u64,
    /// The time that a replay has come to; `None`: it is now.
    replayed: Option<SystemTime>,
}

/// How much is told of alerts that come in masses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertLimits {
    /// Equal alerts are counted for so long before the count is told, those of a baseline for an hour at
    /// least; `None`: each is told.
    pub dedup: Option<Duration>,
    /// Alerts that a rule may tell in a minute; `None`: all.
    pub per_minute: Option<NonZeroU32>,
}

/// The stage and the way to it, with room for `capacity` inputs between them.
pub fn channel(writer: SpoolWriter, capacity: usize) -> (AlertSender, AlertStage) {
    let (inputs, receiver) = mpsc::channel(capacity);
    let counts = Arc::new(AlertCounts::default());
    let in_force = Arc::new(InForce::default());
    let sender = AlertSender {
        inputs,
        counts: Arc::clone(&counts),
        in_force: Arc::clone(&in_force),
    };
    let stage = AlertStage {
        inputs: receiver,
        counts,
        in_force,
        writer,
        awaiting: Awaiting::default(),
        repeats: Dedup::new(None),
        behaviours: Dedup::new(None),
        throttle: Throttle::new(None),
        drops_told: 0,
        uncommitted: 0,
        replayed: None,
    };
    (sender, stage)
}

impl AlertStage {
    /// The stage with limits, of which it has none else.
    #[must_use]
    pub fn limited(self, limits: AlertLimits) -> Self {
        Self {
            repeats: Dedup::new(limits.dedup),
            behaviours: Dedup::new(limits.dedup.map(|window| window.max(BEHAVIOURS))),
            throttle: Throttle::new(limits.per_minute),
            ..self
        }
    }

    /// Stores what comes until every sender is gone; then the spool ends. What comes while a
    /// transaction is written goes into the next one together.
    pub async fn run(mut self) {
        loop {
            let mut inputs = Vec::with_capacity(BATCH);
            let pause = if self.writer.is_waiting() {
                RETRY
            } else {
                IDLE
            };
            let pause = Instant::now() + pause;
            let wake = self.next_count().map_or(pause, |count| count.min(pause));
            let open = tokio::select! {
                count = self.inputs.recv_many(&mut inputs, BATCH) => count > 0,
                () = sleep_until(wake) => true,
            };
            if !open {
                self.writer.insist();
                // What has been counted and not told.
                let (mut rolled, kept) = (self.repeats.finish(), self.throttle.finish());
                rolled.extend(self.behaviours.finish());
                self.tell_counts(rolled, kept);
            }
            self = self.store_off_thread(inputs).await;
            if !open {
                return;
            }
        }
    }

    /// Stores some of what has come, as of that time: for a replay, which has neither tasks nor a
    /// clock. Whether there was anything.
    pub(crate) fn store_replayed(&mut self, now: SystemTime) -> bool {
        let mut inputs = Vec::new();
        while inputs.len() < BATCH
            && let Ok(input) = self.inputs.try_recv()
        {
            inputs.push(input);
        }
        let any = !inputs.is_empty();
        if any {
            self.replayed = Some(now);
            self.store_all(inputs);
        }
        any
    }

    /// Stores inputs where waiting for the disk keeps nobody else.
    async fn store_off_thread(mut self, inputs: Vec<Input>) -> Self {
        if !self.writer.waits_for_disk() {
            self.store_all(inputs);
            return self;
        }
        let stored = spawn_blocking(move || {
            self.store_all(inputs);
            self
        });
        match stored.await {
            Ok(stage) => stage,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// When a count of alerts that were not sent is to be told.
    fn next_count(&self) -> Option<Instant> {
        let times = [
            self.repeats.next_end(),
            self.behaviours.next_end(),
            self.throttle.next_tell(),
        ];
        times.into_iter().flatten().min()
    }

    fn store_all(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.handle(input);
        }
        let now = Instant::now();
        let (mut rolled, kept) = (self.repeats.ended(now), self.throttle.due(now));
        rolled.extend(self.behaviours.ended(now));
        self.tell_counts(rolled, kept);
        self.tell_drops();
        let lost = self.writer.take_lost();
        if lost > 0 {
            self.counts.raised.fetch_add(1, Ordering::AcqRel);
            self.store_sensor(&SensorFinding::unreadable(lost));
        }
        if let Some(change) = self.commit() {
            self.tell(change);
            // It is in the state that was told of just now.
            let _ = self.commit();
        }
    }

    fn commit(&mut self) -> Option<Change> {
        let change = self.writer.commit();
        let alerts = std::mem::take(&mut self.uncommitted);
        self.counts.stored.fetch_add(alerts, Ordering::AcqRel);
        change
    }

    /// Says in the stream that it is in memory alone, or that it no longer is.
    fn tell(&mut self, change: Change) {
        self.counts.raised.fetch_add(1, Ordering::AcqRel);
        match change {
            Change::NotDurable(first, why) => {
                let body = proto::record::Body::Gap(proto::Gap {
                    why: proto::gap::Why::NotDurable.into(),
                    message: format!("Records from {first} on are in memory alone: {why}."),
                    ..proto::Gap::default()
                });
                self.store(Facts::gap(), body);
                self.store_sensor(&SensorFinding::not_durable(&why));
            }
            Change::Durable => self.store_sensor(&SensorFinding::durable_again()),
        }
    }

    fn handle(&mut self, input: Input) {
        self.tell_drops();
        match input {
            Input::Alert(alert) => self.take_alert(&alert),
            Input::Sensor(finding) => self.store_sensor(&finding),
            Input::Identified(container) => self.identified(&container),
            Input::Located(cgroup_id, view) => self.located(cgroup_id, &view),
            Input::Loss(loss) => {
                let body = proto::record::Body::Loss(encode::loss(&loss));
                self.store(Facts::loss(loss.container.as_ref()), body);
            }
            Input::NotDurable(why) => {
                let first = self.writer.next_sequence();
                self.tell(Change::NotDurable(first, why));
            }
            Input::Downtime(downtime) => {
                let body = proto::record::Body::Gap(encode::downtime(&downtime));
                self.store(Facts::gap(), body);
            }
        }
    }

    fn take_alert(&mut self, alert: &Alert) {
        let now = Instant::now();
        let key = match self.repeats_of(alert).take(alert) {
            Repeat::Counted => {
                self.counts.rolled_up.fetch_add(1, Ordering::AcqRel);
                return;
            }
            Repeat::New(key) => key,
        };
        let rule = &alert.finding.rule;
        if !self.throttle.admits(rule, alert.event.time, now) {
            self.counts.throttled.fetch_add(1, Ordering::AcqRel);
            return;
        }
        let sent = self.store_alert(alert);
        if let Some(key) = key {
            self.repeats_of(alert).told(key, sent, now);
        }
    }

    /// Who counts what repeats such an alert.
    fn repeats_of(&mut self, alert: &Alert) -> &mut Dedup<Sent> {
        match alert.finding.baseline {
            Some(_) => &mut self.behaviours,
            None => &mut self.repeats,
        }
    }

    fn store_alert(&mut self, alert: &Alert) -> Sent {
        let sequence = self.writer.next_sequence();
        let id = self.next_id();
        let sent = Sent::new(sequence, id.clone(), alert);
        if let Some(awaited) = Awaited::of(&alert.event.container) {
            self.awaiting.add(awaited, sent.clone());
        }
        let body = proto::record::Body::Alert(encode::alert(id, alert));
        self.store(sent.facts(), body);
        self.uncommitted += 1;
        sent
    }

    fn tell_counts(&mut self, rolled: Vec<RollUp<Sent>>, kept: Vec<Throttled>) {
        for news in rolled {
            self.store_roll_up(news);
        }
        for kept in kept {
            self.store_throttle(&kept);
        }
    }

    fn store_roll_up(&mut self, news: RollUp<Sent>) {
        let facts = Facts::amend(news.told.facts());
        let body = proto::record::Body::Amend(proto::Amend {
            alert_id: news.told.id,
            alert_sequence: news.told.sequence,
            container: None,
            roll_up: Some(proto::RollUp {
                count: news.count,
                total: news.total,
                first: Some(encode::timestamp(news.first)),
                last: Some(encode::timestamp(news.last)),
                samples: news.samples,
            }),
        });
        self.store(facts, body);
    }

    fn store_throttle(&mut self, kept: &Throttled) {
        let body = proto::record::Body::Throttle(proto::Throttle {
            rule: Some(encode::rule(&kept.rule)),
            count: kept.count,
            from_time: Some(encode::timestamp(kept.first)),
            to_time: Some(encode::timestamp(kept.last)),
            limit_per_minute: self.throttle.per_minute(),
        });
        self.store(Facts::throttle(&kept.rule), body);
    }

    fn store_sensor(&mut self, finding: &SensorFinding) {
        let id = self.next_id();
        let body = proto::record::Body::Alert(encode::sensor(id, finding, &self.in_force.get()));
        let facts = Facts::alert(&finding.rule, &ContainerView::Host(None), "");
        self.store(facts, body);
        self.uncommitted += 1;
    }

    fn next_id(&self) -> String {
        let sequence = self.writer.next_sequence();
        format!("{:016x}-{sequence}", self.writer.spool().epoch())
    }

    fn identified(&mut self, container: &Container) {
        let sent = self
            .awaiting
            .take(&Awaited::Container(container.id.clone()));
        self.amend(sent, Some(encode::container(container, true)).as_ref());
    }

    fn located(&mut self, cgroup_id: u64, view: &ContainerView) {
        let sent = self.awaiting.take(&Awaited::Cgroup(cgroup_id));
        match Awaited::of(view) {
            // Its name is still to come: one AMEND tells both.
            Some(awaited) => {
                for sent in sent {
                    self.awaiting.add(awaited.clone(), sent);
                }
            }
            None => self.amend(sent, encode::view(view, true).as_ref()),
        }
    }

    fn amend(&mut self, alerts: Vec<Sent>, container: Option<&proto::Container>) {
        for sent in alerts {
            let facts = Facts::amend(sent.facts());
            let body = proto::record::Body::Amend(proto::Amend {
                alert_id: sent.id,
                alert_sequence: sent.sequence,
                container: container.cloned(),
                roll_up: None,
            });
            self.store(facts, body);
            self.counts.amended.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Puts a GAP where alerts were dropped since the last one.
    fn tell_drops(&mut self) {
        let dropped = self.counts.queue_full.load(Ordering::Acquire);
        let news = dropped - self.drops_told;
        if news == 0 {
            return;
        }
        self.drops_told = dropped;
        let body = proto::record::Body::Gap(proto::Gap {
            why: proto::gap::Why::QueueFull.into(),
            count: Some(news),
            message: format!("{news} alerts were raised faster than they could be stored."),
            ..proto::Gap::default()
        });
        self.store(Facts::gap(), body);
    }

    fn store(&mut self, facts: Facts, body: proto::record::Body) {
        let place = (self.writer.spool().epoch(), self.writer.next_sequence());
        let now = self.replayed.unwrap_or_else(SystemTime::now);
        self.writer.push(Stored::new(place, now, facts, body));
    }
}

#[cfg(test)]
mod tests;
