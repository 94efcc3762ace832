//! Alerts as Detection Findings of OCSF, the Open Cybersecurity Schema Framework.
//!
//! An alert creates a finding, and an AMEND updates it under the same `finding_info.uid`. GAP, LOSS,
//! THROTTLE, HELLO and HEARTBEAT are about the stream and the sensor, for which the class has no place.
//! Attributes that are required, and whose value is not known, have OCSF's word for that, `0`;
//! others are left out.

mod attack;
mod baseline;
mod container;
mod evidence;
mod object;
mod observables;
mod process;
mod unmapped;

use prost_types::Timestamp;
use serde_json::Value;

use super::time;
use crate::proto::record::Body;
use crate::proto::{self, Record, Severity};
use object::Object;

/// Version of the schema.
pub(crate) const VERSION: &str = "1.8.0";
/// The profile whose attributes are used beside those of the class.
const PROFILE: &str = "container";
/// Detection Finding.
const CLASS: u64 = 2004;
const CATEGORY: u64 = 2;
/// Name and maker of the product.
const PRODUCT: &str = "Gravlens";
/// `analytic.type_id` of a rule, and of what was learnt of behaviour.
const RULE: u64 = 1;
const BEHAVIORAL: u64 = 2;
/// `os.type_id` of Linux.
const LINUX: u64 = 200;
/// Where a type is required and not known.
const UNKNOWN: u64 = 0;

/// What became of a finding.
#[derive(Clone, Copy)]
enum Activity {
    Create,
    Update,
}

impl Activity {
    fn id(self) -> u64 {
        match self {
            Self::Create => 1,
            Self::Update => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
        }
    }
}

/// A record as a line without the newline; `None` for what is no finding.
pub(super) fn line(record: &Record, node: &str) -> Option<String> {
    let finding = match record.body.as_ref()? {
        Body::Alert(alert) => of_alert(record, alert, node)?,
        Body::Amend(amend) => of_amend(record, amend, node)?,
        Body::Hello(_) | Body::Heartbeat(_) | Body::Gap(_) | Body::Loss(_) | Body::Throttle(_) => {
            return None;
        }
    };
    Some(finding.into_value().to_string())
}

fn of_alert(record: &Record, alert: &proto::Alert, node: &str) -> Option<Object> {
    let at = alert.time.as_ref();
    let mut finding = event(record, Activity::Create, alert.severity(), at)?;
    let metadata = metadata(record).text("original_time", &time(at));
    let evidences = evidence::of_alert(alert);
    finding = finding
        .text("message", &alert.output)
        .flag("is_alert", true)
        .object("metadata", metadata)
        .object("device", device(node))
        .object("finding_info", finding_info(record, alert))
        .list("observables", observables::of(node, &evidences))
        .list("evidences", evidences)
        .list("anomaly_analyses", baseline::analyses(alert))
        .object("unmapped", unmapped::of_alert(alert));
    Some(finding)
}

fn of_amend(record: &Record, amend: &proto::Amend, node: &str) -> Option<Object> {
    let at = record.time.as_ref();
    let news = amend.roll_up.as_ref();
    let message = match (news, &amend.container) {
        (Some(news), _) => format!("{} more like it, {} in all.", news.count, news.total),
        (None, Some(_)) => "The container of the finding is known now.".to_owned(),
        (None, None) => "The finding is about the node itself.".to_owned(),
    };
    let info = Object::default()
        .text("uid", &amend.alert_id)
        .maybe("modified_time", millis(at));
    let finding = event(record, Activity::Update, Severity::Unspecified, at)?
        .text("message", &message)
        .maybe("count", news.map(|news| news.count))
        .maybe(
            "start_time",
            news.and_then(|news| millis(news.first.as_ref())),
        )
        .maybe("end_time", news.and_then(|news| millis(news.last.as_ref())))
        .object("metadata", metadata(record))
        .object("device", device(node))
        .object("finding_info", info)
        .list("observables", observables::of(node, &[]))
        .list(
            "evidences",
            evidence::of_container(amend.container.as_ref(), node),
        )
        .object("unmapped", unmapped::of_amend(amend));
    Some(finding)
}

