//! The JSON of the stream, which `docs/stream.md` explains. Names here are a promise.
//! What is not known is left out.

mod alert;
mod baseline;
mod dns;
mod event;
mod paths;
mod schema;

use schemars::JsonSchema;
use serde::Serialize;

use super::{enum_word, time};
use crate::proto;
pub use alert::{Alert, Container};
pub use event::Process;
pub use schema::schema;

/// One line.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Record<'a> {
    /// What kind of record this is; the field of that name has the rest.
    record: Kind,
    /// The run of the agent that gave the sequence number: 16 hexadecimal digits.
    epoch: String,
    /// Place in the stream; HELLO and HEARTBEAT have none.
    #[serde(skip_serializing_if = "is_zero")]
    sequence: u64,
    /// Sequence number of the record that was sent to this reader before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_sequence: Option<u64>,
    /// When the agent made the record.
    #[schemars(extend("format" = "date-time"))]
    time: String,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Hello,
    Alert,
    Amend,
    Gap,
    Loss,
    Throttle,
    Heartbeat,
    /// A record of a later version.
    Unknown,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum Body<'a> {
    /// First record of a stream: who speaks, and what it can see.
    Hello(Hello<'a>),
    /// A rule matched.
    Alert(Box<Alert<'a>>),
    /// What became known after an alert had been sent.
    Amend(Amend<'a>),
    /// Something is missing from the stream, or was not watched.
    Gap(Gap<'a>),
    /// The kernel or the agent had to drop events.
    Loss(Loss<'a>),
    /// Alerts of a rule were not told, since it raised more than it may.
    Throttle(Throttle<'a>),
    /// Sent at a fixed interval: what became of everything so far.
    Heartbeat(Heartbeat),
    /// A record of a later version.
    Unknown {},
}

impl<'a> From<&'a proto::Record> for Record<'a> {
    fn from(record: &'a proto::Record) -> Self {
        use proto::record::Body as In;
        let (kind, body) = match &record.body {
            Some(In::Hello(hello)) => (Kind::Hello, Body::Hello(hello.into())),
            Some(In::Alert(alert)) => (Kind::Alert, Body::Alert(Box::new(alert.into()))),
            Some(In::Amend(amend)) => (Kind::Amend, Body::Amend(amend.into())),
            Some(In::Gap(gap)) => (Kind::Gap, Body::Gap(gap.into())),
            Some(In::Loss(loss)) => (Kind::Loss, Body::Loss(loss.into())),
            Some(In::Throttle(throttle)) => (Kind::Throttle, Body::Throttle(throttle.into())),
            Some(In::Heartbeat(heartbeat)) => (Kind::Heartbeat, Body::Heartbeat(heartbeat.into())),
            None => (Kind::Unknown, Body::Unknown {}),
        };
        let placed = !matches!(body, Body::Hello(_) | Body::Heartbeat(_));
        Self {
            record: kind,
            epoch: epoch(record.stream_epoch),
            sequence: record.sequence,
            prev_sequence: placed.then_some(record.prev_sequence),
            time: time(record.time.as_ref()),
            body,
        }
    }
}

/// An epoch: text, since JSON readers lose digits of large numbers.
fn epoch(epoch: u64) -> String {
    format!("{epoch:016x}")
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Leaves out what is false, empty or unset.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Debug, Default, JsonSchema, Serialize)]
struct Progress {
    /// Every record up to here that matches the filter has been sent; serves as a cursor.
    complete_through: u64,
    /// Where this subscription began.
    start: u64,
    /// Records sent, not counting GAPs that stand for evicted ones.
    delivered: u64,
    /// Records that the filter kept back.
    filtered: u64,
    /// Records that were gone before they could be sent; a GAP covers each.
    missed: u64,
}

impl From<Option<&proto::Progress>> for Progress {
    fn from(progress: Option<&proto::Progress>) -> Self {
        progress.map_or_else(Self::default, |progress| Self {
            complete_through: progress.complete_through,
            start: progress.start,
            delivered: progress.delivered,
            filtered: progress.filtered_count,
            missed: progress.missed,
        })
    }
}

#[derive(Debug, JsonSchema, Serialize)]
struct Hello<'a> {
    progress: Progress,
    /// Name of the node.
    node: &'a str,
    agent_version: &'a str,
    /// When this run of the agent began.
    #[schemars(extend("format" = "date-time"))]
    agent_started: String,
    kernel_release: &'a str,
    /// The kernel's boot id.
    boot_id: &'a str,
    rules: RuleSet<'a>,
    /// What is watched, topic by topic.
    hooks: Vec<Hook<'a>>,
    /// Oldest record kept.
    oldest_sequence: u64,
    /// Newest record kept; less than the oldest when there is none.
    newest_sequence: u64,
    /// Seconds between heartbeats.
    heartbeat_seconds: u32,
    /// What baselines are made of; `null` when they are off.
    baselines: Option<Baselines<'a>>,
}

/// What baselines are made of. What reviewed files say outranks what was learnt.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Baselines<'a> {
    /// Workloads that were known from the store when the agent started.
    learnt_workloads: u32,
    /// Workloads that reviewed files are about: they are locked.
    reviewed_workloads: u32,
    /// Digest of these files; empty when there are none.
    reviewed_digest: &'a str,
}

impl<'a> From<&'a proto::BaselineStatus> for Baselines<'a> {
    fn from(baselines: &'a proto::BaselineStatus) -> Self {
        Self {
            learnt_workloads: baselines.learnt_workloads,
            reviewed_workloads: baselines.reviewed_workloads,
            reviewed_digest: &baselines.reviewed_digest,
        }
    }
}

