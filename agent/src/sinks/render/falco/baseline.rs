//! What a baseline says, as fields. Falco has none for it, so their names are Gravlens's own.

use super::{Fields, add};
use crate::proto;
use crate::sinks::render::enum_word;

/// Adds those of an alert.
pub(super) fn fields(fields: &mut Fields<'_>, evidence: &proto::BaselineEvidence) {
    let kind = enum_word(evidence.kind().as_str_name(), "BASELINE_KIND_");
    let phase = enum_word(evidence.phase().as_str_name(), "BASELINE_PHASE_");
    let state = enum_word(evidence.state().as_str_name(), "BASELINE_STATE_");
    add(fields, "baseline.kind", &kind);
    add(fields, "baseline.workload", &evidence.workload);
    add(fields, "baseline.class", &evidence.class);
    add(fields, "baseline.phase", &phase);
    add(fields, "baseline.state", &state);
    add(fields, "baseline.role", &evidence.role);
    add(fields, "baseline.object", &evidence.object);
    if let Some(nearest) = &evidence.nearest {
        let diverging = nearest.diverging.as_deref().unwrap_or_default();
        add(fields, "baseline.nearest", &nearest.pattern);
        add(fields, "baseline.diverging", diverging);
    }
    if let Some(watched) = &evidence.watched {
        fields.insert("baseline.windows", watched.windows.into());
        fields.insert("baseline.instances", watched.instances.into());
        fields.insert("baseline.starts", watched.starts.into());
        fields.insert("baseline.seconds", watched.seconds.into());
    }
    if let Some(predicted) = &evidence.predicted {
        let per = enum_word(predicted.per().as_str_name(), "PER_");
        add(fields, "baseline.predicted_per", &per);
        fields.insert("baseline.expected", predicted.expected.into());
        fields.insert("baseline.bound", predicted.bound.into());
    }
    if evidence.tainted {
        fields.insert("baseline.tainted", true.into());
    }
}
