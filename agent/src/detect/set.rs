//! A loaded rule set: immutable and indexed.

use std::sync::Arc;

use super::catalogue::FieldId;
use super::compile::OutputPart;
use super::correlation::{Correlation, Correlations};
use super::eval::{self, Memo, Scratch};
use super::event_types::EventTypes;
use super::fields::FieldSource;
use super::fields::evt::Evt;
use super::index::{Index, Positions};
use super::ir::{Exception, Leaf, Node, Shown, Source, Term, Test, Written};
use super::truth::Truth;
use crate::model::{Finding, MatchedTerm, NearException, RuleInfo};

/// Position of a rule in its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIndex(pub u32);

/// A rule of a set.
#[derive(Debug)]
pub struct Rule {
    /// What people need to know of it.
    pub info: Arc<RuleInfo>,
    /// Event types that it can fire on.
    pub event_types: EventTypes,
    /// Disabled rules are loaded and never evaluated.
    pub enabled: bool,
    /// Its matches are alerts; else they only count for correlations.
    pub alerts: bool,
    pub(crate) condition: Node,
    /// Those of the condition, once more.
    pub(crate) exceptions: Vec<Exception>,
    pub(crate) output: Vec<OutputPart>,
}

/// An immutable set of rules.
#[derive(Debug)]
pub struct RuleSet {
    digest: Arc<str>,
    rules: Vec<Rule>,
    leaves: Vec<Leaf>,
    written: Vec<Written>,
    index: Index,
    correlations: Correlations,
}

/// What evaluation found, in buffers that are reused from event to event.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Rules that matched.
    pub matched: Vec<RuleIndex>,
    /// Rules that depend on values not known yet.
    pub undecided: Vec<RuleIndex>,
    candidates: Positions,
    memo: Memo,
    scratch: Scratch,
}

/// Negated terms shown with a finding, one per field: enough to see what was considered.
const NEGATED_TERMS: usize = 6;
/// Exceptions that nearly applied, shown with a finding.
const NEAR_EXCEPTIONS: usize = 3;
/// Stands for a value that can be a secret. An output that names the field shows it.
pub(super) const NOT_SHOWN: &str = "<not shown>";
/// Longest right side shown, in characters.
const OPERAND_SHOWN: usize = 160;

impl Outcome {
    /// No rule matched, and none is undecided.
    pub fn is_empty(&self) -> bool {
        self.matched.is_empty() && self.undecided.is_empty()
    }
}

impl RuleSet {
    pub(crate) fn new(
        digest: Arc<str>,
        rules: Vec<Rule>,
        leaves: Vec<Leaf>,
        written: Vec<Written>,
    ) -> Self {
        Self {
            digest,
            index: Index::new(&rules, &leaves),
            rules,
            leaves,
            written,
            correlations: Correlations::default(),
        }
    }

    /// The set, with rules about several matches of others.
    pub(crate) fn with_correlations(mut self, correlations: Vec<Correlation>) -> Self {
        self.correlations = Correlations::new(correlations);
        self
    }

    pub(crate) fn correlations(&self) -> &Correlations {
        &self.correlations
    }

