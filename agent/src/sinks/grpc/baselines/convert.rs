//! Baselines as protobuf messages.

use prost_types::Timestamp;
use tonic::Status;

use crate::baseline::Phase;
use crate::baseline::completeness::{Prediction, Unit};
use crate::baseline::evidence::{Decision, Trust};
use crate::baseline::lock::Lock;
use crate::baseline::operate::{
    Behaviour, ClassSummary, Decided, DecidedItem, Examined, OperateError, Relocked, Summary,
};
use crate::baseline::state::{Eta, State};
use crate::proto;

/// Behaviours that an answer lists one by one.
const MAX_LISTED: usize = 1_000;

/// The behaviour that was named.
pub(super) fn behaviour(named: &proto::BaselineBehaviour) -> Result<Behaviour, OperateError> {
    let phase = phase_name(named.phase());
    Behaviour::parse(&named.role, phase, &named.class, &named.object)
}

/// The decision that was made.
pub(super) fn decision(decision: proto::BaselineDecision) -> Result<Decision, Status> {
    match decision {
        proto::BaselineDecision::Accept => Ok(Decision::Accepted),
        proto::BaselineDecision::Reject => Ok(Decision::Rejected),
        proto::BaselineDecision::Unspecified => Err(Status::invalid_argument(
            "say what is decided: ACCEPT or REJECT",
        )),
    }
}

/// The name of a phase; empty for none.
pub(super) fn phase_name(phase: proto::BaselinePhase) -> &'static str {
    match phase {
        proto::BaselinePhase::Unspecified => "",
        proto::BaselinePhase::Start => Phase::Start.name(),
        proto::BaselinePhase::Run => Phase::Run.name(),
    }
}

/// A summary with all of its classes.
pub(super) fn summary(summary: &Summary) -> proto::BaselineSummary {
    proto::BaselineSummary {
        classes: summary.classes.iter().map(class).collect(),
        ..short(summary)
    }
}

/// A summary with the classes that there is something to say of.
pub(super) fn short(summary: &Summary) -> proto::BaselineSummary {
    let classes = summary.classes.iter();
    let telling = classes.filter(|class| class.behaviours > 0 || class.lock.time().is_some());
    proto::BaselineSummary {
        workload: summary.workload.text().to_owned(),
        instances: summary.instances,
        watched: Some(proto::BaselineExposure {
            windows: summary.totals.windows,
            instances: u32::try_from(summary.watched).unwrap_or(u32::MAX),
            starts: summary.totals.starts,
            seconds: summary.totals.seconds,
        }),
        since: (summary.since > 0).then(|| time(summary.since)),
        last: (summary.last > 0).then(|| time(summary.last)),
        behaviours: summary.behaviours as u64,
        quarantined: summary.quarantined as u64,
        bytes: summary.bytes as u64,
        reviewed: summary.reviewed,
        full: summary.flags.full,
        stale: summary.flags.stale,
        drifting: summary.flags.drifting,
        lossy: summary.flags.lossy,
        classes: telling.map(class).collect(),
    }
}

fn class(class: &ClassSummary) -> proto::BaselineClass {
    proto::BaselineClass {
        phase: phase(class.phase).into(),
        class: class.class.name().to_owned(),
        state: state(class.state).into(),
        behaviours: class.behaviours as u64,
        quarantined: class.quarantined as u64,
        predicted: class.prediction.as_ref().map(prediction),
        eta: class.eta.map(eta),
        lock: lock(class.lock),
    }
}

fn lock(lock: Lock) -> Option<proto::BaselineLock> {
    let said = lock.time()?;
    Some(proto::BaselineLock {
        locked: lock.is_locked(),
        time: Some(time(said)),
    })
}

fn eta(eta: Eta) -> proto::BaselineEta {
    proto::BaselineEta {
        seconds: eta.time.map(|time| time.as_secs()),
        starts: eta.starts,
    }
}

