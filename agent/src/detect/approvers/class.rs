//! What the class of an event says about its fields.

use gravlens_common::EventClass;

use super::super::catalogue::FieldId;
use super::super::eval;
use super::super::event_types::EventTypes;
use super::super::fields::evt::Evt;
use super::super::fields::fd::Fd;
use super::super::fields::sigma::Sigma;
use super::super::index::anchor::constant_on;
use super::super::ir::{Leaf, Source, Test};
use super::super::value::Scalar;
use crate::model::Syscall;

/// Events of one call that ended alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) call: Syscall,
    pub(super) class: EventClass,
}

/// What is known of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Missing,
    Text(&'static [u8]),
    /// Some text, but not this one.
    Other(&'static [u8]),
    Bool(bool),
    /// A number from the first to the second.
    Between(i64, i64),
}

const SUCCESS: &[u8] = b"SUCCESS";

impl Class {
    /// What a comparison is for every event of the class.
    pub(super) fn constant(self, leaf: &Leaf) -> Option<bool> {
        if let Some(constant) = constant_on(leaf, EventTypes::of(&[self.call])) {
            return Some(constant);
        }
        match &leaf.left {
            Source::Field { id, argument: None } => holds(self.known(*id)?, &leaf.test),
            _ => None,
        }
    }

    /// The call opens a file, or a memory that is one.
    pub(super) fn is_open(self) -> bool {
        EventTypes::OPEN.contains(self.call)
    }

    /// A file was opened that has a name.
    pub(super) fn has_opened_file(self) -> bool {
        self.is_open() && !self.is_in_memory() && !self.class.has_failed()
    }

    fn is_in_memory(self) -> bool {
        self.call == Syscall::MemfdCreate
    }

    fn has_no_result(self) -> bool {
        self.class == EventClass::NO_RESULT
    }

    fn has_succeeded(self) -> bool {
        !self.class.has_failed() && !self.has_no_result()
    }

    fn known(self, field: FieldId) -> Option<Known> {
        match field {
            FieldId::Evt(field) => self.of_call(field),
            FieldId::Fd(field) if self.is_open() => self.of_descriptor(field),
            // They have values only where the call succeeded.
            FieldId::Fs(_) => (!self.has_succeeded()).then_some(Known::Missing),
            FieldId::Sigma(field) => self.of_target(field),
            _ => None,
        }
    }

    fn of_call(self, field: Evt) -> Option<Known> {
        Some(match field {
            Evt::Type | Evt::SyscallType => Known::Text(self.call.name().as_bytes()),
            Evt::Dir => Known::Text(b"<"),
            Evt::Source => Known::Text(b"syscall"),
            Evt::Res | Evt::ArgRes if self.has_no_result() => return None,
            Evt::Res | Evt::ArgRes if self.has_succeeded() => Known::Text(SUCCESS),
            Evt::Res | Evt::ArgRes => Known::Other(SUCCESS),
            Evt::Rawres | Evt::RawRes if self.has_no_result() => return None,
            Evt::Rawres | Evt::RawRes if self.has_succeeded() => Known::Between(0, i64::MAX),
            Evt::Rawres | Evt::RawRes => Known::Between(i64::MIN, -1),
            Evt::Failed if self.has_no_result() => return None,
            Evt::Failed => Known::Bool(self.class.has_failed()),
            Evt::IsOpenRead | Evt::IsOpenWrite | Evt::IsOpenExec | Evt::IsOpenCreate
                if !self.is_open() || self.is_in_memory() =>
            {
                Known::Bool(false)
            }
            Evt::IsOpenRead => Known::Bool(self.class.reads()),
            Evt::IsOpenWrite => Known::Bool(self.class.writes()),
            // Of a file that was made its mode tells.
            Evt::IsOpenExec if self.class.creates() => return None,
            Evt::IsOpenExec => Known::Bool(false),
            Evt::IsOpenCreate => Known::Bool(self.makes_file()),
            _ => return None,
        })
    }

    /// What creat opens counts as made.
    fn makes_file(self) -> bool {
        self.class.creates() || self.call == Syscall::Creat && self.has_succeeded()
    }

    fn of_descriptor(self, field: Fd) -> Option<Known> {
        Some(match field {
            Fd::Num if self.class.has_failed() => Known::Between(-1, -1),
            Fd::Num => Known::Between(0, i32::MAX.into()),
            Fd::Type if self.is_in_memory() => Known::Text(b"memfd"),
            Fd::Typechar if self.is_in_memory() => Known::Text(b"m"),
            _ => return None,
        })
    }

    fn of_target(self, field: Sigma) -> Option<Known> {
        match field {
            Sigma::TargetFilename | Sigma::PathName | Sigma::PathNametype
                if !self.has_succeeded() =>
            {
                Some(Known::Missing)
            }
            Sigma::TargetFilename if self.has_opened_file() => {
                let is_target = self.makes_file() || self.class.writes();
                (!is_target).then_some(Known::Missing)
            }
            Sigma::PathNametype if self.has_opened_file() => {
                let created = self.class.creates();
                Some(Known::Text(if created { b"CREATE" } else { b"NORMAL" }))
            }
            _ => None,
        }
    }
}

fn holds(known: Known, test: &Test) -> Option<bool> {
    match (known, test) {
        (Known::Missing, _) => Some(false),
        (_, Test::Dynamic(..)) => None,
        (_, Test::Exists) => Some(true),
        (Known::Text(text), _) => Some(eval::test(test, Scalar::Text(text))),
        (Known::Bool(flag), _) => Some(eval::test(test, Scalar::Bool(flag))),
        (Known::Other(text), Test::Equal(right)) => (text == &**right).then_some(false),
        (Known::Other(text), Test::NotEqual(right)) => (text == &**right).then_some(true),
        (Known::Other(text), Test::EqualFolded(right)) => {
            text.eq_ignore_ascii_case(right).then_some(false)
        }
        (Known::Other(text), Test::TextIn(texts)) => {
            texts.iter().all(|right| text == &**right).then_some(false)
        }
        (Known::Other(_), _) => None,
        (Known::Between(low, high), Test::Number(order, right)) => {
            // What holds at both ends holds between them.
            let [low, high] = [low, high].map(|number| order.holds(number, *right));
            (low == high).then_some(low)
        }
        (Known::Between(low, high), Test::NumberIn(numbers)) => {
            let inside = |&&number: &&i64| (low..=high).contains(&number);
            match numbers.iter().find(inside) {
                None => Some(false),
                Some(_) => (low == high).then_some(true),
            }
        }
        (Known::Between(low, high), Test::NumberNot(number)) => {
            if (low..=high).contains(number) {
                (low == high).then_some(false)
            } else {
                Some(true)
            }
        }
        (Known::Between(..), _) => None,
    }
}
