//! The JSON schema of the stream, which `docs/stream.md` explains. Names here are a promise.
//! What is not known is left out.

mod alert;
mod dns;
mod event;
mod paths;

use serde::Serialize;

use super::{enum_word, time};
use crate::proto;
pub use alert::{Alert, Container};
pub use event::Process;

/// One line.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    record: &'static str,
    epoch: String,
    #[serde(skip_serializing_if = "is_zero")]
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_sequence: Option<u64>,
    time: String,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Body<'a> {
    Hello(Hello<'a>),
    Alert(Box<Alert<'a>>),
    Amend(Amend<'a>),
    Gap(Gap<'a>),
    Loss(Loss<'a>),
    Throttle(Throttle<'a>),
    Heartbeat(Heartbeat),
    /// A record of a later version.
    Unknown {},
}

impl<'a> From<&'a proto::Record> for Record<'a> {
    fn from(record: &'a proto::Record) -> Self {
        use proto::record::Body as In;
        let (name, body) = match &record.body {
            Some(In::Hello(hello)) => ("hello", Body::Hello(hello.into())),
            Some(In::Alert(alert)) => ("alert", Body::Alert(Box::new(alert.into()))),
            Some(In::Amend(amend)) => ("amend", Body::Amend(amend.into())),
            Some(In::Gap(gap)) => ("gap", Body::Gap(gap.into())),
            Some(In::Loss(loss)) => ("loss", Body::Loss(loss.into())),
            Some(In::Throttle(throttle)) => ("throttle", Body::Throttle(throttle.into())),
            Some(In::Heartbeat(heartbeat)) => ("heartbeat", Body::Heartbeat(heartbeat.into())),
            None => ("unknown", Body::Unknown {}),
        };
        let placed = !matches!(body, Body::Hello(_) | Body::Heartbeat(_));
        Self {
            record: name,
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

#[derive(Debug, Default, Serialize)]
struct Progress {
    complete_through: u64,
    start: u64,
    delivered: u64,
    filtered: u64,
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

#[derive(Debug, Serialize)]
struct Hello<'a> {
    progress: Progress,
    node: &'a str,
    agent_version: &'a str,
    agent_started: String,
    kernel_release: &'a str,
    boot_id: &'a str,
    rules: RuleSet<'a>,
    hooks: Vec<Hook<'a>>,
    oldest_sequence: u64,
    newest_sequence: u64,
    heartbeat_seconds: u32,
}

/// The rule set in numbers.
#[derive(Debug, Default, Serialize)]
pub struct RuleSet<'a> {
    digest: &'a str,
    active: u32,
    disabled: u32,
    refused: u32,
}

impl<'a> From<Option<&'a proto::RuleSetStatus>> for RuleSet<'a> {
    fn from(rules: Option<&'a proto::RuleSetStatus>) -> Self {
        rules.map_or_else(Self::default, |rules| Self {
            digest: &rules.digest,
            active: rules.active,
            disabled: rules.disabled,
            refused: rules.refused,
        })
    }
}

/// A topic and its hook.
#[derive(Debug, Serialize)]
pub struct Hook<'a> {
    topic: &'a str,
    state: String,
    taken: Option<&'a str>,
    mandatory: bool,
    attached: &'a [String],
    missing: Vec<Missing<'a>>,
    refused: Vec<Refused<'a>>,
}

#[derive(Debug, Serialize)]
struct Missing<'a> {
    program: &'a str,
    not_seen: &'a str,
    why: &'a str,
}

#[derive(Debug, Serialize)]
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
        }
    }
}

#[derive(Debug, Serialize)]
struct Amend<'a> {
    alert_id: &'a str,
    alert_sequence: u64,
    container: Option<Container<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roll_up: Option<RollUp<'a>>,
}

/// Equal alerts that followed.
#[derive(Debug, Serialize)]
struct RollUp<'a> {
    count: u64,
    total: u64,
    first: String,
    last: String,
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

#[derive(Debug, Serialize)]
struct Throttle<'a> {
    rule: &'a str,
    count: u64,
    from_time: String,
    to_time: String,
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

#[derive(Debug, Serialize)]
struct Gap<'a> {
    why: String,
    message: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    from_time: String,
    #[serde(skip_serializing_if = "is_default")]
    to_time: String,
    #[serde(skip_serializing_if = "is_zero")]
    from_sequence: u64,
    #[serde(skip_serializing_if = "is_zero")]
    to_sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_cursor: Option<Cursor>,
    #[serde(skip_serializing_if = "is_default")]
    rebooted: bool,
}

#[derive(Debug, Serialize)]
struct Cursor {
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

#[derive(Debug, Serialize)]
struct Loss<'a> {
    hook: &'a str,
    reason: String,
    count: u64,
    from_time: String,
    to_time: String,
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

#[derive(Debug, Serialize)]
struct Heartbeat {
    progress: Progress,
    events: EventAccount,
    events_time: String,
    alerts: AlertAccount,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary_age_ms: Option<u64>,
}

/// What became of events.
#[derive(Debug, Default, Serialize)]
pub struct EventAccount {
    seen: u64,
    delivered: u64,
    suppressed: u64,
    ring_full: u64,
    rate_limited: u64,
    scratch_busy: u64,
    queue: u64,
    decode: u64,
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

#[derive(Debug, Default, Serialize)]
struct AlertAccount {
    raised: u64,
    stored: u64,
    queue_full: u64,
    in_flight: u64,
    evicted: u64,
    amended: u64,
    rolled_up: u64,
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