    /// SHA-256 over the sources, in hexadecimal: alerts name the set that made them.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// All rules, in the order of their definition.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.rules.iter()
    }

    /// One rule.
    pub fn rule(&self, rule: RuleIndex) -> &Rule {
        &self.rules[rule.0 as usize]
    }

    /// The comparisons of all rules.
    pub(crate) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Event types that at least one enabled rule can fire on.
    pub fn event_types(&self) -> EventTypes {
        self.rules
            .iter()
            .filter(|rule| rule.enabled)
            .fold(EventTypes::NONE, |types, rule| {
                types.union(rule.event_types)
            })
    }

    /// An enabled rule compares, prints or counts by the environment of processes: the sensor captures
    /// it for no other use.
    pub fn reads_environment(&self) -> bool {
        let mut rules = self.rules.iter().filter(|rule| rule.enabled);
        rules.any(|rule| rule.condition.is_secret(&self.leaves) || is_secret(&rule.output))
            || self.correlations.are_secret()
    }

    /// Finds all rules that match the event, and those that cannot be decided yet.
    pub fn evaluate(&self, event: &impl FieldSource, outcome: &mut Outcome) {
        let Outcome {
            matched,
            undecided,
            candidates,
            memo,
            scratch,
        } = outcome;
        matched.clear();
        undecided.clear();
        memo.begin(self.leaves.len());
        let index = &self.index;
        index.candidates(event, candidates, memo, scratch, |rule, memo, scratch| {
            let condition = &self.rule(rule).condition;
            match eval::node(condition, &self.leaves, event, memo, scratch) {
                Truth::True => matched.push(rule),
                Truth::Unknown => undecided.push(rule),
                Truth::False => {}
            }
        });
    }

    /// Truth of one rule, for instance of one that was undecided before the container's metadata
    /// came.
    pub fn decide(&self, rule: RuleIndex, event: &impl FieldSource) -> Truth {
        let rule = self.rule(rule);
        if !rule.enabled || !rule.event_types.contains(event.syscall()) {
            return Truth::False;
        }
        let (mut memo, mut scratch) = (Memo::default(), Scratch::default());
        memo.begin(self.leaves.len());
        eval::node(
            &rule.condition,
            &self.leaves,
            event,
            &mut memo,
            &mut scratch,
        )
    }

    /// What to tell people about a rule that matched, or that stayed undecided.
    pub fn finding(&self, rule: RuleIndex, event: &impl FieldSource) -> Finding {
        let rule = self.rule(rule);
        let mut terms = Terms::new(self, event);
        match terms.truth(&rule.condition) {
            Truth::Unknown => terms.open(&rule.condition, false),
            outcome => terms.decisive(&rule.condition, outcome, false),
        }
        Finding {
            rule: Arc::clone(&rule.info),
            output: render(&rule.output, event),
            near_exceptions: terms.near(&rule.exceptions),
            evidence: terms.evidence,
            undecided: terms.undecided,
            baseline: None,
        }
    }
}

/// Some part of the output reads an environment.
fn is_secret(output: &[OutputPart]) -> bool {
    let mut parts = output.iter();
    parts.any(|part| matches!(part, OutputPart::Value(source) if source.is_secret()))
}

fn render(parts: &[OutputPart], event: &impl FieldSource) -> String {
    let mut output = String::new();
    for part in parts {
        match part {
            OutputPart::Text(text) => output.push_str(text),
            OutputPart::Value(source) => {
                let value = eval::shown(source, event);
                output.push_str(value.as_deref().unwrap_or("<NA>"));
            }
        }
    }
    output
}

/// Gathers the terms that people are shown.
struct Terms<'a, E> {
    set: &'a RuleSet,
    event: &'a E,
    memo: Memo,
    scratch: Scratch,
    evidence: Vec<MatchedTerm>,
    undecided: Vec<MatchedTerm>,
    negated: usize,
}

impl<'a, E: FieldSource> Terms<'a, E> {
    fn new(set: &'a RuleSet, event: &'a E) -> Self {
        let mut memo = Memo::default();
        memo.begin(set.leaves.len());
        Self {
            set,
            event,
            memo,
            scratch: Scratch::default(),
            evidence: Vec::new(),
            undecided: Vec::new(),
            negated: 0,
        }
    }

    fn truth(&mut self, node: &Node) -> Truth {
        let leaves = &self.set.leaves;
        eval::node(node, leaves, self.event, &mut self.memo, &mut self.scratch)
    }

    /// Adds the leaves that made a node what it is.
    fn decisive(&mut self, node: &Node, outcome: Truth, negated: bool) {
        match (node, outcome) {
            (Node::Leaf(term), _) => self.add_evidence(*term, negated),
            (Node::Not(child), _) => self.decisive(child, outcome.negate(), !negated),
            // All operands were needed.
            (Node::And(children), Truth::True) | (Node::Or(children), Truth::False) => {
                for child in children {
                    self.decisive(child, outcome, negated);
                }
            }
            // One operand was enough: the first.
            (Node::And(children) | Node::Or(children), _) => {
                for child in children {
                    if self.truth(child) == outcome {
                        return self.decisive(child, outcome, negated);
                    }
                }
            }
            (Node::One(children), _) => {
                for child in children {
                    if self.truth(child) == Truth::True {
                        self.decisive(child, Truth::True, negated);
                    }
                }
            }
        }
    }

