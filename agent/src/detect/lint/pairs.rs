//! Rules that say the same, or less than another one.

use std::collections::HashMap;

use super::super::ir::{LeafId, Node, Test};
use super::super::report::WarningKind;
use super::Notes;
use super::compiled::{Compiled, CompiledRule};
use super::contradiction::{Placeholders, Prover, Term};
use super::implied::implies;

pub(super) fn find(compiled: &Compiled<'_>, notes: &mut Notes) {
    let pairs = Pairs {
        compiled,
        prover: Prover::new(&compiled.leaves, Placeholders::AsLoaded),
    };
    let rules: Vec<_> = compiled
        .rules
        .iter()
        .filter(|rule| rule.definition.enabled)
        .collect();
    let facets: Vec<_> = rules.iter().map(|rule| pairs.facet(rule)).collect();
    for (position, facet) in facets.iter().enumerate() {
        for (other_position, other) in facets.iter().enumerate() {
            if position == other_position || !pairs.is_narrower(facet, other) {
                continue;
            }
            let same = pairs.is_narrower(other, facet);
            // Of two equal rules the later one is told.
            if !same || position > other_position {
                tell(facet.rule, other.rule, same, notes);
            }
        }
    }
}

fn tell(rule: &CompiledRule<'_>, other: &CompiledRule<'_>, same: bool, notes: &mut Notes) {
    let (rule, other) = (rule.definition, other.definition);
    let (name, place) = (&other.name.value, other.name.start());
    if same {
        let reason = format!("the rule has the same condition as '{name}' ({place})");
        let hint = "remove one of them: both fire on each event";
        let kind = WarningKind::DuplicateRule;
        notes.add(
            kind,
            Some(&rule.name.value),
            &rule.name.start(),
            reason,
            hint,
        );
    } else if !is_more_urgent(rule.priority, other.priority) {
        let reason = format!("wherever the rule fires '{name}' ({place}) fires too");
        let hint = format!(
            "give it a more urgent priority, exclude its events from '{name}', or remove it"
        );
        let kind = WarningKind::ShadowedRule;
        notes.add(
            kind,
            Some(&rule.name.value),
            &rule.name.start(),
            reason,
            hint,
        );
    }
}

fn is_more_urgent(priority: crate::model::Priority, other: crate::model::Priority) -> bool {
    priority != other && priority.at_least(other)
}

/// A rule with what is looked at first.
struct Facet<'a> {
    rule: &'a CompiledRule<'a>,
    /// The condition never holds, so nothing is said of it.
    never: bool,
    /// Comparisons anywhere in the condition that do not stand below a `not`, by what they read.
    holds: HashMap<&'a str, Vec<LeafId>>,
    /// Parts that all must hold.
    parts: Vec<Term<'a>>,
}

struct Pairs<'a> {
    compiled: &'a Compiled<'a>,
    prover: Prover<'a>,
}

impl<'a> Pairs<'a> {
    fn facet(&self, rule: &'a CompiledRule<'a>) -> Facet<'a> {
        let whole = Term::holds(&rule.whole);
        let mut facet = Facet {
            rule,
            never: self.prover.contradict(&[whole]),
            holds: HashMap::new(),
            parts: Vec::new(),
        };
        self.gather(whole, &mut facet.holds);
        split(whole, &mut facet.parts);
        facet
    }

    fn gather(&self, term: Term<'a>, holds: &mut HashMap<&'a str, Vec<LeafId>>) {
        let negated = term.negated;
        match term.node {
            Node::Leaf(found) if !negated => {
                let field = self.compiled.leaves[found.leaf as usize]
                    .shown
                    .field
                    .as_str();
                holds.entry(field).or_default().push(found.leaf);
            }
            Node::Leaf(_) => {}
            Node::Not(node) => self.gather(
                Term {
                    node,
                    negated: !negated,
                },
                holds,
            ),
            Node::And(nodes) | Node::Or(nodes) | Node::One(nodes) => {
                for node in nodes {
                    self.gather(Term { node, negated }, holds);
                }
            }
        }
    }

    /// Wherever the first rule fires the second one does.
    fn is_narrower(&self, first: &Facet<'_>, second: &Facet<'_>) -> bool {
        if first.never || second.never {
            return false;
        }
        let whole = Term::holds(&first.rule.whole);
        // A cheap look first: a comparison that the second rule needs must follow from one of the
        // first rule's.
        let plausible = |part: &Term<'_>| match part.node {
            Node::Leaf(found) if !part.negated => self.has_reason(first, found.leaf),
            _ => true,
        };
        second.parts.iter().all(plausible)
            && second
                .parts
                .iter()
                .all(|part| self.prover.follows(&[whole], *part))
    }

    fn has_reason(&self, first: &Facet<'_>, id: LeafId) -> bool {
        let leaf = &self.compiled.leaves[id as usize];
        // Which event types are left is told by more than comparisons of the type.
        if matches!(leaf.test, Test::EventType(_)) {
            return true;
        }
        let known = first.holds.get(leaf.shown.field.as_str());
        known.is_some_and(|known| {
            known
                .iter()
                .any(|other| implies(&self.compiled.leaves[*other as usize], leaf))
        })
    }
}

/// The parts of a conjunction.
fn split<'a>(term: Term<'a>, parts: &mut Vec<Term<'a>>) {
    let negated = term.negated;
    match (term.node, negated) {
        (Node::Not(node), _) => split(
            Term {
                node,
                negated: !negated,
            },
            parts,
        ),
        (Node::And(nodes), false) | (Node::Or(nodes), true) => {
            for node in nodes {
                split(Term { node, negated }, parts);
            }
        }
        _ => parts.push(term),
    }
}