/// What every finding has; `None` without a time.
fn event(
    record: &Record,
    activity: Activity,
    severity: Severity,
    at: Option<&Timestamp>,
) -> Option<Object> {
    let (severity_id, word) = self::severity(severity);
    let event = Object::default()
        .number("category_uid", CATEGORY)
        .text("category_name", "Findings")
        .number("class_uid", CLASS)
        .text("class_name", "Detection Finding")
        .number("activity_id", activity.id())
        .text("activity_name", activity.name())
        .number("type_uid", CLASS * 100 + activity.id())
        .text(
            "type_name",
            &format!("Detection Finding: {}", activity.name()),
        )
        .number("severity_id", severity_id)
        .text("severity", word)
        .number("time", millis(at.or(record.time.as_ref()))?);
    Some(event)
}

/// `severity_id` and its caption. Falco has two words between OCSF's Critical and Fatal.
fn severity(severity: Severity) -> (u64, &'static str) {
    match severity {
        Severity::Unspecified => (UNKNOWN, "Unknown"),
        Severity::Debug | Severity::Informational => (1, "Informational"),
        Severity::Notice => (2, "Low"),
        Severity::Warning => (3, "Medium"),
        Severity::Error => (4, "High"),
        Severity::Critical | Severity::Alert => (5, "Critical"),
        Severity::Emergency => (6, "Fatal"),
    }
}

fn metadata(record: &Record) -> Object {
    let product = Object::default()
        .text("name", PRODUCT)
        .text("vendor_name", PRODUCT)
        .text("version", env!("CARGO_PKG_VERSION"));
    Object::default()
        .text("version", VERSION)
        .object("product", product)
        .list("profiles", vec![PROFILE])
        .text(
            "uid",
            &format!("{:016x}-{}", record.stream_epoch, record.sequence),
        )
        .number("sequence", record.sequence)
        .maybe("logged_time", millis(record.time.as_ref()))
}

fn device(node: &str) -> Object {
    if node.is_empty() {
        return Object::default();
    }
    let os = Object::default()
        .text("name", "Linux")
        .number("type_id", LINUX);
    Object::default()
        .text("hostname", node)
        .number("type_id", UNKNOWN)
        .object("os", os)
}

fn finding_info(record: &Record, alert: &proto::Alert) -> Object {
    let at = millis(alert.time.as_ref());
    let info = Object::default()
        .text("uid", &alert.id)
        .maybe("created_time", millis(record.time.as_ref()))
        .maybe("first_seen_time", at)
        .maybe("last_seen_time", at);
    let Some(rule) = &alert.rule else {
        return info;
    };
    let (analytic, word) = match alert.baseline {
        Some(_) => (BEHAVIORAL, "Behavioral"),
        None => (RULE, "Rule"),
    };
    let analytic = Object::default()
        .number("type_id", analytic)
        .text("type", word)
        .text("name", &rule.name)
        .text(
            "uid",
            if rule.id.is_empty() {
                &rule.name
            } else {
                &rule.id
            },
        )
        .text("desc", &rule.description)
        .text("version", &rule.set_digest);
    let source = rule.references.first().map_or("", String::as_str);
    info.text("title", &rule.name)
        .text("desc", &rule.description)
        .text("src_url", source)
        .object("analytic", analytic)
        .list("attacks", attack::of_rule(rule))
}

/// Milliseconds since 1970, in which OCSF counts.
fn millis(time: Option<&Timestamp>) -> Option<i64> {
    let time = time?;
    let seconds = time.seconds.checked_mul(1_000)?;
    seconds.checked_add(i64::from(time.nanos) / 1_000_000)
}

/// Objects that are not empty.
fn values(objects: impl IntoIterator<Item = Object>) -> Vec<Value> {
    let objects = objects.into_iter().filter(|object| !object.is_empty());
    objects.map(Object::into_value).collect()
}

#[cfg(test)]
mod tests;
