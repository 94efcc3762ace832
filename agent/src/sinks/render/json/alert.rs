//! Alerts and containers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::event::{Event, Process};
use super::is_default;
use crate::proto;
use crate::sinks::render::{enum_word, severity_word, time};

/// An alert.
#[derive(Debug, Serialize)]
pub struct Alert<'a> {
    id: &'a str,
    time: String,
    severity: &'static str,
    priority: &'a str,
    rule: Option<Rule<'a>>,
    output: &'a str,
    event: Option<Event<'a>>,
    process: Option<Process<'a>>,
    ancestors: Vec<Process<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    ancestors_truncated: bool,
    container: Option<Container<'a>>,
    evidence: Vec<Term<'a>>,
    undecided: Vec<Term<'a>>,
}

impl<'a> From<&'a proto::Alert> for Alert<'a> {
    fn from(alert: &'a proto::Alert) -> Self {
        Self {
            id: &alert.id,
            time: time(alert.time.as_ref()),
            severity: severity_word(alert.severity()),
            priority: &alert.priority,
            rule: alert.rule.as_ref().map(Rule::from),
            output: &alert.output,
            event: alert.event.as_ref().map(Event::from),
            process: alert.process.as_ref().map(Process::from),
            ancestors: alert.ancestors.iter().map(Process::from).collect(),
            ancestors_truncated: alert.ancestors_truncated,
            container: alert.container.as_ref().map(Container::from),
            evidence: alert.evidence.iter().map(Term::from).collect(),
            undecided: alert.undecided.iter().map(Term::from).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Rule<'a> {
    name: &'a str,
    description: &'a str,
    tags: &'a [String],
    attack_ids: &'a [String],
    language: &'a str,
    file: &'a str,
    line: u32,
    set_digest: &'a str,
}

impl<'a> From<&'a proto::Rule> for Rule<'a> {
    fn from(rule: &'a proto::Rule) -> Self {
        Self {
            name: &rule.name,
            description: &rule.description,
            tags: &rule.tags,
            attack_ids: &rule.attack_ids,
            language: &rule.language,
            file: &rule.file,
            line: rule.line,
            set_digest: &rule.set_digest,
        }
    }
}

#[derive(Debug, Serialize)]
struct Term<'a> {
    field: &'a str,
    operator: &'a str,
    operand: &'a str,
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "is_default")]
    negated: bool,
}

impl<'a> From<&'a proto::Term> for Term<'a> {
    fn from(term: &'a proto::Term) -> Self {
        Self {
            field: &term.field,
            operator: &term.operator,
            operand: &term.operand,
            value: term.value.as_deref(),
            negated: term.negated,
        }
    }
}

/// A container.
#[derive(Debug, Serialize)]
pub struct Container<'a> {
    id: &'a str,
    identity: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    identity_error: &'a str,
    runtime: &'a str,
    cgroup_id: u64,
    cgroup_path: &'a str,
    #[serde(flatten)]
    metadata: Option<Metadata<'a>>,
}

/// What only the runtime knows.
#[derive(Debug, Serialize)]
struct Metadata<'a> {
    name: &'a str,
    image: &'a str,
    image_repository: &'a str,
    image_tag: &'a str,
    image_digest: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    privileged: Option<bool>,
    mounts: Vec<Mount<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    started: String,
    #[serde(skip_serializing_if = "is_default")]
    init_pid: u32,
}

#[derive(Debug, Serialize)]
struct Mount<'a> {
    source: &'a str,
    destination: &'a str,
    read_write: bool,
}

impl<'a> From<&'a proto::Container> for Container<'a> {
    fn from(container: &'a proto::Container) -> Self {
        use proto::Identity;
        let identity = container.identity();
        let known = matches!(identity, Identity::Full | Identity::Late);
        Self {
            id: &container.id,
            identity: enum_word(identity.as_str_name(), "IDENTITY_"),
            identity_error: &container.identity_error,
            runtime: &container.runtime,
            cgroup_id: container.cgroup_id,
            cgroup_path: &container.cgroup_path,
            metadata: known.then(|| metadata(container)),
        }
    }
}

fn metadata(container: &proto::Container) -> Metadata<'_> {
    let labels = container.labels.iter();
    let mounts = container.mounts.iter().map(|mount| Mount {
        source: &mount.source,
        destination: &mount.destination,
        read_write: mount.read_write,
    });
    Metadata {
        name: &container.name,
        image: &container.image,
        image_repository: &container.image_repository,
        image_tag: &container.image_tag,
        image_digest: &container.image_digest,
        labels: labels.map(|(key, value)| (&**key, &**value)).collect(),
        privileged: container.privileged,
        mounts: mounts.collect(),
        started: time(container.started.as_ref()),
        init_pid: container.init_pid,
    }
}