/// The rule set in numbers.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub struct RuleSet<'a> {
    /// Digest of the whole set.
    digest: &'a str,
    /// 1 for the set that this run began with, one more for each that it took over.
    generation: u64,
    /// When it was taken over.
    #[schemars(extend("format" = "date-time"))]
    loaded: Option<String>,
    /// Rules that are evaluated, those without events among them.
    active: u32,
    /// Active rules that can fire on no event of an attached hook.
    without_events: u32,
    /// Rules that are switched off.
    disabled: u32,
    /// Rules that could not be loaded.
    refused: u32,
    /// The last reload that failed; `null` when none has.
    failed_reload: Option<FailedReload<'a>>,
}

/// A rule set that was not taken over.
#[derive(Debug, JsonSchema, Serialize)]
struct FailedReload<'a> {
    #[schemars(extend("format" = "date-time"))]
    time: String,
    /// Digest of that set; empty when it could not be read.
    digest: &'a str,
    /// Why.
    reasons: &'a [String],
    /// The files still say that: they are not what is in force.
    standing: bool,
}

impl<'a> From<Option<&'a proto::RuleSetStatus>> for RuleSet<'a> {
    fn from(rules: Option<&'a proto::RuleSetStatus>) -> Self {
        rules.map_or_else(Self::default, |rules| Self {
            digest: &rules.digest,
            generation: rules.generation,
            loaded: rules.loaded.as_ref().map(|loaded| time(Some(loaded))),
            active: rules.active,
            without_events: rules.without_events,
            disabled: rules.disabled,
            refused: rules.refused,
            failed_reload: rules.failed_reload.as_ref().map(|failed| FailedReload {
                time: time(failed.time.as_ref()),
                digest: &failed.digest,
                reasons: &failed.reasons,
                standing: failed.standing,
            }),
        })
    }
}

/// A topic and its hook.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Hook<'a> {
    /// What is watched.
    topic: &'a str,
    /// `full`, `partial` or `off`.
    state: String,
    /// Kind of hook in use; `null` when the topic is not watched.
    taken: Option<&'a str>,
    /// The agent does not start without it.
    mandatory: bool,
    /// Programs that are attached.
    attached: &'a [String],
    /// Programs that are not.
    missing: Vec<Missing<'a>>,
    /// Kinds of hooks that would see more and that the kernel refused.
    refused: Vec<Refused<'a>>,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Missing<'a> {
    program: &'a str,
    /// What is not seen without it.
    not_seen: &'a str,
    why: &'a str,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Refused<'a> {
    hook: &'a str,
    why: &'a str,
}

impl<'a> From<&'a proto::HookStatus> for Hook<'a> {
    fn from(hook: &'a proto::HookStatus) -> Self {
        let refused = hook.refused.iter().map(|refused| Refused {
            hook: &refused.hook,
            why: &refused.why,
        });
        let missing = hook.missing.iter().map(|missing| Missing {
            program: &missing.program,
            not_seen: &missing.not_seen,
            why: &missing.why,
        });
        Self {
            topic: &hook.topic,
            state: enum_word(hook.state().as_str_name(), "STATE_"),
            taken: hook.taken.as_deref(),
            mandatory: hook.mandatory,
            attached: &hook.attached,
            missing: missing.collect(),
            refused: refused.collect(),
        }
    }
}

