//! Alerts as protobuf messages.

mod baseline;
mod dns;
mod event;
mod paths;
mod process;

use std::collections::HashMap;
use std::time::SystemTime;

use super::{Alert, Downtime, Loss, LossReason, SensorFinding};
use crate::model::{
    Container, ContainerView, Event, Identity, MatchedTerm, NearException, Priority, RuleInfo,
    RuleSetId, Runtime,
};
use crate::proto;

/// Ancestors in an alert. A chain that is longer is cut and says so.
const MAX_ANCESTORS: usize = 32;

/// The whole alert.
pub(super) fn alert(id: String, alert: &Alert) -> proto::Alert {
    let Alert {
        finding,
        event,
        late,
        set_generation,
    } = alert;
    let boot = boot_time(event);
    let mut ancestors = event.process.ancestors();
    let listed = ancestors
        .by_ref()
        .take(MAX_ANCESTORS)
        .map(|ancestor| process::ancestor(ancestor, boot))
        .collect();
    proto::Alert {
        id,
        time: Some(timestamp(event.time)),
        severity: severity(finding.rule.priority).into(),
        priority: falco_word(finding.rule.priority).to_owned(),
        rule: Some(proto::Rule {
            set_generation: *set_generation,
            ..rule(&finding.rule)
        }),
        output: finding.output.clone(),
        event: Some(event::event(event)),
        process: Some(process::process(&event.process, boot)),
        ancestors: listed,
        container: view(&event.container, *late),
        evidence: finding.evidence.iter().map(term).collect(),
        undecided: finding.undecided.iter().map(term).collect(),
        ancestors_truncated: ancestors.next().is_some(),
        near_exceptions: finding.near_exceptions.iter().map(near).collect(),
        baseline: finding.baseline.as_deref().map(baseline::evidence),
    }
}

/// An alert about the sensor itself, with the rule set that is in force beside it.
pub(super) fn sensor(id: String, finding: &SensorFinding, set: &RuleSetId) -> proto::Alert {
    let set = finding.set.as_ref().unwrap_or(set);
    proto::Alert {
        id,
        time: Some(timestamp(finding.time)),
        severity: severity(finding.rule.priority).into(),
        priority: falco_word(finding.rule.priority).to_owned(),
        rule: Some(proto::Rule {
            set_digest: set.digest.as_ref().to_owned(),
            set_generation: set.generation,
            ..rule(&finding.rule)
        }),
        output: finding.output.clone(),
        ..proto::Alert::default()
    }
}

/// Wall-clock time at which the node booted, by the event's two clocks.
fn boot_time(event: &Event<'_>) -> Option<SystemTime> {
    event
        .time
        .checked_sub(std::time::Duration::from_nanos(event.boot_ns))
}

/// Severity as a number in rising order.
pub(crate) fn severity(priority: Priority) -> proto::Severity {
    match priority {
        Priority::Emergency => proto::Severity::Emergency,
        Priority::Alert => proto::Severity::Alert,
        Priority::Critical => proto::Severity::Critical,
        Priority::Error => proto::Severity::Error,
        Priority::Warning => proto::Severity::Warning,
        Priority::Notice => proto::Severity::Notice,
        Priority::Informational => proto::Severity::Informational,
        Priority::Debug => proto::Severity::Debug,
    }
}

fn falco_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Emergency => "Emergency",
        Priority::Alert => "Alert",
        Priority::Critical => "Critical",
        Priority::Error => "Error",
        Priority::Warning => "Warning",
        Priority::Notice => "Notice",
        Priority::Informational => "Informational",
        Priority::Debug => "Debug",
    }
}

/// A rule, without the generation of its set.
pub(crate) fn rule(rule: &RuleInfo) -> proto::Rule {
    proto::Rule {
        name: rule.name.clone(),
        description: rule.description.clone(),
        tags: rule.tags.clone(),
        attack_ids: rule.attack_ids.clone(),
        language: rule.language.to_owned(),
        file: rule.file.clone(),
        line: rule.line,
        set_digest: rule.set_digest.as_ref().to_owned(),
        set_generation: 0,
        id: rule.id.clone(),
        author: rule.author.clone(),
        level: rule.level.to_owned(),
        references: rule.references.clone(),
    }
}

fn term(term: &MatchedTerm) -> proto::Term {
    proto::Term {
        field: term.field.clone(),
        operator: term.operator.clone(),
        operand: term.operand.clone(),
        value: term.value.clone(),
        negated: term.negated,
        file: term.file.clone(),
        line: term.line,
        column: term.column,
        macros: term.macros.clone(),
        met_start: term.met_at.as_ref().map(|part| position(part.start)),
        met_end: term.met_at.as_ref().map(|part| position(part.end)),
    }
}

/// Values are far shorter than 4 GiB.
fn position(byte: usize) -> u32 {
    u32::try_from(byte).unwrap_or(u32::MAX)
}

