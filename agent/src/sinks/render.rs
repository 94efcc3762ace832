//! Records as text for people and as JSON lines. The command line and the sinks share it.

mod falco;
pub mod json;
mod ocsf;
mod text;

pub(super) use text::{arguments, near_exception, sentence, term};
pub use text::{duration, event_account, record as text_record};

use crate::config::RecordFormat;
use crate::proto;

/// A record in that form, with the newline; `None` when the form has no place for it. `node` is the
/// name of the node that the record is from.
pub fn record(record: &proto::Record, format: RecordFormat, node: &str) -> Option<String> {
    match format {
        RecordFormat::Text => Some(text_record(record)),
        RecordFormat::Json => Some(json_record(record) + "\n"),
        RecordFormat::Falco => falco::line(record, node).map(|line| line + "\n"),
        RecordFormat::Ocsf => ocsf::line(record, node).map(|line| line + "\n"),
    }
}

/// A record as one line of JSON, without the newline.
pub fn json_record(record: &proto::Record) -> String {
    serde_json::to_string(&json::Record::from(record))
        // Strings, numbers and maps with string keys cannot fail.
        .expect("a record has a JSON form")
}

/// A time as RFC 3339 in UTC; empty when unset.
pub fn time(time: Option<&prost_types::Timestamp>) -> String {
    time.map_or_else(String::new, ToString::to_string)
}

/// A time in nanoseconds since 1970; `None` when it is unset or does not fit.
pub(super) fn unix_nanos(time: Option<&prost_types::Timestamp>) -> Option<i64> {
    let time = time?;
    let seconds = time.seconds.checked_mul(1_000_000_000)?;
    seconds.checked_add(time.nanos.into())
}

/// Whether a call serves who comes from elsewhere, or takes what they sent.
pub(super) fn is_inbound(call: &str) -> bool {
    ["accept", "bind", "listen", "recv"]
        .iter()
        .any(|inbound| call.starts_with(inbound))
}

/// Upper-case word of a severity.
pub fn severity_word(severity: proto::Severity) -> &'static str {
    match severity {
        proto::Severity::Unspecified => "UNKNOWN",
        proto::Severity::Debug => "DEBUG",
        proto::Severity::Informational => "INFO",
        proto::Severity::Notice => "NOTICE",
        proto::Severity::Warning => "WARNING",
        proto::Severity::Error => "ERROR",
        proto::Severity::Critical => "CRITICAL",
        proto::Severity::Alert => "ALERT",
        proto::Severity::Emergency => "EMERGENCY",
    }
}

/// Lower-case name of an enum value: `IDENTITY_CGROUP_ONLY` is `cgroup_only`.
pub(crate) fn enum_word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod tests;
