//! Can some terms hold at once?
//!
//! A tableau: conjunctions are taken apart, disjunctions are tried alternative by alternative, and a
//! way ends where two comparisons contradict each other or no event type is left. Comparisons are
//! judged in pairs, so a contradiction that needs three of them is not found. What cannot be shown
//! within [`STEPS`] counts as possible: a warning is never a guess.

use std::collections::HashMap;

use super::super::catalogue::{FieldId, info};
use super::super::event_types::EventTypes;
use super::super::fields::evt::Evt;
use super::super::ir::{Leaf, LeafId, Node, Source, Test};
use super::implied::{exclude, implies};

/// A condition, or its negation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term<'a> {
    pub(super) node: &'a Node,
    pub(super) negated: bool,
}

impl<'a> Term<'a> {
    pub(super) fn holds(node: &'a Node) -> Self {
        let negated = false;
        Self { node, negated }
    }

    #[must_use]
    pub(super) fn negate(self) -> Self {
        Self {
            negated: !self.negated,
            ..self
        }
    }
}

/// Alternatives that one question may look at.
const STEPS: usize = 20_000;

/// What is known of an event so far.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    holds: Vec<LeafId>,
    fails: Vec<LeafId>,
    types: EventTypes,
}

/// Answers questions about the terms of one table of comparisons.
pub(super) struct Prover<'a> {
    leaves: &'a [Leaf],
    /// What each comparison reads, as a number: comparisons of different things say nothing about
    /// each other.
    fields: Vec<usize>,
    placeholders: Placeholders,
}

/// What to make of comparisons that hold or fail by convention, until somebody fills them: empty
/// lists, and the number of the event, with which rule files write "never" and "always".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placeholders {
    /// They may hold and may fail, one time so and the next time otherwise.
    Open,
    /// They are what they are now.
    AsLoaded,
}

/// Alternatives of which one holds.
#[derive(Clone, Copy)]
struct Choice<'a> {
    children: &'a [Node],
    negated: bool,
}

impl<'a> Choice<'a> {
    fn terms(self) -> impl Iterator<Item = Term<'a>> {
        let negated = self.negated;
        self.children.iter().map(move |node| Term { node, negated })
    }
}

impl<'a> Prover<'a> {
    pub(super) fn new(leaves: &'a [Leaf], placeholders: Placeholders) -> Self {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let number = |leaf: &'a Leaf| {
            let next = numbers.len();
            *numbers.entry(&leaf.shown.field).or_insert(next)
        };
        Self {
            leaves,
            fields: leaves.iter().map(number).collect(),
            placeholders,
        }
    }

