//! Names of processes that are longer than the kernel keeps.

use super::super::falco::ast::{Check, Operand, Operator, TextOperator};
use super::super::falco::source::Place;
use super::super::report::WarningKind;
use super::Notes;
use super::source::{Sources, each_check};

/// `TASK_COMM_LEN` less the zero at the end.
const LONGEST: usize = 15;

/// Fields that hold such a name, each with one that holds the whole path of the same program.
const SHORT: [(&str, &str); 3] = [
    ("proc.name", "proc.exepath"),
    ("proc.pname", "proc.pexepath"),
    ("proc.aname", "proc.aexepath"),
];

pub(super) fn find(sources: &Sources, notes: &mut Notes) {
    let mut told: Vec<Place> = Vec::new();
    for written in sources.conditions() {
        let rule = written.rule.map(|rule| rule.name.value.as_str());
        each_check(&written.condition, false, &mut |check, _| {
            let Some((field, path)) = short(check) else {
                return;
            };
            for (word, place) in sources.words(check, &written.text) {
                if word.len() <= LONGEST || told.contains(&place) {
                    continue;
                }
                let cut: String = prefix(&word);
                let reason = format!(
                    "'{word}' never stands in {field}: the kernel keeps {LONGEST} bytes of a name"
                );
                let hint = match check.operator {
                    Operator::Text(TextOperator::EndsWith | TextOperator::Contains, _) => {
                        format!("compare {path} with it")
                    }
                    _ => format!("write '{cut}', or compare {path} with the whole path"),
                };
                // An item of a list belongs to no rule.
                let rule = rule.filter(|_| place.line >= written.text.start().line);
                notes.add(WarningKind::LongName, rule, &place, reason, hint);
                told.push(place);
            }
        });
    }
}

/// The field of a comparison with such a name.
fn short(check: &Check) -> Option<(&'static str, &'static str)> {
    let Operand::Field(field) = &check.left else {
        return None;
    };
    // A pattern may be longer than what it matches.
    let compares = match check.operator {
        Operator::Text(operator, _) => !matches!(
            operator,
            TextOperator::Glob
                | TextOperator::IGlob
                | TextOperator::Regex
                | TextOperator::BContains
                | TextOperator::BStartsWith
        ),
        Operator::List(_) => true,
        Operator::Exists | Operator::Order(_) => false,
    };
    let known = SHORT.into_iter().find(|(name, _)| *name == field.name);
    known.filter(|_| compares)
}

/// The beginning that the kernel keeps, or less where that would cut a character.
fn prefix(name: &str) -> String {
    name[..name.floor_char_boundary(LONGEST)].to_owned()
}