    /// For an undecided node: what is open, and what has been decided in favour so far.
    fn open(&mut self, node: &Node, negated: bool) {
        match node {
            Node::Leaf(term) => self.add_undecided(*term, negated),
            Node::Not(child) => self.open(child, !negated),
            Node::And(children) | Node::Or(children) | Node::One(children) => {
                for child in children {
                    match self.truth(child) {
                        Truth::Unknown => self.open(child, negated),
                        // What an undecided conjunction has for itself already.
                        outcome if matches!(node, Node::And(_)) => {
                            self.decisive(child, outcome, negated);
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Exceptions of several comparisons of which all but one hold: at most one for each exception.
    fn near(&mut self, exceptions: &[Exception]) -> Vec<NearException> {
        let mut near = Vec::new();
        for exception in exceptions {
            let failed = exception.alternatives.iter().find_map(|alternative| {
                let Node::And(comparisons) = alternative else {
                    return None;
                };
                let mut failed = comparisons
                    .iter()
                    .filter(|comparison| self.truth(comparison) != Truth::True);
                match (failed.next(), failed.next()) {
                    (Some(Node::Leaf(term)), None) => Some(*term),
                    _ => None,
                }
            });
            if let Some(failed) = failed {
                near.push(NearException {
                    name: exception.name.clone(),
                    failed: self.term(failed, false),
                });
            }
            if near.len() == NEAR_EXCEPTIONS {
                break;
            }
        }
        near
    }

    fn add_evidence(&mut self, term: Term, negated: bool) {
        let leaf = &self.set.leaves[term.leaf as usize];
        if is_placeholder(leaf) {
            return;
        }
        let shown_already = |other: &MatchedTerm| other.negated && other.field == leaf.shown.field;
        if negated {
            if self.negated == NEGATED_TERMS || self.evidence.iter().any(shown_already) {
                return;
            }
            self.negated += 1;
        }
        let term = self.term(term, negated);
        if !self.evidence.contains(&term) {
            self.evidence.push(term);
        }
    }

    fn add_undecided(&mut self, term: Term, negated: bool) {
        let term = self.term(term, negated);
        if !self.undecided.contains(&term) {
            self.undecided.push(term);
        }
    }

    fn term(&self, term: Term, negated: bool) -> MatchedTerm {
        let leaf = &self.set.leaves[term.leaf as usize];
        let Written { place, macros } = &self.set.written[term.written as usize];
        let secret = leaf.left.is_secret();
        let met_at = if negated || secret {
            None
        } else {
            eval::met_at(leaf, self.event)
        };
        let Shown {
            field,
            operator,
            operand,
        } = &leaf.shown;
        MatchedTerm {
            field: field.clone(),
            operator: operator.clone(),
            operand: shortened(operand),
            value: if secret {
                Some(NOT_SHOWN.to_owned())
            } else {
                eval::shown(&leaf.left, self.event)
            },
            negated,
            met_at,
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            macros: macros.iter().map(|name| name.to_string()).collect(),
        }
    }
}

/// A term that holds or fails for every event: `evt.num=0`, an empty list. Rule files have them as
/// places to be filled in; they tell nothing of the event.
fn is_placeholder(leaf: &Leaf) -> bool {
    let number = FieldId::Evt(Evt::Num);
    matches!(leaf.test, Test::Never)
        || matches!(&leaf.left, Source::Field { id, .. } if *id == number)
}

fn shortened(operand: &str) -> String {
    match operand.char_indices().nth(OPERAND_SHOWN) {
        None => operand.to_owned(),
        Some((end, _)) => format!("{}…", &operand[..end]),
    }
}