impl<'a> From<&'a proto::Hello> for Hello<'a> {
    fn from(hello: &'a proto::Hello) -> Self {
        Self {
            progress: hello.progress.as_ref().into(),
            node: &hello.node,
            agent_version: &hello.agent_version,
            agent_started: time(hello.agent_started.as_ref()),
            kernel_release: &hello.kernel_release,
            boot_id: &hello.boot_id,
            rules: hello.rules.as_ref().into(),
            hooks: hello.hooks.iter().map(Hook::from).collect(),
            oldest_sequence: hello.oldest_sequence,
            newest_sequence: hello.newest_sequence,
            heartbeat_seconds: hello.heartbeat_seconds,
            baselines: hello.baselines.as_ref().map(Baselines::from),
        }
    }
}

#[derive(Debug, JsonSchema, Serialize)]
struct Amend<'a> {
    /// Id of the alert.
    alert_id: &'a str,
    /// Its place in the stream.
    alert_sequence: u64,
    /// The container as it is known now; `null` when the alert was about the node.
    container: Option<Container<'a>>,
    /// Equal alerts that followed; then nothing is said of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    roll_up: Option<RollUp<'a>>,
}

/// Equal alerts that followed.
#[derive(Debug, JsonSchema, Serialize)]
struct RollUp<'a> {
    /// How many since the alert or its last roll-up.
    count: u64,
    /// How many since the alert.
    total: u64,
    /// Time of the first event of `count`.
    first: String,
    /// Time of the last.
    last: String,
    /// Outputs of some of them that differ from one another.
    samples: &'a [String],
}

impl<'a> From<&'a proto::RollUp> for RollUp<'a> {
    fn from(news: &'a proto::RollUp) -> Self {
        Self {
            count: news.count,
            total: news.total,
            first: time(news.first.as_ref()),
            last: time(news.last.as_ref()),
            samples: &news.samples,
        }
    }
}

#[derive(Debug, JsonSchema, Serialize)]
struct Throttle<'a> {
    /// Name of the rule.
    rule: &'a str,
    /// How many were not told.
    count: u64,
    /// Time of the first event of them.
    from_time: String,
    /// Time of the last.
    to_time: String,
    /// What the rule may tell in a minute.
    limit_per_minute: u32,
}

impl<'a> From<&'a proto::Throttle> for Throttle<'a> {
    fn from(throttle: &'a proto::Throttle) -> Self {
        Self {
            rule: throttle.rule.as_ref().map_or("", |rule| &rule.name),
            count: throttle.count,
            from_time: time(throttle.from_time.as_ref()),
            to_time: time(throttle.to_time.as_ref()),
            limit_per_minute: throttle.limit_per_minute,
        }
    }
}

impl<'a> From<&'a proto::Amend> for Amend<'a> {
    fn from(amend: &'a proto::Amend) -> Self {
        Self {
            alert_id: &amend.alert_id,
            alert_sequence: amend.alert_sequence,
            container: amend.container.as_ref().map(Container::from),
            roll_up: amend.roll_up.as_ref().map(RollUp::from),
        }
    }
}

#[derive(Debug, JsonSchema, Serialize)]
struct Gap<'a> {
    /// `agent_not_running`, `unclean_exit`, `client_too_slow`, `spool_cap`, `spool_lost`, `spool_damaged`, `not_durable` or `queue_full`.
    why: String,
    /// A sentence for people.
    message: &'a str,
    /// Begin of the time that nobody watched.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("format" = "date-time"))]
    from_time: String,
    /// Its end.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("format" = "date-time"))]
    to_time: String,
    /// First missing sequence number.
    #[serde(skip_serializing_if = "is_zero")]
    from_sequence: u64,
    /// Last missing sequence number.
    #[serde(skip_serializing_if = "is_zero")]
    to_sequence: u64,
    /// Missing records or alerts, where they can be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// The cursor that could not be found.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_cursor: Option<Cursor>,
    /// The node is known to have booted anew in between.
    #[serde(skip_serializing_if = "is_default")]
    rebooted: bool,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Cursor {
    /// 16 hexadecimal digits.
    epoch: String,
    sequence: u64,
}

