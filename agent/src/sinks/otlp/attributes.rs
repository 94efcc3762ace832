//! Lists of attributes in which nothing stands for what is not known.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use prost_types::Timestamp;

use crate::sinks::render::time;

/// Attributes under construction. Each method leaves out what is empty; no key may come twice.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// Adds a text.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.put(key, Value::StringValue(text.to_owned()));
        }
    }

    /// Adds a number, zero too. One that OTLP's numbers do not hold is written as text.
    pub(super) fn number<N: TryInto<i64> + ToString + Copy>(&mut self, key: &str, number: N) {
        let value = match number.try_into() {
            Ok(number) => Value::IntValue(number),
            Err(_) => Value::StringValue(number.to_string()),
        };
        self.put(key, value);
    }

    /// Adds a number with a fraction.
    pub(super) fn real(&mut self, key: &str, number: f64) {
        self.put(key, Value::DoubleValue(number));
    }

    /// Adds a number that may not be known.
    pub(super) fn maybe<N: TryInto<i64> + ToString + Copy>(
        &mut self,
        key: &str,
        number: Option<N>,
    ) {
        if let Some(number) = number {
            self.number(key, number);
        }
    }

    /// Adds a number for which zero means that there is none.
    pub(super) fn nonzero<N: TryInto<i64> + ToString + Copy + Default + PartialEq>(
        &mut self,
        key: &str,
        number: N,
    ) {
        self.maybe(key, Some(number).filter(|number| *number != N::default()));
    }

    /// Adds a statement that may not be known.
    pub(super) fn flag(&mut self, key: &str, flag: Option<bool>) {
        if let Some(flag) = flag {
            self.put(key, Value::BoolValue(flag));
        }
    }

    /// Adds a statement that is worth a word only when it is true.
    pub(super) fn mark(&mut self, key: &str, flag: bool) {
        self.flag(key, flag.then_some(true));
    }

    /// Adds a time as text.
    pub(super) fn time(&mut self, key: &str, at: Option<&Timestamp>) {
        self.text(key, &time(at));
    }

    /// Adds a list of texts.
    pub(super) fn texts(&mut self, key: &str, texts: impl IntoIterator<Item = impl Into<String>>) {
        let values: Vec<AnyValue> = texts
            .into_iter()
            .map(|text| AnyValue {
                value: Some(Value::StringValue(text.into())),
            })
            .collect();
        if !values.is_empty() {
            self.put(key, Value::ArrayValue(ArrayValue { values }));
        }
    }

    pub(super) fn into_list(self) -> Vec<KeyValue> {
        self.0
    }

    fn put(&mut self, key: &str, value: Value) {
        self.0.push(KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        });
    }
}
