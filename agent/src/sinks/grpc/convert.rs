//! Snapshots as protobuf messages.

use crate::alert::{Progress, encode_rule, encode_severity, timestamp};
use crate::model::{ClassSummary, Kept};
use crate::proto;
use crate::sinks::reload::{ReloadAnswer, ReloadOutcome};
use crate::telemetry::{
    BaselineFacts, CanaryStatus, CgroupCounts, EventCounts, FailedReload, HookStatus,
    IntegrityStatus, KernelFacts, LossAccount, QueueDepth, RingUsage, RuleEntry, RuleSetFacts,
    RuleState, TopicState, counters,
};

/// How far a subscription has come.
pub(super) fn progress(progress: Progress) -> proto::Progress {
    proto::Progress {
        complete_through: progress.complete_through,
        start: progress.start,
        delivered: progress.delivered,
        filtered_count: progress.filtered,
        missed: progress.missed,
    }
}

/// The rule set in numbers, with the last reload that failed.
pub(super) fn rule_set(
    facts: &RuleSetFacts,
    failed: Option<&FailedReload>,
) -> proto::RuleSetStatus {
    proto::RuleSetStatus {
        digest: facts.digest.clone(),
        active: facts.active,
        disabled: facts.disabled,
        refused: facts.refused,
        generation: facts.generation,
        loaded: facts.loaded.map(timestamp),
        failed_reload: failed.map(|failed| proto::FailedReload {
            time: Some(timestamp(failed.time)),
            digest: failed.digest.clone(),
            reasons: failed.reasons.clone(),
            standing: failed.standing,
        }),
        without_events: facts.without_events,
    }
}

/// What baselines are made of.
pub(super) fn baselines(facts: &BaselineFacts) -> proto::BaselineStatus {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    proto::BaselineStatus {
        learnt_workloads: count(facts.learnt_workloads),
        reviewed_workloads: count(facts.reviewed_workloads),
        reviewed_digest: facts.reviewed_digest.clone(),
    }
}

/// What came of a reload.
pub(super) fn reload(
    answer: ReloadAnswer,
    failed: Option<&FailedReload>,
) -> proto::ReloadRulesResponse {
    use proto::reload_rules_response::Outcome;
    let outcome = match answer.outcome {
        ReloadOutcome::Reloaded => Outcome::Reloaded,
        ReloadOutcome::Unchanged => Outcome::Unchanged,
        ReloadOutcome::Refused => Outcome::Refused,
        ReloadOutcome::Unreadable => Outcome::Unreadable,
        ReloadOutcome::Unsettled => Outcome::Unsettled,
    };
    proto::ReloadRulesResponse {
        outcome: outcome.into(),
        set: Some(rule_set(&answer.facts, failed)),
        reasons: answer.reasons,
        warnings: answer.warnings,
    }
}

/// A topic and its hook.
pub(super) fn hook(hook: &HookStatus) -> proto::HookStatus {
    let refused = hook.refused.iter().map(|refused| proto::RefusedHook {
        hook: refused.hook.clone(),
        why: refused.why.clone(),
    });
    let missing = hook.missing.iter().map(|missing| proto::MissingProgram {
        program: missing.program.clone(),
        not_seen: missing.not_seen.clone(),
        why: missing.why.clone(),
    });
    proto::HookStatus {
        topic: hook.topic.clone(),
        taken: hook.taken.clone(),
        refused: refused.collect(),
        mandatory: hook.mandatory,
        state: topic_state(hook.state).into(),
        attached: hook.attached.clone(),
        missing: missing.collect(),
    }
}

fn topic_state(state: TopicState) -> proto::hook_status::State {
    match state {
        TopicState::Full => proto::hook_status::State::Full,
        TopicState::Partial => proto::hook_status::State::Partial,
        TopicState::Off => proto::hook_status::State::Off,
    }
}

/// Cgroups that found no place.
pub(super) fn cgroups(counts: CgroupCounts) -> proto::CgroupStatus {
    proto::CgroupStatus {
        unknown_lookups: counts.unknown_lookups,
        refused_cgroups: counts.refused_cgroups,
        identity_conflicts: counts.identity_conflicts,
    }
}

