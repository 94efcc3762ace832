//! A field of the event, and all that the rules compare it with as their anchors.

use std::collections::HashMap;

use super::super::catalogue::{FieldArg, FieldId};
use super::super::eval::{Memo, Scratch};
use super::super::fields::FieldSource;
use super::super::ir::{Leaf, LeafId, Source, Test};
use super::super::truth::Truth;
use super::super::value::{Scalar, Value};
use super::numbers::{Flags, Networks, Numbers};
use super::texts::{Texts, TextsBuilder};
use super::{Hit, Positions};

/// One field.
#[derive(Debug)]
pub(super) struct Slot {
    field: FieldId,
    argument: Option<FieldArg>,
    /// All rules that have their anchor here: as long as the value is not known, each may match.
    rules: Positions,
    texts: Option<Texts>,
    /// Compared in lower case.
    folded: Option<Texts>,
    numbers: Numbers,
    flags: Flags,
    networks: Networks,
}

impl Slot {
    /// Adds the rules whose anchors the event meets.
    pub(super) fn look_up(
        &self,
        event: &impl FieldSource,
        hits: &[Hit],
        found: &mut Positions,
        memo: &mut Memo,
        scratch: &mut Scratch,
    ) {
        let (text, folded) = scratch.for_look_up();
        match event.get(self.field, self.argument.as_ref(), text) {
            Value::Missing => {}
            Value::Unknown => found.add_all(&self.rules),
            Value::One(scalar) => self.scalar(scalar, folded, hits, found, memo),
            Value::Many(values) => {
                for scalar in values {
                    self.scalar(scalar, folded, hits, found, memo);
                }
            }
        }
    }

    fn scalar(
        &self,
        scalar: Scalar<'_>,
        folded: &mut Vec<u8>,
        hits: &[Hit],
        found: &mut Positions,
        memo: &mut Memo,
    ) {
        let mut met = |hit: u32| {
            let hit = &hits[hit as usize];
            if hit.decided {
                memo.remember(hit.leaf, Truth::True);
            }
            for position in &hit.rules {
                found.add(*position);
            }
        };
        match scalar {
            Scalar::Text(text) => {
                if let Some(texts) = &self.texts {
                    texts.look_up(text, &mut met);
                }
                if let Some(texts) = &self.folded {
                    folded.clear();
                    folded.extend(text.iter().map(u8::to_ascii_lowercase));
                    texts.look_up(folded, &mut met);
                }
            }
            Scalar::Number(number) => self.numbers.look_up(number, met),
            Scalar::Bool(flag) => self.flags.look_up(flag, met),
            Scalar::Address(address) => self.networks.look_up(address, met),
        }
    }
}

/// The slots of a group under construction.
#[derive(Debug)]
pub(super) struct SlotBuilder {
    /// Number of rules.
    rules: usize,
    slots: Vec<Parts>,
    by_field: HashMap<(FieldId, Option<FieldArg>), usize>,
    hits: Vec<Hit>,
}

#[derive(Debug)]
struct Parts {
    slot: Slot,
    texts: Option<TextsBuilder>,
    folded: Option<TextsBuilder>,
}

impl SlotBuilder {
    pub(super) fn new(rules: usize) -> Self {
        Self {
            rules,
            slots: Vec::new(),
            by_field: HashMap::new(),
            hits: Vec::new(),
        }
    }

    /// Enters a comparison that is an anchor of the rules at these positions.
    pub(super) fn add(&mut self, id: LeafId, leaf: &Leaf, positions: &[u32]) {
        let Source::Field {
            id: field,
            argument,
        } = &leaf.left
        else {
            unreachable!("an anchor compares a field");
        };
        let hit = self.hits.len() as u32;
        self.hits.push(Hit {
            leaf: id,
            decided: !matches!(leaf.test, Test::Glob(_) | Test::GlobFolded(_)),
            rules: positions.into(),
        });
        let parts = self.parts(*field, argument.clone());
        for position in positions {
            parts.slot.rules.add(*position);
        }
        parts.add(&leaf.test, hit);
    }

    fn parts(&mut self, field: FieldId, argument: Option<FieldArg>) -> &mut Parts {
        let next = self.slots.len();
        let key = (field, argument.clone());
        let position = *self.by_field.entry(key).or_insert(next);
        if position == next {
            self.slots.push(Parts {
                slot: Slot {
                    field,
                    argument,
                    rules: Positions::none(self.rules),
                    texts: None,
                    folded: None,
                    numbers: Numbers::default(),
                    flags: Flags::default(),
                    networks: Networks::default(),
                },
                texts: None,
                folded: None,
            });
        }
        &mut self.slots[position]
    }

    pub(super) fn finish(self) -> (Box<[Slot]>, Box<[Hit]>) {
        let slots = self.slots.into_iter().map(Parts::finish).collect();
        (slots, self.hits.into())
    }
}

impl Parts {
    fn texts(&mut self) -> &mut TextsBuilder {
        self.texts.get_or_insert_with(TextsBuilder::new)
    }

    fn folded(&mut self) -> &mut TextsBuilder {
        self.folded.get_or_insert_with(TextsBuilder::new)
    }

    fn add(&mut self, test: &Test, hit: u32) {
        match test {
            Test::Equal(text) => self.texts().equal(text, hit),
            Test::TextIn(texts) => {
                for text in texts {
                    self.texts().equal(text, hit);
                }
            }
            Test::Prefix(prefix) => self.texts().prefix(prefix, hit),
            Test::Suffix(suffix) => self.texts().suffix(suffix, hit),
            Test::Contains(finder) => self.texts().part(finder.needle(), hit),
            Test::EqualFolded(text) => self.folded().equal(text, hit),
            Test::PrefixFolded(prefix) => self.folded().prefix(prefix, hit),
            Test::SuffixFolded(suffix) => self.folded().suffix(suffix, hit),
            Test::ContainsFolded(needle) => self.folded().part(needle, hit),
            Test::PathPrefix(prefixes) => {
                for path in prefixes.plain().into_iter().flatten() {
                    self.texts().path(path, hit);
                }
            }
            Test::Glob(glob) => {
                let literal = glob.longest_literal().unwrap_or_default();
                self.texts().part(literal, hit);
            }
            Test::GlobFolded(glob) => {
                let literal = glob.longest_literal().unwrap_or_default();
                self.folded().part(&literal.to_ascii_lowercase(), hit);
            }
            Test::NumberIn(numbers) => {
                for number in numbers {
                    self.slot.numbers.add(*number, hit);
                }
            }
            Test::Bool(flag) => self.slot.flags.add(*flag, hit),
            Test::Address(networks) => {
                for network in networks {
                    self.slot.networks.add(network, hit);
                }
            }
            _ => unreachable!("anchors are comparisons that can be looked up"),
        }
    }

    fn finish(self) -> Slot {
        Slot {
            texts: self.texts.map(TextsBuilder::finish),
            folded: self.folded.map(TextsBuilder::finish),
            ..self.slot
        }
    }
}
