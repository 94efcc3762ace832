//! Records as log records: when, how grave, and in one sentence what.

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use opentelemetry_semantic_conventions::attribute;
use prost_types::Timestamp;

use super::attributes::Attributes;
use super::{alert, container};
use crate::proto::record::Body;
use crate::proto::{self, Severity};
use crate::sinks::render::{enum_word, sentence, unix_nanos};

/// What depends on the kind of a record.
struct Kind<'a> {
    /// `event_name`.
    name: &'static str,
    severity: Severity,
    /// Word for the severity.
    word: &'a str,
    /// When it happened, where that is not when the record was made.
    at: Option<&'a Timestamp>,
}

/// The log record; `None` for what has no place in the stream.
pub(super) fn log_record(record: &proto::Record) -> Option<LogRecord> {
    let body = record.body.as_ref()?;
    let kind = kind(body)?;
    let made = record.time.as_ref();
    Some(LogRecord {
        time_unix_nano: nanos(kind.at.or(made)),
        observed_time_unix_nano: nanos(made),
        severity_number: number(kind.severity).into(),
        severity_text: kind.word.to_owned(),
        event_name: kind.name.to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(sentence(body)?)),
        }),
        attributes: attributes(record, body).into_list(),
        ..LogRecord::default()
    })
}

/// Records that are no alerts are as grave as in Falco's form.
fn kind(body: &Body) -> Option<Kind<'_>> {
    let (name, severity, word, at) = match body {
        Body::Alert(alert) => (
            "gravlens.alert",
            alert.severity(),
            &*alert.priority,
            alert.time.as_ref(),
        ),
        Body::Amend(amend) => (
            "gravlens.amend",
            Severity::Informational,
            "Informational",
            amend.roll_up.as_ref().and_then(|news| news.last.as_ref()),
        ),
        Body::Gap(gap) => (
            "gravlens.gap",
            Severity::Critical,
            "Critical",
            gap.to_time.as_ref(),
        ),
        Body::Loss(loss) => (
            "gravlens.loss",
            Severity::Error,
            "Error",
            loss.to_time.as_ref(),
        ),
        Body::Throttle(throttle) => (
            "gravlens.throttle",
            Severity::Warning,
            "Warning",
            throttle.to_time.as_ref(),
        ),
        Body::Hello(_) | Body::Heartbeat(_) => return None,
    };
    Some(Kind {
        name,
        severity,
        word,
        at,
    })
}

/// The numbers that the specification gives to syslog's severities, which Falco's priorities are.
fn number(severity: Severity) -> SeverityNumber {
    match severity {
        Severity::Unspecified => SeverityNumber::Unspecified,
        Severity::Debug => SeverityNumber::Debug,
        Severity::Informational => SeverityNumber::Info,
        Severity::Notice => SeverityNumber::Info2,
        Severity::Warning => SeverityNumber::Warn,
        Severity::Error => SeverityNumber::Error,
        Severity::Critical => SeverityNumber::Error2,
        Severity::Alert => SeverityNumber::Error3,
        Severity::Emergency => SeverityNumber::Fatal,
    }
}

/// Zero is OTLP's word for a time that is not known.
fn nanos(time: Option<&Timestamp>) -> u64 {
    let nanos = unix_nanos(time).and_then(|nanos| u64::try_from(nanos).ok());
    nanos.unwrap_or(0)
}

fn attributes(record: &proto::Record, body: &Body) -> Attributes {
    let mut to = Attributes::default();
    let epoch = format!("{:016x}", record.stream_epoch);
    // A GAP may stand in the place of a record that was sent before: it is no duplicate of that.
    let kind = match body {
        Body::Gap(_) => "-gap",
        _ => "",
    };
    let uid = format!("{epoch}-{}{kind}", record.sequence);
    to.text(attribute::LOG_RECORD_UID, &uid);
    to.text("gravlens.stream.epoch", &epoch);
    to.number("gravlens.stream.sequence", record.sequence);
    to.number("gravlens.stream.prev_sequence", record.prev_sequence);
    match body {
        Body::Alert(alert) => alert::add(&mut to, alert),
        Body::Amend(amend) => self::amend(&mut to, amend),
        Body::Gap(gap) => self::gap(&mut to, gap),
        Body::Loss(loss) => self::loss(&mut to, loss),
        Body::Throttle(throttle) => self::throttle(&mut to, throttle),
        Body::Hello(_) | Body::Heartbeat(_) => {}
    }
    to
}

fn amend(to: &mut Attributes, amend: &proto::Amend) {
    to.text("gravlens.alert.id", &amend.alert_id);
    to.number("gravlens.alert.sequence", amend.alert_sequence);
    if let Some(container) = &amend.container {
        container::add(to, container);
    }
    if let Some(news) = &amend.roll_up {
        to.number("gravlens.roll_up.count", news.count);
        to.number("gravlens.roll_up.total", news.total);
        to.time("gravlens.roll_up.first", news.first.as_ref());
        to.time("gravlens.roll_up.last", news.last.as_ref());
        to.texts("gravlens.roll_up.samples", &news.samples);
    }
}

fn gap(to: &mut Attributes, gap: &proto::Gap) {
    let why = enum_word(gap.why().as_str_name(), "WHY_");
    to.text("gravlens.gap.why", &why);
    to.maybe("gravlens.gap.count", gap.count);
    to.time("gravlens.gap.from_time", gap.from_time.as_ref());
    to.time("gravlens.gap.to_time", gap.to_time.as_ref());
    to.nonzero("gravlens.gap.from_sequence", gap.from_sequence);
    to.nonzero("gravlens.gap.to_sequence", gap.to_sequence);
    if let Some(cursor) = &gap.lost_cursor {
        let cursor = format!("{:016x}-{}", cursor.epoch, cursor.sequence);
        to.text("gravlens.gap.lost_cursor", &cursor);
    }
    to.mark("gravlens.gap.rebooted", gap.rebooted);
}

fn loss(to: &mut Attributes, loss: &proto::Loss) {
    let reason = enum_word(loss.reason().as_str_name(), "REASON_");
    to.text("gravlens.loss.hook", &loss.hook);
    to.text("gravlens.loss.reason", &reason);
    to.number("gravlens.loss.count", loss.count);
    to.time("gravlens.loss.from_time", loss.from_time.as_ref());
    to.time("gravlens.loss.to_time", loss.to_time.as_ref());
    to.text(attribute::CONTAINER_ID, &loss.container_id);
    to.text(attribute::CONTAINER_NAME, &loss.container_name);
    to.nonzero("gravlens.container.cgroup_id", loss.cgroup_id);
    to.text("gravlens.container.cgroup_path", &loss.cgroup_path);
}

fn throttle(to: &mut Attributes, throttle: &proto::Throttle) {
    if let Some(rule) = &throttle.rule {
        alert::rule(to, rule);
    }
    to.number("gravlens.throttle.count", throttle.count);
    to.time("gravlens.throttle.from_time", throttle.from_time.as_ref());
    to.time("gravlens.throttle.to_time", throttle.to_time.as_ref());
    to.number(
        "gravlens.throttle.limit_per_minute",
        throttle.limit_per_minute,
    );
}