    /// No event makes all the terms hold.
    pub(super) fn contradict(&self, terms: &[Term<'_>]) -> bool {
        let mut steps = STEPS;
        self.refute(terms.to_vec(), Facts::default(), Vec::new(), &mut steps)
    }

    /// The term holds wherever the others do.
    pub(super) fn follows(&self, from: &[Term<'_>], term: Term<'_>) -> bool {
        let mut terms = from.to_vec();
        terms.push(term.negate());
        self.contradict(&terms)
    }

    /// Event types on which the terms can hold, as far as comparisons that all must hold tell.
    pub(super) fn types(&self, terms: &[Term<'_>]) -> EventTypes {
        let (mut facts, mut choices) = (Facts::default(), Vec::new());
        self.gather(terms.to_vec(), &mut facts, &mut choices);
        facts.types
    }

    /// Takes conjunctions apart; false when they contradict each other.
    fn gather<'n>(
        &self,
        mut pending: Vec<Term<'n>>,
        facts: &mut Facts,
        choices: &mut Vec<Choice<'n>>,
    ) -> bool {
        while let Some(Term { node, negated }) = pending.pop() {
            match (node, negated) {
                (Node::Leaf(found), _) if self.says_nothing(found.leaf) => {}
                (Node::Leaf(found), _) => {
                    if !self.add(facts, found.leaf, negated) {
                        return false;
                    }
                }
                (Node::Not(child), _) => pending.push(Term {
                    node: child,
                    negated: !negated,
                }),
                (Node::And(children), false) | (Node::Or(children), true) => {
                    pending.extend(Choice { children, negated }.terms());
                }
                (Node::Or(children), false)
                | (Node::And(children), true)
                // Exactly one is at least one.
                | (Node::One(children), false) => choices.push(Choice { children, negated }),
                // None, or more than one: that says nothing about any of them.
                (Node::One(_), true) => {}
            }
        }
        true
    }

    /// Adds a comparison; false when it contradicts what is known.
    fn add(&self, facts: &mut Facts, id: LeafId, negated: bool) -> bool {
        facts.types = self.types_with(facts, id, negated);
        let possible = self.is_possible(facts, id, negated);
        let list = if negated {
            &mut facts.fails
        } else {
            &mut facts.holds
        };
        list.push(id);
        possible
    }

    /// Event types that are left when a comparison holds too.
    fn types_with(&self, facts: &Facts, id: LeafId, negated: bool) -> EventTypes {
        let leaf = self.leaf(id);
        let types = match (&leaf.test, &leaf.left) {
            (Test::EventType(types), _) if negated => types.complement(),
            (Test::EventType(types), _) => *types,
            (_, Source::Field { id, .. }) if !negated => info(*id).on,
            _ => EventTypes::ALL,
        };
        facts.types.intersection(types)
    }

    fn is_possible(&self, facts: &Facts, id: LeafId, negated: bool) -> bool {
        if self.types_with(facts, id, negated).is_empty() {
            return false;
        }
        let leaf = self.leaf(id);
        let field = self.fields[id as usize];
        let related = |ids: &'_ [LeafId], speaks_against: &dyn Fn(&Leaf) -> bool| {
            ids.iter()
                .filter(|other| self.fields[**other as usize] == field)
                .any(|other| speaks_against(self.leaf(*other)))
        };
        if negated {
            return !related(&facts.holds, &|other| implies(other, leaf));
        }
        !related(&facts.fails, &|other| implies(leaf, other))
            && !related(&facts.holds, &|other| exclude(leaf, other))
    }

    fn refute<'n>(
        &self,
        pending: Vec<Term<'n>>,
        mut facts: Facts,
        mut choices: Vec<Choice<'n>>,
        steps: &mut usize,
    ) -> bool {
        if !self.gather(pending, &mut facts, &mut choices) {
            return true;
        }
        // Choices of which at most one alternative is left are none.
        let mut position = 0;
        let mut narrowest: Option<(usize, usize)> = None;
        while position < choices.len() {
            let choice = choices[position];
            let looked_at = choice.children.len();
            if *steps < looked_at {
                return false;
            }
            *steps -= looked_at;
            let mut left = choice.terms().filter(|term| self.is_open(&facts, *term));
            match (left.next(), left.count()) {
                (None, _) => return true,
                (Some(only), 0) => {
                    choices.swap_remove(position);
                    if !self.gather(vec![only], &mut facts, &mut choices) {
                        return true;
                    }
                    (position, narrowest) = (0, None);
                }
                (Some(_), more) => {
                    if narrowest.is_none_or(|(_, least)| more < least) {
                        narrowest = Some((position, more));
                    }
                    position += 1;
                }
            }
        }
        let Some((position, _)) = narrowest else {
            return false;
        };
        let choice = choices.swap_remove(position);
        choice
            .terms()
            .all(|term| self.refute(vec![term], facts.clone(), choices.clone(), steps))
    }

    /// Nothing that is known speaks against the term, at a first look.
    fn is_open(&self, facts: &Facts, term: Term<'_>) -> bool {
        match (term.node, term.negated) {
            (Node::Leaf(found), _) if self.says_nothing(found.leaf) => true,
            (Node::Leaf(found), negated) => self.is_possible(facts, found.leaf, negated),
            (Node::Not(child), negated) => {
                let negated = !negated;
                self.is_open(
                    facts,
                    Term {
                        node: child,
                        negated,
                    },
                )
            }
            _ => {
                let (mut facts, mut choices) = (facts.clone(), Vec::new());
                self.gather(vec![term], &mut facts, &mut choices)
            }
        }
    }

    fn says_nothing(&self, id: LeafId) -> bool {
        let leaf = self.leaf(id);
        let by_convention = matches!(leaf.test, Test::Never)
            || matches!(&leaf.left, Source::Field { id, .. } if *id == FieldId::Evt(Evt::Num));
        by_convention && self.placeholders == Placeholders::Open
    }

    fn leaf(&self, id: LeafId) -> &'a Leaf {
        &self.leaves[id as usize]
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            holds: Vec::new(),
            fails: Vec::new(),
            types: EventTypes::ALL,
        }
    }
}