fn prediction(prediction: &Prediction) -> proto::BaselinePrediction {
    use proto::baseline_prediction::Per;
    let per = match prediction.unit {
        Unit::Start => Per::Start,
        Unit::Window => Per::Day,
    };
    proto::BaselinePrediction {
        per: per.into(),
        expected: prediction.expected,
        bound: prediction.bound,
    }
}

/// What is known of a behaviour.
pub(super) fn knowledge(examined: &Examined) -> proto::BaselineKnowledge {
    let nearest = examined.nearest.as_ref();
    let mut knowledge = proto::BaselineKnowledge {
        role_known: examined.role_known,
        trust: trust(examined.trust()).into(),
        pattern: examined.pattern.clone().unwrap_or_default(),
        nearest: nearest.map(|nearest| proto::BaselineNearest {
            pattern: nearest.pattern.clone(),
            diverging: nearest.diverging.clone(),
        }),
        by_file: examined.by_file,
        ..proto::BaselineKnowledge::default()
    };
    if let Some(seen) = &examined.seen {
        knowledge.first = seen.is_seen().then(|| time(seen.first));
        knowledge.last = seen.is_seen().then(|| time(seen.last));
        knowledge.windows = seen.windows.count() as u32;
        knowledge.instances = seen.instances.count() as u32;
        let decided = seen.decision().filter(|_| !examined.by_file);
        knowledge.decided = decided.map(|(_, when)| time(when));
    }
    knowledge
}

/// What was decided.
pub(super) fn decided(decided: &Decided) -> proto::DecideBaselineResponse {
    let listed = decided.items.iter().take(MAX_LISTED);
    proto::DecideBaselineResponse {
        decided: listed.map(decided_item).collect(),
        count: decided.items.len() as u64,
        patch: decided.patch(),
        reviewed: decided.reviewed,
        by_file: decided.by_file,
        restarted: decided.restarted.map(time),
        never_learnt: decided.never_learnt as u64,
    }
}

fn decided_item(item: &DecidedItem) -> proto::DecidedBehaviour {
    let Behaviour {
        role,
        phase: of,
        class,
        object,
    } = &item.behaviour;
    proto::DecidedBehaviour {
        behaviour: Some(proto::BaselineBehaviour {
            role: role.text().to_owned(),
            phase: phase(*of).into(),
            class: class.name().to_owned(),
            object: object.clone(),
        }),
        before: trust(item.before).into(),
    }
}

/// A class that was locked or unlocked.
pub(super) fn relocked(relocked: &Relocked) -> proto::RelockedClass {
    proto::RelockedClass {
        phase: phase(relocked.phase).into(),
        class: relocked.class.name().to_owned(),
        before: state(relocked.before).into(),
        now: state(relocked.now).into(),
    }
}

const fn phase(phase: Phase) -> proto::BaselinePhase {
    match phase {
        Phase::Start => proto::BaselinePhase::Start,
        Phase::Run => proto::BaselinePhase::Run,
    }
}

const fn state(state: State) -> proto::BaselineState {
    match state {
        State::Cold => proto::BaselineState::Cold,
        State::Learning => proto::BaselineState::Learning,
        State::Provisional => proto::BaselineState::Provisional,
        State::Armed => proto::BaselineState::Armed,
        State::Locked => proto::BaselineState::Locked,
    }
}

const fn trust(trust: Option<Trust>) -> proto::BaselineTrust {
    match trust {
        None => proto::BaselineTrust::Unspecified,
        Some(Trust::Learnt) => proto::BaselineTrust::Learnt,
        Some(Trust::Quarantined) => proto::BaselineTrust::Quarantined,
        Some(Trust::Accepted) => proto::BaselineTrust::Accepted,
        Some(Trust::Rejected) => proto::BaselineTrust::Rejected,
        Some(Trust::NeverLearnt) => proto::BaselineTrust::NeverLearnt,
    }
}

/// Times that were imported may be any number.
fn time(seconds: u64) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nanos: 0,
    }
}
