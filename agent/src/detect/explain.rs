//! What a rule needs and what it costs, for people and programs.

mod condition;
mod cost;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::approvers;
use super::catalogue::{FieldInfo, info};
use super::compile::OutputPart;
use super::index;
use super::ir::{Leaf, LeafId, Node, Source, Test};
use super::lint::source::Sources;
use super::load::definitions::RuleDefinition;
use super::load::{Loaded, RuleFile};
use super::samples::{Expectation, Sample};
use super::set::{Rule, RuleSet};
use crate::model::{ClassSummary, Syscall};
pub use condition::ExplainedTerm;
pub use cost::{Cost, CostClass};

/// What `rules explain` tells of a rule.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Name.
    pub name: String,
    /// Priority, in Falco's words.
    pub priority: &'static str,
    /// Evaluated.
    pub enabled: bool,
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Description.
    pub description: String,
    /// Tags as written.
    pub tags: Vec<String>,
    /// Event types that the rule can fire on.
    pub events: Vec<ExplainedEvent>,
    /// What the kernel must keep of these events for the rule.
    pub kept: Vec<ClassSummary>,
    /// Fields that the condition compares or the output prints.
    pub fields: Vec<ExplainedField>,
    /// What the rule costs.
    pub cost: Cost,
    /// The condition, macros in their place.
    pub condition: ExplainedTerm,
    /// Exceptions.
    pub exceptions: Vec<ExplainedException>,
    /// Samples that exist.
    pub samples: SampleCount,
}

/// An event type that a rule can fire on.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedEvent {
    /// Falco's name.
    pub event_type: &'static str,
    /// The sensor's topic that produces it, as in `doctor`.
    pub hook: &'static str,
    /// What narrows the rule down on these events.
    pub discriminator: Option<Discriminator>,
}

/// Comparisons of which one must hold before the rule is looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Discriminator {
    /// The comparisons.
    pub terms: Vec<String>,
    /// Share of events that are expected to meet one, an estimate.
    pub share: f32,
}

/// A field that a rule reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedField {
    /// Name.
    pub name: &'static str,
    /// Compared in the condition; else printed only.
    pub compared: bool,
    /// Unknown until the container runtime has answered.
    pub runtime: bool,
    /// What to know before relying on it.
    pub limit: Option<&'static str>,
    /// Event types of the rule that never have it.
    pub missing_on: Vec<&'static str>,
}

/// An exception of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedException {
    /// Name.
    pub name: String,
    /// Fields that it compares.
    pub fields: Vec<String>,
    /// How many values it has.
    pub values: usize,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Why it is there.
    pub reason: Option<String>,
    /// Its last day.
    pub expires: Option<String>,
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// Samples of a rule, by what they expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SampleCount {
    /// The rule must fire.
    pub fires: usize,
    /// It must not.
    pub quiet: usize,
    /// It must wait for the container runtime.
    pub undecided: usize,
}

/// Explains the rules of a set that was loaded from these files, in the order of their definition.
pub fn explain(loaded: &Loaded, files: &[RuleFile], samples: &[Sample]) -> Vec<Explanation> {
    let sources = Sources::read(files);
    let set = &loaded.set;
    let explained = set.rules().filter_map(|rule| {
        let mut definitions = sources.rules.iter();
        let definition = definitions.find(|found| found.name.value == rule.info.name)?;
        Some(explain_one(set, rule, definition, &sources, samples))
    });
    explained.collect()
}

fn explain_one(
    set: &RuleSet,
    rule: &Rule,
    definition: &RuleDefinition,
    sources: &Sources,
    samples: &[Sample],
) -> Explanation {
    let leaves = set.leaves();
    let info = &rule.info;
    let events: Vec<_> = rule
        .event_types
        .iter()
        .map(|syscall| ExplainedEvent {
            event_type: syscall.name(),
            hook: syscall.hook().name(),
            discriminator: discriminator(rule, leaves, syscall),
        })
        .collect();
    Explanation {
        name: info.name.clone(),
        priority: info.priority.name(),
        enabled: rule.enabled,
        file: info.file.clone(),
        line: info.line,
        description: info.description.clone(),
        tags: info.tags.clone(),
        fields: fields(rule, leaves),
        cost: cost::of(rule, leaves, &events),
        events,
        kept: approvers::summary_of_rule(rule, leaves),
        condition: condition::explained(&definition.condition, &sources.definitions),
        exceptions: exceptions(definition),
        samples: count(&info.name, samples),
    }
}