/// The canary.
pub(super) fn canary(canary: &CanaryStatus) -> proto::CanaryStatus {
    let hooks = canary.hooks.iter().map(|hook| proto::CanaryHook {
        hook: hook.hook.to_owned(),
        age_ms: hook.age_ms,
        blind: hook.blind,
    });
    proto::CanaryStatus {
        off: canary.off.clone().unwrap_or_default(),
        interval_ms: canary.interval_ms,
        hooks: hooks.collect(),
    }
}

/// Links and maps.
pub(super) fn integrity(integrity: &IntegrityStatus) -> proto::IntegrityStatus {
    proto::IntegrityStatus {
        links: integrity.links,
        maps: integrity.maps,
        age_ms: integrity.age_ms,
        faults: integrity.faults.clone(),
    }
}

/// The account of events.
pub(super) fn events(events: &EventCounts) -> proto::EventAccount {
    proto::EventAccount {
        seen: events.seen,
        delivered: events.delivered,
        suppressed: events.suppressed,
        ring_full: events.ring_full,
        rate_limited: events.rate_limited,
        scratch_busy: events.scratch_busy,
        queue: events.queue,
        decode: events.decode,
        in_flight: events.in_flight,
    }
}

/// The kernel.
pub(super) fn kernel(kernel: &KernelFacts) -> proto::KernelStatus {
    proto::KernelStatus {
        release: kernel.release.clone(),
        machine: kernel.machine.clone(),
        boot_id: kernel.boot_id.clone(),
        btf_bytes: kernel.btf_bytes,
    }
}

/// A ring.
pub(super) fn ring(ring: &RingUsage) -> proto::RingStatus {
    proto::RingStatus {
        name: ring.name.clone(),
        capacity_bytes: ring.capacity_bytes,
        used_bytes: ring.used_bytes,
        written_bytes: ring.written_bytes,
    }
}

/// A queue.
pub(super) fn queue(queue: &QueueDepth) -> proto::QueueStatus {
    proto::QueueStatus {
        name: queue.name.clone(),
        capacity: queue.capacity,
        depth: queue.depth,
        when_full: queue.when_full.name().to_owned(),
        times_full: queue.times_full,
    }
}

/// An account of one hook in one cgroup.
pub(super) fn loss(account: &LossAccount) -> proto::LossAccount {
    let (container_id, container_name) = match &account.container {
        Some(container) => (container.id.clone(), container.name.clone()),
        None => Default::default(),
    };
    proto::LossAccount {
        hook: account.hook.clone(),
        cgroup_id: account.cgroup_id,
        cgroup_path: account.cgroup_path.clone(),
        container_id,
        container_name,
        events: Some(events(&account.events)),
    }
}

/// A rule of the set of that generation.
pub(super) fn rule(entry: &RuleEntry, set_generation: u64) -> proto::LoadedRule {
    use proto::loaded_rule::State;
    let (state, reason) = match &entry.state {
        RuleState::Active => (State::Active, String::new()),
        RuleState::WithoutEvents(events) => (State::WithoutEvents, events.clone()),
        RuleState::Disabled => (State::Disabled, String::new()),
        RuleState::Refused(reason) => (State::Refused, reason.clone()),
    };
    proto::LoadedRule {
        rule: Some(proto::Rule {
            set_generation,
            ..encode_rule(&entry.info)
        }),
        severity: encode_severity(entry.info.priority).into(),
        state: state.into(),
        reason,
    }
}

/// Failures so far.
pub(super) fn failures() -> Vec<proto::FailureCount> {
    counters()
        .into_iter()
        .map(|(kind, count)| proto::FailureCount {
            kind: kind.to_owned(),
            count,
        })
        .collect()
}

/// What the kernel keeps of some events.
pub(super) fn kept_events(summary: &ClassSummary) -> proto::KeptEvents {
    use proto::kept_events::Kept as Encoded;
    let kept = match summary.kept {
        Kept::Nothing => Encoded::Nothing,
        Kept::ByName => Encoded::ByName,
        Kept::ByPort => Encoded::ByPort,
        Kept::Everything => Encoded::Everything,
    };
    proto::KeptEvents {
        events: summary.events.clone(),
        kept: kept.into(),
        by: summary.by.clone(),
        count: u32::try_from(summary.count).unwrap_or(u32::MAX),
    }
}
