//! The alert stage: gives alerts their ids and stores them.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::dedup::{Dedup, RollUp};
use super::spool::{Change, RETRY};
use super::throttle::{Throttle, Throttled};
use super::{Alert, Downtime, Facts, Loss, SensorFinding, SpoolWriter, Stored, encode};
use crate::model::{Container, ContainerView};
use crate::proto;
use crate::telemetry::{Counter, Failure, QueueDepth, WhenFull};

/// Alerts that left with incomplete identity and wait for it. Beyond it the oldest is forgotten:
/// it stays as it was sent.
const MAX_AWAITING: usize = 4_096;
/// Inputs that are stored in one transaction, at most.
const BATCH: usize = 512;
/// Time after which a stage without inputs looks for records that are too old, or were lost.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Input {
    Alert(Box<Alert>),
    Sensor(SensorFinding),
    Identified(Arc<Container>),
    Located(u64, ContainerView),
    Loss(Loss),
    Downtime(Downtime),
    NotDurable(String),
}

/// What became of alerts.
#[derive(Debug, Default)]
pub struct AlertCounts {
    raised: AtomicU64,
    stored: AtomicU64,
    queue_full: AtomicU64,
    amended: AtomicU64,
    rolled_up: AtomicU64,
    throttled: AtomicU64,
}

impl AlertCounts {
    /// The account as HEARTBEAT carries it; `evicted` comes from the spool.
    pub fn account(&self, evicted: u64) -> proto::AlertAccount {
        // Read against the flow, so that no alert is counted at its end but not at its beginning.
        let amended = self.amended.load(Ordering::Acquire);
        let stored = self.stored.load(Ordering::Acquire);
        let rolled_up = self.rolled_up.load(Ordering::Acquire);
        let throttled = self.throttled.load(Ordering::Acquire);
        let queue_full = self.queue_full.load(Ordering::Acquire);
        let raised = self.raised.load(Ordering::Acquire);
        proto::AlertAccount {
            raised,
            stored,
            queue_full,
            in_flight: raised - stored - rolled_up - throttled - queue_full,
            evicted,
            amended,
            rolled_up,
            throttled,
        }
    }
}

struct AlertQueueFull<'a> {
    rule: &'a str,
}

impl Failure for AlertQueueFull<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("alert_queue_full");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "Alert dropped: the queue is full.",
            rule = self.rule,
            total
        );
    }
}

struct AmendDropped<'a> {
    container: &'a str,
}

impl Failure for AmendDropped<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("amend_dropped");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "Alerts stay without their container's name: the queue is full.",
            container = self.container,
            total
        );
    }
}

/// Where detection leaves alerts. No method waits; when the queue is full the newest is dropped
/// and counted, and the stream says so with a GAP.
#[derive(Clone, Debug)]
pub struct AlertSender {
    inputs: mpsc::Sender<Input>,
    counts: Arc<AlertCounts>,
}

/// A way to the stage for findings that does not keep it open.
#[derive(Clone, Debug)]
pub struct WeakAlertSender {
    inputs: mpsc::WeakSender<Input>,
    counts: Arc<AlertCounts>,
}

/// The task that owns the spool's writer.
#[derive(Debug)]
pub struct AlertStage {
    inputs: mpsc::Receiver<Input>,
    counts: Arc<AlertCounts>,
    writer: SpoolWriter,
    awaiting: Awaiting,
    repeats: Dedup<Sent>,
    throttle: Throttle,
    drops_told: u64,
    /// Alerts that the next commit stores.
    uncommitted: u64,
}

/// How much is told of alerts that come in masses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertLimits {
    /// Equal alerts are counted for so long before the count is told; `None`: each is told.
    pub dedup: Option<Duration>,
    /// Alerts that a rule may tell in a minute; `None`: all.
    pub per_minute: Option<NonZeroU32>,
}

/// The stage and the way to it, with room for `capacity` inputs between them.
pub fn channel(writer: SpoolWriter, capacity: usize) -> (AlertSender, AlertStage) {
    let (inputs, receiver) = mpsc::channel(capacity);
    let counts = Arc::new(AlertCounts::default());
    let sender = AlertSender {
        inputs,
        counts: Arc::clone(&counts),
    };
    let stage = AlertStage {
        inputs: receiver,
        counts,
        writer,
        awaiting: Awaiting::default(),
        repeats: Dedup::new(None),
        throttle: Throttle::new(None),
        drops_told: 0,
        uncommitted: 0,
    };
    (sender, stage)
}