fn discriminator(rule: &Rule, leaves: &[Leaf], syscall: Syscall) -> Option<Discriminator> {
    let anchor = index::discriminator(rule, leaves, syscall)?;
    let shown = |id: &LeafId| {
        let shown = &leaves[*id as usize].shown;
        format!("{} {} {}", shown.field, shown.operator, shown.operand)
    };
    Some(Discriminator {
        terms: anchor.leaves.iter().map(shown).collect(),
        share: anchor.share,
    })
}

fn fields(rule: &Rule, leaves: &[Leaf]) -> Vec<ExplainedField> {
    let mut found: BTreeMap<&'static str, (&'static FieldInfo, bool)> = BTreeMap::new();
    let mut printed = |source: &Source| {
        each_field(source, &mut |info| {
            found.entry(info.name).or_insert((info, false));
        });
    };
    for part in &rule.output {
        if let OutputPart::Value(source) = part {
            printed(source);
        }
    }
    for id in leaf_ids(&rule.condition) {
        let leaf = &leaves[id as usize];
        let mut compared = |info: &'static FieldInfo| {
            found.insert(info.name, (info, true));
        };
        each_field(&leaf.left, &mut compared);
        if let Test::Dynamic(_, right) = &leaf.test {
            each_field(right, &mut compared);
        }
    }
    let explained = found.into_values().map(|(info, compared)| ExplainedField {
        name: info.name,
        compared,
        runtime: info.needs_metadata,
        limit: info.limit,
        missing_on: rule
            .event_types
            .intersection(info.on.complement())
            .iter()
            .map(|syscall| syscall.name())
            .collect(),
    });
    explained.collect()
}

fn each_field(source: &Source, visit: &mut dyn FnMut(&'static FieldInfo)) {
    match source {
        Source::Field { id, .. } => visit(info(*id)),
        Source::Transform(_, inner) => each_field(inner, visit),
        Source::Join { parts, .. } => {
            for part in parts {
                each_field(part, visit);
            }
        }
        _ => {}
    }
}

/// The comparisons of a condition.
fn leaf_ids(node: &Node) -> BTreeSet<LeafId> {
    fn gather(node: &Node, found: &mut BTreeSet<LeafId>) {
        match node {
            Node::Leaf(term) => {
                found.insert(term.leaf);
            }
            Node::Not(child) => gather(child, found),
            Node::And(children) | Node::Or(children) | Node::One(children) => {
                for child in children {
                    gather(child, found);
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    gather(node, &mut found);
    found
}

fn exceptions(definition: &RuleDefinition) -> Vec<ExplainedException> {
    let explained = definition.exceptions.iter().map(|exception| {
        let place = &exception.place;
        let fields = exception.fields.iter().map(|field| field.value.clone());
        ExplainedException {
            name: exception.name.value.clone(),
            fields: fields.collect(),
            values: exception.values.len(),
            owner: exception.owner.as_ref().map(|owner| owner.value.clone()),
            reason: exception.reason.as_ref().map(|reason| reason.value.clone()),
            expires: exception
                .expires
                .as_ref()
                .map(|expires| expires.date.value.clone()),
            file: place.file.to_string(),
            line: place.line,
        }
    });
    explained.collect()
}

fn count(rule: &str, samples: &[Sample]) -> SampleCount {
    let mut count = SampleCount::default();
    for sample in samples.iter().filter(|sample| sample.rule == rule) {
        match sample.expect {
            Expectation::Fires => count.fires += 1,
            Expectation::Quiet => count.quiet += 1,
            Expectation::Undecided => count.undecided += 1,
        }
    }
    count
}
