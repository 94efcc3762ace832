//! Attributes of what a baseline says.

use super::attributes::Attributes;
use crate::proto;
use crate::sinks::render::enum_word;

/// Adds those of an alert.
pub(super) fn add(to: &mut Attributes, evidence: &proto::BaselineEvidence) {
    let kind = enum_word(evidence.kind().as_str_name(), "BASELINE_KIND_");
    let phase = enum_word(evidence.phase().as_str_name(), "BASELINE_PHASE_");
    let state = enum_word(evidence.state().as_str_name(), "BASELINE_STATE_");
    to.text("gravlens.baseline.kind", &kind);
    to.text("gravlens.baseline.workload", &evidence.workload);
    to.text("gravlens.baseline.class", &evidence.class);
    to.text("gravlens.baseline.phase", &phase);
    to.text("gravlens.baseline.state", &state);
    to.text("gravlens.baseline.role", &evidence.role);
    to.text("gravlens.baseline.object", &evidence.object);
    if let Some(nearest) = &evidence.nearest {
        let diverging = nearest.diverging.as_deref().unwrap_or_default();
        to.text("gravlens.baseline.nearest", &nearest.pattern);
        to.text("gravlens.baseline.diverging", diverging);
    }
    if let Some(watched) = &evidence.watched {
        to.number("gravlens.baseline.windows", watched.windows);
        to.number("gravlens.baseline.instances", watched.instances);
        to.number("gravlens.baseline.starts", watched.starts);
        to.number("gravlens.baseline.seconds", watched.seconds);
    }
    if let Some(predicted) = &evidence.predicted {
        let per = enum_word(predicted.per().as_str_name(), "PER_");
        to.text("gravlens.baseline.predicted_per", &per);
        to.real("gravlens.baseline.expected", predicted.expected);
        to.real("gravlens.baseline.bound", predicted.bound);
    }
    to.mark("gravlens.baseline.tainted", evidence.tainted);
}
