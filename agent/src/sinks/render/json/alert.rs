//! Alerts and containers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::baseline::Baseline;
use super::event::{Event, Process};
use super::is_default;
use crate::proto;
use crate::sinks::render::{enum_word, severity_word, time};

/// An alert.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Alert<'a> {
    /// Unique over all nodes and for ever.
    id: &'a str,
    /// When the event happened.
    #[schemars(extend("format" = "date-time"))]
    time: String,
    /// `EMERGENCY`, `ALERT`, `CRITICAL`, `ERROR`, `WARNING`, `NOTICE`, `INFO` or `DEBUG`.
    severity: &'static str,
    /// The severity in Falco's words.
    priority: &'a str,
    rule: Option<Rule<'a>>,
    /// The rule's output, filled in.
    output: &'a str,
    /// `null` when the alert is about the sensor itself.
    event: Option<Event<'a>>,
    /// The process that made the event.
    process: Option<Process<'a>>,
    /// Its ancestors, the parent first.
    ancestors: Vec<Process<'a>>,
    /// It has more than are listed.
    #[serde(skip_serializing_if = "is_default")]
    ancestors_truncated: bool,
    /// `null` for a process of the node itself.
    container: Option<Container<'a>>,
    /// Terms of the condition that decided.
    evidence: Vec<Term<'a>>,
    /// Terms that could not be decided; the alert is certain when there is none.
    undecided: Vec<Term<'a>>,
    /// Exceptions of the rule that nearly applied: all of their comparisons held but one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    near_exceptions: Vec<NearException<'a>>,
    /// What a baseline says; only of alerts that no rule of the rule files made, but what was learnt of
    /// the workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<Baseline<'a>>,
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
            near_exceptions: alert
                .near_exceptions
                .iter()
                .map(NearException::from)
                .collect(),
            baseline: alert.baseline.as_ref().map(Baseline::from),
        }
    }
}

#[derive(Debug, JsonSchema, Serialize)]
struct Rule<'a> {
    name: &'a str,
    description: &'a str,
    tags: &'a [String],
    /// ATT&CK techniques.
    attack_ids: &'a [String],
    /// `falco`, `sigma`, or, without file, `baseline`: what is new about a workload, or `built-in`: a
    /// finding about the sensor itself.
    language: &'a str,
    file: &'a str,
    line: u32,
    /// Digest of the rule set that was in force.
    set_digest: &'a str,
    /// Its generation: 1 for the set that the run began with, one more for each that it took over.
    #[serde(skip_serializing_if = "is_default")]
    set_generation: u64,
    /// Id that a Sigma rule has everywhere.
    #[serde(skip_serializing_if = "is_default")]
    id: &'a str,
    /// Who wrote a Sigma rule.
    #[serde(skip_serializing_if = "is_default")]
    author: &'a str,
    /// Level of a Sigma rule.
    #[serde(skip_serializing_if = "is_default")]
    level: &'a str,
    /// Where to read more.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    references: &'a [String],
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
            set_generation: rule.set_generation,
            id: &rule.id,
            author: &rule.author,
            level: &rule.level,
            references: &rule.references,
        }
    }
}

#[derive(Debug, JsonSchema, Serialize)]
struct Term<'a> {
    field: &'a str,
    operator: &'a str,
    /// Right side as written; lists are shortened.
    operand: &'a str,
    /// `null` when the event had no such field.
    value: Option<&'a str>,
    /// The term stands below a `not` and decided by being false.
    #[serde(skip_serializing_if = "is_default")]
    negated: bool,
    /// File that the term is written in.
    file: &'a str,
    line: u32,
    column: u32,
    /// Macros that lead there, that of the rule's own condition first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    macros: &'a [String],
    /// Which bytes of the value meet the operand: the first, and the one after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    met_at: Option<[u32; 2]>,
}

#[derive(Debug, JsonSchema, Serialize)]
struct NearException<'a> {
    name: &'a str,
    /// The comparison that did not hold.
    failed: Option<Term<'a>>,
}

impl<'a> From<&'a proto::NearException> for NearException<'a> {
    fn from(exception: &'a proto::NearException) -> Self {
        Self {
            name: &exception.name,
            failed: exception.failed.as_ref().map(Term::from),
        }
    }
}

impl<'a> From<&'a proto::Term> for Term<'a> {
    fn from(term: &'a proto::Term) -> Self {
        Self {
            field: &term.field,
            operator: &term.operator,
            operand: &term.operand,
            value: term.value.as_deref(),
            negated: term.negated,
            file: &term.file,
            line: term.line,
            column: term.column,
            macros: &term.macros,
            met_at: term.met_start.zip(term.met_end).map(<[u32; 2]>::from),
        }
    }
}

/// A container.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Container<'a> {
    /// 64 hexadecimal digits; empty when the cgroup is not known.
    id: &'a str,
    /// How much is known: `full`, `late`, `cgroup_only` or `failed`.
    identity: String,
    /// Why the runtime could not be asked.
    #[serde(skip_serializing_if = "str::is_empty")]
    identity_error: &'a str,
    /// `docker`, `containerd`, `cri-o`, `podman` or `unknown`.
    runtime: &'a str,
    cgroup_id: u64,
    cgroup_path: &'a str,
    #[serde(flatten)]
    metadata: Option<Metadata<'a>>,
}

/// What only the runtime knows.
#[derive(Debug, JsonSchema, Serialize)]
struct Metadata<'a> {
    name: &'a str,
    /// As the user wrote it.
    image: &'a str,
    image_repository: &'a str,
    image_tag: &'a str,
    image_digest: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    privileged: Option<bool>,
    mounts: Vec<Mount<'a>>,
    /// When it started.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("format" = "date-time"))]
    started: String,
    /// Pid of its first process on the node.
    #[serde(skip_serializing_if = "is_default")]
    init_pid: u32,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Mount<'a> {
    /// Path on the node or name of a volume.
    source: &'a str,
    /// Path in the container.
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
