//! Every sample as a log record, as it was when somebody last looked at it.
//!
//! `INSTA_UPDATE=always cargo test -p gravlens --lib otlp` rewrites the file in `snapshots/`.

use std::collections::HashSet;
use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};

use crate::proto::record::Body;
use crate::sinks::otlp::record::log_record;
use crate::sinks::render::sample;

fn value(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => format!("{text:?}"),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => format!("{number:?}"),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::ArrayValue(list)) => {
            let values: Vec<_> = list.values.iter().map(|it| self::value(Some(it))).collect();
            format!("[{}]", values.join(", "))
        }
        other => panic!("{other:?} is not used"),
    }
}

fn written(record: &LogRecord) -> String {
    let number = SeverityNumber::try_from(record.severity_number).unwrap();
    let mut text = format!(
        "{} {} {} {number:?} {:?}\n    {}\n",
        record.event_name,
        record.time_unix_nano,
        record.observed_time_unix_nano,
        record.severity_text,
        value(record.body.as_ref()),
    );
    for attribute in &record.attributes {
        let value = value(attribute.value.as_ref());
        writeln!(text, "    {} = {value}", attribute.key).unwrap();
    }
    text
}

#[test]
fn every_sample_is_mapped_as_it_was() {
    let mut text = String::new();
    for (name, record) in sample::records() {
        let mapped = log_record(&record);
        let mapped = mapped.map_or_else(|| "(left out)\n".to_owned(), |it| written(&it));
        text.push_str(&format!("# {name}\n{mapped}"));
    }
    insta::assert_snapshot!("mapping", text);
}

#[test]
fn nothing_with_a_place_in_the_stream_is_left_out_and_no_key_comes_twice() {
    let mut uids = HashSet::new();
    for (name, record) in sample::records() {
        let placed = !matches!(record.body, Some(Body::Hello(_) | Body::Heartbeat(_)));
        let mapped = log_record(&record);
        assert_eq!(mapped.is_some(), placed, "{name}");
        let Some(mapped) = mapped else { continue };
        assert!(mapped.time_unix_nano > 0, "{name}");
        let mut keys = HashSet::new();
        for attribute in &mapped.attributes {
            assert!(keys.insert(&*attribute.key), "{name}: {}", attribute.key);
        }
        assert!(keys.contains("log.record.uid"), "{name}");
        assert!(uids.insert(value(mapped.attributes[0].value.as_ref())));
    }
}