fn near(exception: &NearException) -> proto::NearException {
    proto::NearException {
        name: exception.name.clone(),
        failed: Some(term(&exception.failed)),
    }
}

/// The container of a process; `None` for a process of the node.
pub(super) fn view(view: &ContainerView, late: bool) -> Option<proto::Container> {
    match view {
        ContainerView::Host(_) => None,
        ContainerView::Container(known) => Some(container(known, late)),
        ContainerView::Unknown { cgroup_id, why } => Some(unknown(*cgroup_id, why.as_deref())),
    }
}

/// Neither the node nor a container that can be named.
fn unknown(cgroup_id: u64, why: Option<&str>) -> proto::Container {
    let identity = if why.is_some() {
        proto::Identity::Failed
    } else {
        proto::Identity::CgroupOnly
    };
    proto::Container {
        identity: identity.into(),
        identity_error: why.unwrap_or_default().to_owned(),
        runtime: runtime(Runtime::Unknown).to_owned(),
        cgroup_id,
        ..proto::Container::default()
    }
}

/// A container. `late`: its metadata came after an event's grace.
pub(crate) fn container(container: &Container, late: bool) -> proto::Container {
    let (identity, identity_error) = match &container.identity {
        Identity::Pending => (proto::Identity::CgroupOnly, String::new()),
        Identity::Full(_) if late => (proto::Identity::Late, String::new()),
        Identity::Full(_) => (proto::Identity::Full, String::new()),
        Identity::Failed(why) => (proto::Identity::Failed, why.as_ref().to_owned()),
    };
    let basic = proto::Container {
        id: container.id.clone(),
        identity: identity.into(),
        identity_error,
        runtime: runtime(container.runtime).to_owned(),
        cgroup_id: container.cgroup_id,
        cgroup_path: container.cgroup_path.clone(),
        ..proto::Container::default()
    };
    let Some(metadata) = container.metadata() else {
        return basic;
    };
    proto::Container {
        name: metadata.name.clone(),
        image: metadata.image.clone(),
        image_repository: metadata.image_repository.clone(),
        image_tag: metadata.image_tag.clone(),
        image_digest: metadata.image_digest.clone(),
        labels: metadata
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<HashMap<_, _>>(),
        privileged: Some(metadata.privileged),
        mounts: metadata.mounts.iter().map(mount).collect(),
        started: metadata.started_at.map(timestamp),
        init_pid: metadata.init_pid,
        ..basic
    }
}

fn mount(mount: &crate::model::Mount) -> proto::Mount {
    proto::Mount {
        source: mount.source.clone(),
        destination: mount.destination.clone(),
        read_write: mount.read_write,
    }
}

fn runtime(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Docker => "docker",
        Runtime::Containerd => "containerd",
        Runtime::Crio => "cri-o",
        Runtime::Podman => "podman",
        Runtime::Unknown => "unknown",
    }
}

/// Downtime of the agent.
pub(super) fn downtime(downtime: &Downtime) -> proto::Gap {
    let why = if downtime.clean {
        proto::gap::Why::AgentNotRunning
    } else {
        proto::gap::Why::UncleanExit
    };
    let blind = downtime.to.duration_since(downtime.from);
    let seconds = blind.map_or(0.0, |blind| blind.as_secs_f64());
    let cause = match (downtime.clean, downtime.rebooted) {
        (true, false) => "the agent was stopped",
        (true, true) => "the agent was stopped and the node rebooted",
        (false, false) => "the agent was killed or crashed",
        (false, true) => "the node went down with the agent running",
    };
    proto::Gap {
        why: why.into(),
        from_time: Some(timestamp(downtime.from)),
        to_time: Some(timestamp(downtime.to)),
        rebooted: downtime.rebooted,
        message: format!("Nothing was watched for {seconds:.1} s: {cause}."),
        ..proto::Gap::default()
    }
}

/// Lost events.
pub(super) fn loss(loss: &Loss) -> proto::Loss {
    let reason = match loss.reason {
        LossReason::RingFull => proto::loss::Reason::RingFull,
        LossReason::RateLimited => proto::loss::Reason::RateLimited,
        LossReason::ScratchBusy => proto::loss::Reason::ScratchBusy,
        LossReason::Queue => proto::loss::Reason::Queue,
        LossReason::Decode => proto::loss::Reason::Decode,
    };
    let (container_id, container_name) = match &loss.container {
        Some(container) => (container.id.clone(), container.name.clone()),
        None => Default::default(),
    };
    proto::Loss {
        hook: loss.hook.clone(),
        reason: reason.into(),
        count: loss.count,
        from_time: Some(timestamp(loss.from)),
        to_time: Some(timestamp(loss.to)),
        cgroup_id: loss.cgroup_id,
        cgroup_path: loss.cgroup_path.clone(),
        container_id,
        container_name,
    }
}

/// A time; before 1970 too.
pub(crate) fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    time.into()
}

#[cfg(test)]
mod tests;
