//! The way to the stage, and the account of what came along it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::alert::{Alert, Downtime, Loss, SensorFinding};
use crate::model::{Container, ContainerView, RuleSetId};
use crate::proto;
use crate::telemetry::{Counter, Failure, QueueDepth, WhenFull};

/// What the stage is given.
#[derive(Debug)]
pub(super) enum Input {
    Alert(Box<Alert>),
    Sensor(SensorFinding),
    Identified(Arc<Container>),
    Located(u64, ContainerView),
    Loss(Loss),
    Downtime(Downtime),
    NotDurable(String),
}

/// The rule set in force, for findings that no rule of it made.
#[derive(Debug)]
pub(super) struct InForce(Mutex<RuleSetId>);

impl Default for InForce {
    fn default() -> Self {
        Self(Mutex::new(RuleSetId {
            digest: "".into(),
            generation: 0,
        }))
    }
}

impl InForce {
    pub(super) fn get(&self) -> RuleSetId {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, set: RuleSetId) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = set;
    }
}

/// What became of alerts.
#[derive(Debug, Default)]
pub struct AlertCounts {
    pub(super) raised: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) queue_full: AtomicU64,
    pub(super) amended: AtomicU64,
    pub(super) rolled_up: AtomicU64,
    pub(super) throttled: AtomicU64,
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
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) counts: Arc<AlertCounts>,
    pub(super) in_force: Arc<InForce>,
}

/// A way to the stage for findings that does not keep it open.
#[derive(Clone, Debug)]
pub struct WeakAlertSender {
    inputs: mpsc::WeakSender<Input>,
    counts: Arc<AlertCounts>,
    in_force: Arc<InForce>,
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
    pub fn sensor(&self, mut finding: SensorFinding) -> bool {
        let Ok(slot) = self.inputs.try_reserve() else {
            return false;
        };
        finding.set.get_or_insert_with(|| self.in_force.get());
        self.counts.raised.fetch_add(1, Ordering::AcqRel);
        slot.send(Input::Sensor(finding));
        true
    }

    /// Says which rule set is in force from now on. Alerts of rules name their own set.
    pub fn rules_in_force(&self, set: RuleSetId) {
        self.in_force.set(set);
    }

    /// The way to the stage for whoever outlives it.
    pub fn downgrade(&self) -> WeakAlertSender {
        WeakAlertSender {
            inputs: self.inputs.downgrade(),
            counts: Arc::clone(&self.counts),
            in_force: Arc::clone(&self.in_force),
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
        let sender = AlertSender {
            inputs,
            counts: Arc::clone(&self.counts),
            in_force: Arc::clone(&self.in_force),
        };
        sender.sensor(finding)
    }
}
