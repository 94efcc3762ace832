//! The table's metrics as text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::table::{METRICS, Metric, Number, PREFIX, Sample};
use super::view::View;

/// The answer to one scrape.
pub(super) fn text(view: View) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(view));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)
        // Strings take everything.
        .expect("metrics have a text form");
    text
}

impl Collector for View {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for metric in METRICS {
            let samples = (metric.read)(self);
            if samples.is_empty() {
                continue;
            }
            let Metric { name, about, .. } = metric;
            let mut family = encoder.encode_descriptor(name, about, None, metric.kind)?;
            for sample in &samples {
                encode(&mut family, metric, sample)?;
            }
        }
        Ok(())
    }
}

fn encode(family: &mut MetricEncoder, metric: &Metric, sample: &Sample) -> fmt::Result {
    let values = sample.labels.iter().map(String::as_str);
    let labels: Vec<(&str, &str)> = metric.labels.iter().copied().zip(values).collect();
    if let MetricType::Info = metric.kind {
        return family.encode_info(&labels);
    }
    let mut one = family.encode_family(&labels)?;
    match (metric.kind, sample.value) {
        (MetricType::Counter, Number::Whole(value)) => {
            one.encode_counter::<NoLabelSet, _, u64>(&value, None)
        }
        (_, Number::Whole(value)) => one.encode_gauge(&value),
        (_, Number::Real(value)) => one.encode_gauge(&value),
    }
}
