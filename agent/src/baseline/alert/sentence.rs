//! Evidence in a sentence for people.

use std::fmt::Write as _;

use super::super::completeness::{Lasting, counted, up};
use super::super::workload::UNIT;
use crate::model::{
    BaselineEvidence, BaselineKind, BaselinePhase, BaselinePrediction, BaselineState, PredictedPer,
};

/// What is new, what it is like, and what stands behind that.
pub(super) fn of(evidence: &BaselineEvidence) -> String {
    let BaselineEvidence {
        workload,
        class,
        role,
        object,
        ..
    } = evidence;
    let phase = match evidence.phase {
        BaselinePhase::Start => "start",
        BaselinePhase::Run => "run",
    };
    let kind = kind(evidence.kind);
    let instance = if workload.starts_with(UNIT) {
        "service"
    } else {
        "container"
    };
    let mut text = format!("Baseline of {workload}: {kind} {class} in the {phase} phase");
    if !object.is_empty() {
        text.push_str(": ");
        text.push_str(object);
    }
    text.push_str(&together(evidence));
    if !role.is_empty() {
        text.push_str(" by ");
        text.push_str(role);
    }
    if let Some(nearest) = &evidence.nearest {
        text.push_str("; nearest known is ");
        text.push_str(&nearest.pattern);
        if let Some(diverging) = &nearest.diverging {
            text.push_str(", it differs at ");
            text.push_str(diverging);
        }
    }
    text.push_str("; the class is ");
    text.push_str(state(evidence.state));
    text.push_str(&watched(evidence, instance));
    if let Some(predicted) = &evidence.predicted {
        text.push_str("; ");
        text.push_str(&prediction(predicted, instance));
    }
    if evidence.tainted {
        text.push_str("; a rule has matched the process or one before it");
    }
    text
}

/// What is told together, as far as it is named.
fn together(evidence: &BaselineEvidence) -> String {
    if evidence.count == 0 {
        return String::new();
    }
    let named = evidence.samples.join(", ");
    let behaviours = counted(evidence.count, "new behaviour");
    let rest = evidence.count.saturating_sub(evidence.samples.len() as u64);
    let more = match rest {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!(": {behaviours} ({named}{more})")
}

const fn kind(kind: BaselineKind) -> &'static str {
    match kind {
        BaselineKind::New => "new",
        BaselineKind::Quarantined => "quarantined",
        BaselineKind::SeenOnce => "hardly known",
        BaselineKind::Returning => "returning",
        BaselineKind::NeverOrdinary => "never ordinary",
        BaselineKind::Rejected => "rejected",
        BaselineKind::Flood => "flood of",
        BaselineKind::Drift => "drift of",
        BaselineKind::Rollout => "a new version's",
    }
}

const fn state(state: BaselineState) -> &'static str {
    match state {
        BaselineState::Cold => "cold",
        BaselineState::Learning => "learning",
        BaselineState::Provisional => "provisional",
        BaselineState::Armed => "armed",
        BaselineState::Locked => "locked",
    }
}

fn watched(evidence: &BaselineEvidence, instance: &str) -> String {
    let watched = &evidence.watched;
    if watched.windows == 0 && watched.starts == 0 {
        return ", nothing was watched before".to_owned();
    }
    let least = if watched.instances >= 16 {
        "at least "
    } else {
        ""
    };
    let instances = counted(watched.instances.into(), instance);
    let mut text = format!(
        " after {} of {least}{instances}",
        counted(watched.windows, "window")
    );
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        " in {} and {}",
        Lasting(watched.seconds),
        counted(watched.starts, "start")
    );
    text
}

fn prediction(predicted: &BaselinePrediction, instance: &str) -> String {
    let period = match predicted.per {
        PredictedPer::Day => format!("day of one {instance}"),
        PredictedPer::Start => "start".to_owned(),
    };
    format!(
        "{:.1} new expected, at most {:.1} a {period} (95 %)",
        predicted.expected,
        up(predicted.bound)
    )
}