impl AlertSender {
    /// Raises an alert. Its event must show the container as it is known now: an alert that is
    /// raised as pending after [`Self::identified`] is never amended.
    pub fn raise(&self, alert: Alert) {
        self.counts.raised.fetch_add(1, Ordering::AcqRel);
        let rule = Arc::clone(&alert.finding.rule);
        if self.inputs.try_send(Input::Alert(Box::new(alert))).is_err() {
            self.counts.queue_full.fetch_add(1, Ordering::AcqRel);
            AlertQueueFull { rule: &rule.name }.emit();
        }
    }

    /// Raises a finding about the sensor; false when the queue is full, and it must be raised again.
    #[must_use]
    pub fn sensor(&self, finding: SensorFinding) -> bool {
        let Ok(slot) = self.inputs.try_reserve() else {
            return false;
        };
        self.counts.raised.fetch_add(1, Ordering::AcqRel);
        slot.send(Input::Sensor(finding));
        true
    }

    /// The way to the stage for whoever outlives it.
    pub fn downgrade(&self) -> WeakAlertSender {
        WeakAlertSender {
            inputs: self.inputs.downgrade(),
            counts: Arc::clone(&self.counts),
        }
    }

    /// A container's identity has become known or has failed for good: amends the alerts that
    /// left without it. Call it for every container that ceases to be pending.
    pub fn identified(&self, container: Arc<Container>) {
        if let Err(error) = self.inputs.try_send(Input::Identified(container)) {
            let (mpsc::error::TrySendError::Full(input) | mpsc::error::TrySendError::Closed(input)) =
                error;
            if let Input::Identified(container) = input {
                AmendDropped {
                    container: &container.id,
                }
                .emit();
            }
        }
    }

    /// It has become known whose an unknown cgroup is, or that nobody will know: amends the alerts
    /// that left without it.
    pub fn located(&self, cgroup_id: u64, view: ContainerView) {
        let input = Input::Located(cgroup_id, view);
        if self.inputs.try_send(input).is_err() {
            AmendDropped {
                container: &format!("cgroup {cgroup_id}"),
            }
            .emit();
        }
    }

    /// Reports lost events; false when the queue is full, and they must be reported again.
    #[must_use]
    pub fn loss(&self, loss: Loss) -> bool {
        self.inputs.try_send(Input::Loss(loss)).is_ok()
    }

    /// Waits, until then at most, for room for one more input; who is the only sender finds it.
    /// Meant for the end: whoever waits here takes no events meanwhile.
    pub async fn room(&self, until: Instant) {
        // Without room, or without a stage, the sending itself says so.
        let _ = timeout_at(until, self.inputs.reserve()).await;
    }

    /// Reports a time that nobody watched. Meant for the start, when the queue is empty.
    pub fn downtime(&self, downtime: Downtime) {
        if self.inputs.try_send(Input::Downtime(downtime)).is_err() {
            tracing::error!(message = "Downtime is not in the stream: the queue is full.");
        }
    }

    /// Tells that the spool has no files. Meant for the start, when the queue is empty.
    pub fn not_durable(&self, why: String) {
        if self.inputs.try_send(Input::NotDurable(why)).is_err() {
            tracing::error!(message = "The stream does not tell that it is in memory alone.");
        }
    }

    /// The account of alerts.
    pub fn counts(&self) -> &Arc<AlertCounts> {
        &self.counts
    }

    /// How full the queue is.
    pub fn depth(&self) -> QueueDepth {
        let capacity = self.inputs.max_capacity();
        QueueDepth {
            name: "alerts".to_owned(),
            capacity: capacity as u64,
            depth: (capacity - self.inputs.capacity()) as u64,
            when_full: WhenFull::DropNewest,
            times_full: Some(self.counts.queue_full.load(Ordering::Acquire)),
        }
    }
}

impl WeakAlertSender {
    /// As [`AlertSender::sensor`]; false also when the stage has ended.
    #[must_use]
    pub fn sensor(&self, finding: SensorFinding) -> bool {
        let Some(inputs) = self.inputs.upgrade() else {
            return false;
        };
        let counts = Arc::clone(&self.counts);
        AlertSender { inputs, counts }.sensor(finding)
    }
}

