use std::collections::HashMap;
use std::str::FromStr as _;

use prost_types::Timestamp;
use serde::Deserialize;

use super::*;
use crate::config::RecordFormat;
use crate::sinks::render::sample::{NODE, records};

/// What falcosidekick's receiver decodes: its fields and their types, and no others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    uuid: String,
    output: String,
    priority: String,
    rule: String,
    time: String,
    output_fields: HashMap<String, Value>,
    source: String,
    tags: Vec<String>,
    hostname: String,
}

/// The words that it takes for a priority, in any case; it drops what has another.
const PRIORITIES: [&str; 9] = [
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "informational",
    "info",
    "debug",
];

/// Decodes as falcosidekick does, and refuses what it refuses.
fn receive(line: &str) -> Result<Payload, String> {
    let payload: Payload = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let priority = payload.priority.to_lowercase();
    if !PRIORITIES.contains(&priority.as_str()) {
        return Err(format!("{priority} is no priority"));
    }
    if payload.rule.is_empty() || payload.output_fields.is_empty() {
        return Err("no rule or no fields".to_owned());
    }
    let time = Timestamp::from_str(&payload.time).map_err(|error| error.to_string())?;
    if !payload.time.contains('T') || time == Timestamp::default() {
        return Err(format!("{} is no time", payload.time));
    }
    Ok(payload)
}

#[test]
fn falcosidekick_takes_every_line() {
    for (name, record) in records() {
        let Some(line) = super::super::record(&record, RecordFormat::Falco, NODE) else {
            assert!(matches!(name, "hello" | "heartbeat"), "{name}");
            continue;
        };
        let payload = receive(&line).unwrap_or_else(|error| panic!("{name}: {error} in {line}"));
        assert_eq!(payload.hostname, NODE, "{name}");
        assert!(matches!(&*payload.source, SYSCALL | INTERNAL), "{name}");
        assert!(payload.output.contains(&payload.priority), "{name}");
        assert!(payload.tags.is_sorted(), "{name}");
        let (epoch, sequence) = payload.uuid.split_once('-').unwrap();
        assert_eq!(epoch.len(), 16, "{name}");
        assert_eq!(sequence.parse(), Ok(record.sequence), "{name}");
    }
}

#[test]
fn it_refuses_what_is_mangled() {
    let (_, record) = records().remove(0);
    let line = super::line(&record, NODE).unwrap();
    receive(&line).unwrap();
    for (from, to) in [
        ("\"priority\":\"Warning\"", "\"priority\":\"Worrying\""),
        ("\"rule\":\"Shell in container\"", "\"rule\":\"\""),
        ("\"time\":\"2027-01-15T08:00:00Z\"", "\"time\":\"08:00:00\""),
        ("\"tags\":[", "\"tags\":[7,"),
        ("\"uuid\":", "\"id\":"),
    ] {
        assert!(line.contains(from), "{from} in {line}");
        assert!(receive(&line.replace(from, to)).is_err(), "{to}");
    }
}
