//! What a baseline says: as OCSF's anomaly analysis, and in full as what it has no attribute for.

use serde_json::Value;

use super::object::Object;
use super::values;
use crate::proto;
use crate::sinks::render::enum_word;

/// OCSF's word for how often something occurs.
const ANALYSIS: &str = "Frequency Analysis";

/// The analysis of an alert: what was analysed, what is new about it and what is known that is like it.
pub(super) fn analyses(alert: &proto::Alert) -> Vec<Value> {
    let Some(evidence) = &alert.baseline else {
        return Vec::new();
    };
    // OCSF requires a value, also of what is about no single object.
    let object = match evidence.object.as_str() {
        "" => &evidence.class,
        object => object,
    };
    let pattern = enum_word(evidence.kind().as_str_name(), "BASELINE_KIND_");
    let anomaly = observed(evidence, object).text("observed_pattern", &pattern);
    let known = evidence.nearest.as_ref();
    let known = known.map(|nearest| observed(evidence, &nearest.pattern));
    let target = Object::default()
        .text("name", &evidence.workload)
        .text("type", "Workload");
    let analysis = Object::default()
        .list("analysis_targets", values([target]))
        .list("anomalies", values([anomaly]))
        .list("baselines", values(known));
    values([analysis])
}

fn observed(evidence: &proto::BaselineEvidence, value: &str) -> Object {
    let observation = Object::default().text("value", value);
    Object::default()
        .text("observation_parameter", &evidence.class)
        .text("observation_type", ANALYSIS)
        .list("observations", values([observation]))
}

/// All of it.
pub(super) fn unmapped(evidence: &proto::BaselineEvidence) -> Object {
    let nearest = evidence
        .nearest
        .as_ref()
        .map_or_else(Object::default, |nearest| {
            Object::default().text("pattern", &nearest.pattern).text(
                "diverging",
                nearest.diverging.as_deref().unwrap_or_default(),
            )
        });
    let watched = evidence.watched.map_or_else(Object::default, |watched| {
        Object::default()
            .number("windows", watched.windows)
            .number("instances", watched.instances)
            .number("starts", watched.starts)
            .number("seconds", watched.seconds)
    });
    let predicted = evidence
        .predicted
        .map_or_else(Object::default, |predicted| {
            Object::default()
                .text("per", &enum_word(predicted.per().as_str_name(), "PER_"))
                .number("expected", predicted.expected)
                .number("bound", predicted.bound)
        });
    Object::default()
        .text(
            "kind",
            &enum_word(evidence.kind().as_str_name(), "BASELINE_KIND_"),
        )
        .text("workload", &evidence.workload)
        .text("class", &evidence.class)
        .text(
            "phase",
            &enum_word(evidence.phase().as_str_name(), "BASELINE_PHASE_"),
        )
        .text(
            "state",
            &enum_word(evidence.state().as_str_name(), "BASELINE_STATE_"),
        )
        .text("role", &evidence.role)
        .text("object", &evidence.object)
        .object("nearest", nearest)
        .object("watched", watched)
        .object("predicted", predicted)
        .mark("tainted", evidence.tainted)
}
