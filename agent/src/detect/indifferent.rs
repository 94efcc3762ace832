//! Opens that no rule can match, whoever does them.

use super::catalogue::{FieldArg, FieldId, info};
use super::fields::FieldSource;
use super::fields::container::Container;
use super::fields::evt::Evt;
use super::fields::fd::Fd;
use super::fields::sigma::Sigma;
use super::set::{Outcome, RuleSet};
use super::value::Value;
use crate::model::{Event, Syscall};

impl RuleSet {
    /// Whether every rule is false for this open and for every other one of its container with the
    /// same call, flags, outcome and path, whatever process makes it and when.
    pub fn is_indifferent_to(&self, event: &Event<'_>, outcome: &mut Outcome) -> bool {
        self.evaluate(&Alike(event), outcome);
        outcome.is_empty()
    }
}

/// All opens that are alike: what may differ between them is unknown.
struct Alike<'a>(&'a Event<'a>);

impl FieldSource for Alike<'_> {
    fn syscall(&self) -> Syscall {
        self.0.syscall
    }

    fn get<'a>(
        &'a self,
        field: FieldId,
        argument: Option<&'a FieldArg>,
        scratch: &'a mut Vec<u8>,
    ) -> Value<'a> {
        if !info(field).on.contains(self.0.syscall) {
            return Value::Missing;
        }
        if is_the_same(field) {
            self.0.get(field, argument, scratch)
        } else {
            Value::Unknown
        }
    }
}

/// Whether opens that are alike have the same value of a field.
const fn is_the_same(field: FieldId) -> bool {
    match field {
        FieldId::Evt(field) => matches!(
            field,
            Evt::Type
                | Evt::TypeIs
                | Evt::SyscallType
                | Evt::Dir
                | Evt::Source
                | Evt::Category
                | Evt::Failed
                | Evt::Res
                | Evt::IsOpenRead
                | Evt::IsOpenWrite
                | Evt::IsOpenExec
                | Evt::IsOpenCreate
                | Evt::ArgFlags
                | Evt::ArgName
        ),
        FieldId::Fd(field) => matches!(
            field,
            Fd::Type | Fd::Typechar | Fd::Name | Fd::Directory | Fd::Filename
        ),
        FieldId::Fs(_) => true,
        FieldId::Sigma(field) => matches!(
            field,
            Sigma::TargetFilename | Sigma::PathName | Sigma::PathNametype
        ),
        FieldId::Container(field) => matches!(field, Container::Id | Container::FullId),
        FieldId::Argument(_)
        | FieldId::Proc(_)
        | FieldId::Dns(_)
        | FieldId::User(_)
        | FieldId::Thread(_) => false,
    }
}
