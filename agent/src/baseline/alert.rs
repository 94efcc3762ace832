//! What is new, as findings of built-in rules.
//!
//! There is a rule for each kind and class, so that operators can choose among them by name and tag, and
//! a flood of one class takes nothing from what another may tell. What is told of classes that are not
//! armed is less urgent and has rules of its own, for the same reason.

mod rule;
mod sentence;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::completeness::{Prediction, Unit};
use super::generalise::tree::Nearest;
use super::learner::{Evidence, Kind, Novel};
use super::profile::Phase;
use super::state::State;
use crate::model::{
    BaselineEvidence, BaselineExposure, BaselineKind, BaselineNearest, BaselinePhase,
    BaselinePrediction, BaselineState, Finding, PredictedPer,
};

/// The finding that tells of something new. `set_digest` is that of the rule set in force beside it.
pub fn finding(novel: &Novel, set_digest: Arc<str>) -> Finding {
    let evidence = evidence(novel);
    Finding {
        rule: Arc::new(rule::of(
            evidence.kind,
            novel.class,
            novel.priority(),
            set_digest,
        )),
        output: sentence::of(&evidence),
        evidence: Vec::new(),
        undecided: Vec::new(),
        near_exceptions: Vec::new(),
        baseline: Some(Box::new(evidence)),
    }
}

fn evidence(novel: &Novel) -> BaselineEvidence {
    BaselineEvidence {
        kind: kind(novel.kind),
        workload: novel.workload.text().to_owned(),
        class: novel.class.name(),
        phase: phase(novel.phase),
        state: state(novel.state),
        role: novel.role.text().to_owned(),
        object: novel.object.clone(),
        nearest: novel.nearest.as_ref().map(nearest),
        watched: exposure(&novel.evidence),
        predicted: novel.prediction.as_ref().map(prediction),
        tainted: novel.tainted,
        count: novel.count,
        samples: novel.samples.clone(),
    }
}

const fn kind(kind: Kind) -> BaselineKind {
    match kind {
        Kind::New => BaselineKind::New,
        Kind::Quarantined => BaselineKind::Quarantined,
        Kind::Unestablished => BaselineKind::SeenOnce,
        Kind::Returning => BaselineKind::Returning,
        Kind::Grave => BaselineKind::NeverOrdinary,
        Kind::Rejected => BaselineKind::Rejected,
        Kind::Flood => BaselineKind::Flood,
        Kind::Drift => BaselineKind::Drift,
        Kind::Rollout => BaselineKind::Rollout,
    }
}

const fn phase(phase: Phase) -> BaselinePhase {
    match phase {
        Phase::Start => BaselinePhase::Start,
        Phase::Run => BaselinePhase::Run,
    }
}

const fn state(state: State) -> BaselineState {
    match state {
        State::Cold => BaselineState::Cold,
        State::Learning => BaselineState::Learning,
        State::Provisional => BaselineState::Provisional,
        State::Armed => BaselineState::Armed,
        State::Locked => BaselineState::Locked,
    }
}

fn nearest(nearest: &Nearest) -> BaselineNearest {
    BaselineNearest {
        pattern: nearest.pattern.clone(),
        diverging: nearest.diverging.clone(),
    }
}

fn exposure(evidence: &Evidence) -> BaselineExposure {
    BaselineExposure {
        windows: evidence.windows,
        instances: u32::try_from(evidence.instances).unwrap_or(u32::MAX),
        starts: evidence.starts,
        seconds: evidence.seconds,
    }
}

fn prediction(prediction: &Prediction) -> BaselinePrediction {
    BaselinePrediction {
        per: match prediction.unit {
            Unit::Start => PredictedPer::Start,
            Unit::Window => PredictedPer::Day,
        },
        expected: prediction.expected,
        bound: prediction.bound,
    }
}
