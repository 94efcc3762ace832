//! Which rules can an event concern? Found without a look at each of them.
//!
//! Of every rule one *anchor* is chosen: comparisons of which at least one must hold, or be unknown,
//! for the rule to match. The anchors of all rules that concern an event type stand together, by
//! field: literals in a hash table, prefixes and suffixes in tries, substrings in one Aho-Corasick
//! automaton, networks by length. An event is compared with each field's anchors at once, so its cost
//! follows the number of fields, not that of rules. Only the rules of anchors that were met are
//! evaluated, and those that have none.

pub(in crate::detect) mod anchor;
mod numbers;
mod slot;
mod texts;
mod trie;

use std::collections::HashMap;

use super::eval::{Memo, Scratch};
use super::event_types::EventTypes;
use super::fields::FieldSource;
use super::ir::{Leaf, LeafId};
use super::set::{Rule, RuleIndex};
use crate::model::Syscall;
use anchor::Anchored;
use slot::{Slot, SlotBuilder};

pub(crate) use anchor::Anchor;

/// What one anchor comparison says when it is met.
#[derive(Clone, Debug)]
struct Hit {
    leaf: LeafId,
    /// The comparison holds; otherwise it may.
    decided: bool,
    /// Its rules, by their position in the group.
    rules: Box<[u32]>,
}

/// Positions of rules in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions(Vec<u64>);

impl Positions {
    fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn add(&mut self, position: u32) {
        self.0[position as usize / 64] |= 1 << (position % 64);
    }

    fn add_all(&mut self, others: &Self) {
        for (word, other) in self.0.iter_mut().zip(&others.0) {
            *word |= other;
        }
    }

    fn become_copy_of(&mut self, other: &Self) {
        self.0.clear();
        self.0.extend_from_slice(&other.0);
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest.checked_sub(1)?;
                Some(index * 64 + bit)
            })
        })
    }
}

/// The index of a set.
#[derive(Debug)]
pub(crate) struct Index {
    /// The group of each event type, in the order of [`Syscall::ALL`].
    by_type: Vec<usize>,
    groups: Vec<Group>,
}

/// Event types that the same rules concern.
#[derive(Debug)]
struct Group {
    /// In the order of their definition.
    rules: Box<[RuleIndex]>,
    /// Those without an anchor.
    always: Positions,
    slots: Box<[Slot]>,
    hits: Box<[Hit]>,
}

impl Index {
    /// Of the enabled rules.
    pub(crate) fn new(rules: &[Rule], leaves: &[Leaf]) -> Self {
        let mut types_of: HashMap<Vec<RuleIndex>, (usize, EventTypes)> = HashMap::new();
        let mut by_type = Vec::with_capacity(Syscall::ALL.len());
        for &syscall in Syscall::ALL {
            let of_type = (0..)
                .zip(rules)
                .filter(|(_, rule)| rule.enabled && rule.event_types.contains(syscall))
                .map(|(position, _)| RuleIndex(position))
                .collect();
            let next = types_of.len();
            let (group, types) = types_of.entry(of_type).or_insert((next, EventTypes::NONE));
            *types = types.union(EventTypes::of(&[syscall]));
            by_type.push(*group);
        }
        let mut groups: Vec<_> = types_of.into_iter().collect();
        groups.sort_unstable_by_key(|(_, (position, _))| *position);
        let groups = groups
            .into_iter()
            .map(|(of_type, (_, types))| Group::new(&of_type, types, rules, leaves))
            .collect();
        Self { by_type, groups }
    }

    /// Calls `each` with every rule that the event can concern, in the order of their definition.
    pub(crate) fn candidates(
        &self,
        event: &impl FieldSource,
        found: &mut Positions,
        memo: &mut Memo,
        scratch: &mut Scratch,
        mut each: impl FnMut(RuleIndex, &mut Memo, &mut Scratch),
    ) {
        let group = &self.groups[self.by_type[event.syscall().index()]];
        found.become_copy_of(&group.always);
        for slot in &group.slots {
            slot.look_up(event, &group.hits, found, memo, scratch);
        }
        for position in found.iter() {
            each(group.rules[position], memo, scratch);
        }
    }
}

impl Group {
    fn new(of_type: &[RuleIndex], types: EventTypes, rules: &[Rule], leaves: &[Leaf]) -> Self {
        let mut always = Positions::none(of_type.len());
        let mut by_leaf: HashMap<LeafId, Vec<u32>> = HashMap::new();
        let mut kept = Vec::with_capacity(of_type.len());
        for &index in of_type {
            let position = kept.len() as u32;
            match anchor::of(&rules[index.0 as usize].condition, leaves, types) {
                Anchored::Never => continue,
                Anchored::Always => always.add(position),
                Anchored::By(anchor) => {
                    for leaf in anchor.leaves {
                        by_leaf.entry(leaf).or_default().push(position);
                    }
                }
            }
            kept.push(index);
        }
        let mut by_leaf: Vec<_> = by_leaf.into_iter().collect();
        by_leaf.sort_unstable();
        let mut builder = SlotBuilder::new(kept.len());
        for (leaf, positions) in by_leaf {
            builder.add(leaf, &leaves[leaf as usize], &positions);
        }
        let (slots, hits) = builder.finish();
        Self {
            rules: kept.into(),
            always,
            slots,
            hits,
        }
    }
}

/// What narrows a rule down on an event type, for people: `None` when nothing does.
pub(crate) fn discriminator(rule: &Rule, leaves: &[Leaf], syscall: Syscall) -> Option<Anchor> {
    match anchor::of(&rule.condition, leaves, EventTypes::of(&[syscall])) {
        Anchored::By(anchor) => Some(anchor),
        Anchored::Never | Anchored::Always => None,
    }
}

#[cfg(test)]
mod tests;