impl<'a> From<&'a proto::Gap> for Gap<'a> {
    fn from(gap: &'a proto::Gap) -> Self {
        Self {
            why: enum_word(gap.why().as_str_name(), "WHY_"),
            message: &gap.message,
            from_time: time(gap.from_time.as_ref()),
            to_time: time(gap.to_time.as_ref()),
            from_sequence: gap.from_sequence,
            to_sequence: gap.to_sequence,
            count: gap.count,
            lost_cursor: gap.lost_cursor.map(|cursor| Cursor {
                epoch: epoch(cursor.epoch),
                sequence: cursor.sequence,
            }),
            rebooted: gap.rebooted,
        }
    }
}

#[derive(Debug, JsonSchema, Serialize)]
struct Loss<'a> {
    /// Hook that lost the events.
    hook: &'a str,
    /// `ring_full`, `rate_limited`, `scratch_busy`, `queue` or `decode`.
    reason: String,
    /// Events lost in the interval, not since the start.
    count: u64,
    /// Begin of the interval.
    #[schemars(extend("format" = "date-time"))]
    from_time: String,
    /// Its end.
    #[schemars(extend("format" = "date-time"))]
    to_time: String,
    /// The cgroup that lost them; 0 where they cannot be told apart any more.
    cgroup_id: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    cgroup_path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    container_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    container_name: &'a str,
}

impl<'a> From<&'a proto::Loss> for Loss<'a> {
    fn from(loss: &'a proto::Loss) -> Self {
        Self {
            hook: &loss.hook,
            reason: enum_word(loss.reason().as_str_name(), "REASON_"),
            count: loss.count,
            from_time: time(loss.from_time.as_ref()),
            to_time: time(loss.to_time.as_ref()),
            cgroup_id: loss.cgroup_id,
            cgroup_path: &loss.cgroup_path,
            container_id: &loss.container_id,
            container_name: &loss.container_name,
        }
    }
}

#[derive(Debug, JsonSchema, Serialize)]
struct Heartbeat {
    progress: Progress,
    events: EventAccount,
    /// When `events` was taken.
    #[schemars(extend("format" = "date-time"))]
    events_time: String,
    alerts: AlertAccount,
    /// Age of the oldest sign of the canary over all hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    canary_age_ms: Option<u64>,
}

/// What became of events.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub struct EventAccount {
    /// Events that a hook saw: the sum of the other numbers.
    seen: u64,
    /// Came to detection.
    delivered: u64,
    /// Kept back in the kernel on purpose.
    suppressed: u64,
    /// Lost: no room in the ring.
    ring_full: u64,
    /// Lost: the container used up its share.
    rate_limited: u64,
    /// Lost: a nested program found no scratch space.
    scratch_busy: u64,
    /// Lost: a queue inside the agent was full.
    queue: u64,
    /// Lost: a record could not be decoded.
    decode: u64,
    /// Under way at the time of the count.
    in_flight: u64,
}

impl From<Option<&proto::EventAccount>> for EventAccount {
    fn from(events: Option<&proto::EventAccount>) -> Self {
        events.map_or_else(Self::default, |events| Self {
            seen: events.seen,
            delivered: events.delivered,
            suppressed: events.suppressed,
            ring_full: events.ring_full,
            rate_limited: events.rate_limited,
            scratch_busy: events.scratch_busy,
            queue: events.queue,
            decode: events.decode,
            in_flight: events.in_flight,
        })
    }
}

#[derive(Debug, Default, JsonSchema, Serialize)]
struct AlertAccount {
    /// Raised by detection.
    raised: u64,
    /// Given a sequence number.
    stored: u64,
    /// Dropped between detection and the spool.
    queue_full: u64,
    /// Waiting in between at the time of the count.
    in_flight: u64,
    /// Evicted to keep the spool below its caps.
    evicted: u64,
    /// Amended after they had been sent.
    amended: u64,
    /// Equal to one that was told, and counted in a roll-up.
    rolled_up: u64,
    /// Beyond what their rule may tell.
    throttled: u64,
}

impl From<&proto::Heartbeat> for Heartbeat {
    fn from(heartbeat: &proto::Heartbeat) -> Self {
        let alerts = heartbeat.alerts.unwrap_or_default();
        Self {
            progress: heartbeat.progress.as_ref().into(),
            events: heartbeat.events.as_ref().into(),
            events_time: time(heartbeat.events_time.as_ref()),
            canary_age_ms: heartbeat.canary_age_ms,
            alerts: AlertAccount {
                raised: alerts.raised,
                stored: alerts.stored,
                queue_full: alerts.queue_full,
                in_flight: alerts.in_flight,
                evicted: alerts.evicted,
                amended: alerts.amended,
                rolled_up: alerts.rolled_up,
                throttled: alerts.throttled,
            },
        }
    }
}
