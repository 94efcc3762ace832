//! What a baseline says.

use crate::model::{
    BaselineEvidence, BaselineExposure, BaselineKind, BaselineNearest, BaselinePhase,
    BaselinePrediction, BaselineState, PredictedPer,
};
use crate::proto;

/// The evidence of a baseline.
pub(super) fn evidence(evidence: &BaselineEvidence) -> proto::BaselineEvidence {
    proto::BaselineEvidence {
        kind: kind(evidence.kind).into(),
        workload: evidence.workload.clone(),
        class: evidence.class.to_owned(),
        phase: phase(evidence.phase).into(),
        state: state(evidence.state).into(),
        role: evidence.role.clone(),
        object: evidence.object.clone(),
        nearest: evidence.nearest.as_ref().map(nearest),
        watched: Some(exposure(evidence.watched)),
        predicted: evidence.predicted.map(prediction),
        tainted: evidence.tainted,
        count: evidence.count,
        samples: evidence.samples.clone(),
    }
}

fn kind(kind: BaselineKind) -> proto::BaselineKind {
    match kind {
        BaselineKind::New => proto::BaselineKind::New,
        BaselineKind::Quarantined => proto::BaselineKind::Quarantined,
        BaselineKind::SeenOnce => proto::BaselineKind::SeenOnce,
        BaselineKind::Returning => proto::BaselineKind::Returning,
        BaselineKind::NeverOrdinary => proto::BaselineKind::NeverOrdinary,
        BaselineKind::Rejected => proto::BaselineKind::Rejected,
        BaselineKind::Flood => proto::BaselineKind::Flood,
        BaselineKind::Drift => proto::BaselineKind::Drift,
        BaselineKind::Rollout => proto::BaselineKind::Rollout,
    }
}

fn phase(phase: BaselinePhase) -> proto::BaselinePhase {
    match phase {
        BaselinePhase::Start => proto::BaselinePhase::Start,
        BaselinePhase::Run => proto::BaselinePhase::Run,
    }
}

fn state(state: BaselineState) -> proto::BaselineState {
    match state {
        BaselineState::Cold => proto::BaselineState::Cold,
        BaselineState::Learning => proto::BaselineState::Learning,
        BaselineState::Provisional => proto::BaselineState::Provisional,
        BaselineState::Armed => proto::BaselineState::Armed,
        BaselineState::Locked => proto::BaselineState::Locked,
    }
}

fn nearest(nearest: &BaselineNearest) -> proto::BaselineNearest {
    proto::BaselineNearest {
        pattern: nearest.pattern.clone(),
        diverging: nearest.diverging.clone(),
    }
}

fn exposure(watched: BaselineExposure) -> proto::BaselineExposure {
    proto::BaselineExposure {
        windows: watched.windows,
        instances: watched.instances,
        starts: watched.starts,
        seconds: watched.seconds,
    }
}

fn prediction(predicted: BaselinePrediction) -> proto::BaselinePrediction {
    use proto::baseline_prediction::Per;
    let per = match predicted.per {
        PredictedPer::Day => Per::Day,
        PredictedPer::Start => Per::Start,
    };
    proto::BaselinePrediction {
        per: per.into(),
        expected: predicted.expected,
        bound: predicted.bound,
    }
}