impl AlertStage {
    /// The stage with limits, of which it has none else.
    #[must_use]
    pub fn limited(self, limits: AlertLimits) -> Self {
        Self {
            repeats: Dedup::new(limits.dedup),
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
            let wake = self.next_count().unwrap_or(Instant::now() + pause);
            let open = tokio::select! {
                count = self.inputs.recv_many(&mut inputs, BATCH) => count > 0,
                () = sleep_until(wake.min(Instant::now() + pause)) => true,
            };
            if !open {
                self.writer.insist();
                self.tell_last_counts();
            }
            self = self.store_off_thread(inputs).await;
            if !open {
                return;
            }
        }
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
        let times = [self.repeats.next_end(), self.throttle.next_tell()];
        times.into_iter().flatten().min()
    }

    fn store_all(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.handle(input);
        }
        self.tell_counts(Instant::now());
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
        if self.repeats.absorb(alert) {
            self.counts.rolled_up.fetch_add(1, Ordering::AcqRel);
            return;
        }
        let rule = &alert.finding.rule;
        if !self.throttle.admits(rule, alert.event.time, now) {
            self.counts.throttled.fetch_add(1, Ordering::AcqRel);
            return;
        }
        let sent = self.store_alert(alert);
        self.repeats.told(alert, sent, now);
    }

    fn store_alert(&mut self, alert: &Alert) -> Sent {
        let sequence = self.writer.next_sequence();
        let id = self.next_id();
        let facts = Facts::alert(
            &alert.finding.rule,
            &alert.event.container,
            alert.event.syscall.name(),
        );
        let sent = Sent {
            sequence,
            id: id.clone(),
            facts: facts.clone(),
        };
        if let Some(awaited) = Awaited::of(&alert.event.container) {
            self.awaiting.add(awaited, sent.clone());
        }
        let body = proto::record::Body::Alert(encode::alert(id, alert));
        self.store(facts, body);
        self.uncommitted += 1;
        sent
    }

    fn tell_counts(&mut self, now: Instant) {
        for news in self.repeats.ended(now) {
            self.store_roll_up(news);
        }
        for kept in self.throttle.due(now) {
            self.store_throttle(&kept);
        }
    }

    /// What has been counted and not told, at the end.
    fn tell_last_counts(&mut self) {
        for news in self.repeats.finish() {
            self.store_roll_up(news);
        }
        for kept in self.throttle.finish() {
            self.store_throttle(&kept);
        }
    }

    fn store_roll_up(&mut self, news: RollUp<Sent>) {
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
        self.store(Facts::amend(news.told.facts), body);
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
        let body = proto::record::Body::Alert(encode::sensor(id, finding));
        let facts = Facts::alert(&finding.rule, &ContainerView::Host, "");
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
            let body = proto::record::Body::Amend(proto::Amend {
                alert_id: sent.id,
                alert_sequence: sent.sequence,
                container: container.cloned(),
                roll_up: None,
            });
            self.store(Facts::amend(sent.facts), body);
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
        self.writer
            .push(Stored::new(place, SystemTime::now(), facts, body));
    }
}

/// What an alert waits for after it has left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Awaited {
    /// The name of the container with this id.
    Container(String),
    /// Whose the cgroup with this id is.
    Cgroup(u64),
}

impl Awaited {
    fn of(view: &ContainerView) -> Option<Self> {
        if !view.is_pending() {
            return None;
        }
        match view {
            ContainerView::Host => None,
            ContainerView::Container(container) => Some(Self::Container(container.id.clone())),
            ContainerView::Unknown { cgroup_id, .. } => Some(Self::Cgroup(*cgroup_id)),
        }
    }
}

/// Alerts whose container was not identified when they left.
#[derive(Debug, Default)]
struct Awaiting {
    by_awaited: HashMap<Awaited, Vec<Sent>>,
    /// What each waits for, oldest first. Entries of what has come linger until they are the
    /// oldest.
    order: VecDeque<(u64, Awaited)>,
}

#[derive(Clone, Debug)]
struct Sent {
    sequence: u64,
    id: String,
    facts: Facts,
}

impl Awaiting {
    fn add(&mut self, awaited: Awaited, sent: Sent) {
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

    fn take(&mut self, awaited: &Awaited) -> Vec<Sent> {
        let sent = self.by_awaited.remove(awaited).unwrap_or_default();
        if self.by_awaited.is_empty() {
            self.order.clear();
        }
        sent
    }
}

#[cfg(test)]
mod tests;
