//! Approvers: what the kernel needs to know of the rules to drop events that none of them can want.
//!
//! For each class of events, a call and how it ended, every enabled rule is evaluated as far as the
//! class decides. What is left of a rule is nothing, or comparisons of which one must hold: names of
//! the path, ports. Where none of these narrows a rule down, the class is kept whole. What is said of
//! a class may be too wide, never too narrow: a comparison that is not understood may hold.

mod class;
mod names;
#[cfg(test)]
mod properties;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use gravlens_common::{ApproverTable, EventClass, port_bit};

use super::catalogue::FieldId;
use super::fields::fd::Fd;
use super::index::anchor::{Anchored, View, in_view};
use super::ir::{Leaf, Source, Test};
use super::set::{Rule, RuleSet};
use crate::model::{ClassSummary, Event, Syscall};
use class::Class;

pub use names::NamePattern;

/// Share of connections that are expected to have a given port: an estimate.
const ONE_PORT: f32 = 0.02;

/// Which events the rules of a set can want.
#[derive(Clone, Debug)]
pub struct Approvers {
    classes: Vec<ClassApprover>,
    table: Box<ApproverTable>,
}

/// What the rules want of one class of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassApprover {
    /// The call.
    pub call: Syscall,
    /// How it ended.
    pub class: EventClass,
    /// What is kept.
    pub wanted: Wanted,
}

/// What is wanted of a class of events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// None of them.
    Nothing,
    /// Those with a path that has one of these.
    Names(BTreeSet<NamePattern>),
    /// Those with one of these ports at either end.
    Ports(BTreeSet<u16>),
    /// All of them.
    Everything {
        /// Rules that nothing narrows down, by name.
        rules: BTreeSet<String>,
    },
}

impl Approvers {
    /// Approvers that keep every event.
    pub fn keep_all() -> Self {
        Self {
            classes: Vec::new(),
            table: Box::new(ApproverTable::KEEP_ALL),
        }
    }

    /// The approvers of a set.
    pub fn of(set: &RuleSet) -> Self {
        let classes: Vec<_> = Syscall::ALL
            .iter()
            .flat_map(|&call| {
                let classes = EventClass::all_of(call).iter();
                classes.map(move |&class| ClassApprover {
                    call,
                    class,
                    wanted: Class { call, class }.wanted_by(set),
                })
            })
            .collect();
        Self {
            table: Box::new(table::of(&classes)),
            classes,
        }
    }

    /// Each class with what is wanted of it.
    pub fn classes(&self) -> &[ClassApprover] {
        &self.classes
    }

    /// The form in which the kernel looks it up.
    pub fn table(&self) -> &ApproverTable {
        &self.table
    }

    /// Whether the kernel keeps the event: the same decision as that of its programs.
    pub fn keeps(&self, event: &Event<'_>) -> bool {
        table::keeps(&self.table, event)
    }

    /// The same of an open with this path, as the kernel built it; `None` of one that is not whole.
    pub fn keeps_open(&self, call: Syscall, class: EventClass, path: Option<&[u8]>) -> bool {
        table::keeps_open(&self.table, call, class, path)
    }

    /// The same of a socket call with these ports at its ends.
    pub fn keeps_socket(&self, call: Syscall, class: EventClass, ports: [u16; 2]) -> bool {
        table::keeps_socket(&self.table, call, class, ports)
    }

    /// What is dropped in the kernel, and which rules keep the rest whole.
    pub fn summary(&self) -> Vec<ClassSummary> {
        text::summary(&self.classes)
    }
}

/// What one rule wants, for people.
pub(super) fn summary_of_rule(rule: &Rule, leaves: &[Leaf]) -> Vec<ClassSummary> {
    let calls = rule.event_types.iter();
    let classes: Vec<_> = calls
        .flat_map(|call| {
            let classes = EventClass::all_of(call).iter();
            classes.map(move |&class| ClassApprover {
                call,
                class,
                wanted: Class { call, class }.wanted_by_one(rule, leaves),
            })
        })
        .collect();
    text::summary(&classes)
}

impl Wanted {
    /// What either wants. A class is told by names or by ports, never both.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, wanted) | (wanted, Self::Nothing) => wanted,
            (Self::Everything { mut rules }, Self::Everything { rules: more }) => {
                rules.extend(more);
                Self::Everything { rules }
            }
            (everything @ Self::Everything { .. }, _)
            | (_, everything @ Self::Everything { .. }) => everything,
            (Self::Names(mut names), Self::Names(more)) => {
                names.extend(more);
                Self::Names(names)
            }
            (Self::Ports(mut ports), Self::Ports(more)) => {
                ports.extend(more);
                Self::Ports(ports)
            }
            (Self::Names(_), Self::Ports(_)) | (Self::Ports(_), Self::Names(_)) => {
                unreachable!("a call opens a file or uses a socket")
            }
        }
    }
}

impl Class {
    fn wanted_by(self, set: &RuleSet) -> Wanted {
        set.rules()
            .filter(|rule| rule.enabled && rule.event_types.contains(self.call))
            .map(|rule| self.wanted_by_one(rule, set.leaves()))
            .fold(Wanted::Nothing, Wanted::or)
    }

    fn wanted_by_one(self, rule: &Rule, leaves: &[Leaf]) -> Wanted {
        match in_view(&rule.condition, leaves, &self) {
            Anchored::Never => Wanted::Nothing,
            Anchored::Always => Wanted::Everything {
                rules: BTreeSet::from([rule.info.name.clone()]),
            },
            Anchored::By(anchor) => {
                // An anchor is made of comparisons that can be looked up, and of nothing else.
                let leaves = anchor.leaves.iter().map(|id| &leaves[*id as usize]);
                leaves
                    .filter_map(|leaf| self.looked_up(leaf))
                    .fold(Wanted::Nothing, Wanted::or)
            }
        }
    }

    /// What the kernel can look up of a comparison.
    fn looked_up(self, leaf: &Leaf) -> Option<Wanted> {
        if self.has_opened_file() {
            return Some(Wanted::Names(names::of(leaf)?.into_iter().collect()));
        }
        if port_bit(self.call.hook()) != 0 {
            return Some(Wanted::Ports(ports(leaf)?));
        }
        None
    }
}

impl View for Class {
    fn constant(&self, leaf: &Leaf) -> Option<bool> {
        Self::constant(*self, leaf)
    }

    fn share(&self, leaf: &Leaf) -> Option<f32> {
        match self.looked_up(leaf)? {
            Wanted::Names(found) => Some(names::share(found.iter())),
            Wanted::Ports(ports) => Some((ONE_PORT * ports.len() as f32).min(1.0)),
            Wanted::Nothing | Wanted::Everything { .. } => None,
        }
    }
}

/// Ports of which a socket has one wherever the comparison holds; `None` when it is about something
/// else.
fn ports(leaf: &Leaf) -> Option<BTreeSet<u16>> {
    let Source::Field { id, argument: None } = &leaf.left else {
        return None;
    };
    let is_port = matches!(
        id,
        FieldId::Fd(Fd::Port | Fd::Cport | Fd::Sport | Fd::Lport | Fd::Rport)
    );
    match &leaf.test {
        Test::NumberIn(numbers) if is_port && !leaf.all => {
            // No socket has another number for a port.
            let ports = numbers
                .iter()
                .filter_map(|&number| u16::try_from(number).ok());
            Some(ports.collect())
        }
        _ => None,
    }
}
