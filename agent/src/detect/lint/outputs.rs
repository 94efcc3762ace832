//! Output templates that print `<NA>` whatever happens.

use super::super::catalogue::{Lookup, look_up};
use super::super::falco::ast::Operand;
use super::super::falco::output::{self, Part};
use super::super::report::WarningKind;
use super::Notes;
use super::source::Sources;

pub(super) fn find(sources: &Sources, notes: &mut Notes) {
    for rule in &sources.rules {
        let Ok(parts) = output::parse(&rule.output.value) else {
            continue;
        };
        for part in parts {
            let Part::Value(Operand::Field(field), at) = part else {
                continue;
            };
            if field.name == "container.info" {
                continue;
            }
            let name = match &field.argument {
                Some(argument) if matches!(field.name.as_str(), "evt.arg" | "evt.rawarg") => {
                    format!("{}.{argument}", field.name)
                }
                _ => field.name.clone(),
            };
            let Lookup::Unsupported(reason) = look_up(&name) else {
                continue;
            };
            notes.add(
                WarningKind::UnfilledField,
                Some(&rule.name.value),
                &rule.output.place(at),
                format!("%{name} always prints <NA>: {reason}"),
                "leave it out; 'gravlens rules fields' lists what can be printed",
            );
        }
    }
}
