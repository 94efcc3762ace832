//! Macros and lists that no rule uses.

use std::collections::HashSet;

use super::super::catalogue::nearest;
use super::super::falco::ast::{Expr, Operand, Right};
use super::super::falco::items::ExceptionValue;
use super::super::falco::resolve;
use super::super::falco::source::Text;
use super::super::report::WarningKind;
use super::Notes;
use super::source::Sources;

pub(super) fn find(sources: &Sources, notes: &mut Notes) {
    let used = Used::by_rules(sources);
    let lists = &sources.definitions.lists;
    let macros = &sources.definitions.macros;
    for (name, text) in &sources.macro_names {
        let Some(found) = macros.get(name) else {
            continue;
        };
        // One that never holds is made to be filled by whoever reads the file.
        if !used.macros.contains(name.as_str()) && !is_placeholder(&found.condition) {
            let known = used.macros.iter().copied().filter(|known| *known != name);
            tell(WarningKind::UnusedMacro, "macro", text, known, notes);
        }
    }
    for (name, text) in &sources.list_names {
        let is_empty = lists.get(name).is_none_or(Vec::is_empty);
        if !used.lists.contains(name.as_str()) && !is_empty {
            let known = used.lists.iter().copied().filter(|known| *known != name);
            tell(WarningKind::UnusedList, "list", text, known, notes);
        }
    }
}

fn is_placeholder(condition: &Text) -> bool {
    let text: String = condition.value.split_whitespace().collect();
    matches!(
        text.trim_matches(['(', ')']),
        "evt.num=0" | "evt.num<0" | "never_true" | "evt.num>=0" | "evt.num>0" | "always_true"
    )
}

fn tell<'a>(
    kind: WarningKind,
    what: &str,
    name: &Text,
    known: impl Iterator<Item = &'a str>,
    notes: &mut Notes,
) {
    let mut known: Vec<_> = known.collect();
    known.sort_unstable();
    let hint = match nearest(&name.value, known.into_iter()) {
        Some(near) => format!("did you mean to define '{near}', which rules use?"),
        None => format!("remove it, or use it in a rule; a {what} that others fill may stay empty"),
    };
    let reason = format!("no rule uses the {what} '{}'", name.value);
    notes.add(kind, None, &name.start(), reason, hint);
}

/// What the rules reach.
struct Used<'a> {
    sources: &'a Sources,
    macros: HashSet<&'a str>,
    lists: HashSet<&'a str>,
}

impl<'a> Used<'a> {
    fn by_rules(sources: &'a Sources) -> Self {
        let mut used = Self {
            sources,
            macros: HashSet::new(),
            lists: HashSet::new(),
        };
        for rule in &sources.rules {
            if let Ok(condition) = resolve::parse(&rule.condition) {
                used.condition(&condition);
            }
            for value in rule.exceptions.iter().flat_map(|found| &found.values) {
                used.value(value);
            }
        }
        used
    }

    fn condition(&mut self, condition: &Expr) {
        match condition {
            Expr::Or(children) | Expr::And(children) => {
                for child in children {
                    self.condition(child);
                }
            }
            Expr::Not(child) => self.condition(child),
            Expr::Check(check) => {
                if let Some(Right::List(words)) = &check.right {
                    for word in words.iter().filter(|word| !word.quoted) {
                        self.list(&word.text);
                    }
                }
                self.operand(&check.left);
                if let Some(Right::Operand(operand)) = &check.right {
                    self.operand(operand);
                }
            }
            Expr::Macro(word) => {
                let sources = self.sources;
                let macros = &sources.definitions.macros;
                let Some((name, found)) = macros.get_key_value(&word.text) else {
                    return;
                };
                if self.macros.insert(name)
                    && let Ok(condition) = &found.parsed
                {
                    self.condition(condition);
                }
            }
        }
    }

    /// A list may stand among the arguments of a transformer.
    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Literal(word) if !word.quoted => self.list(&word.text),
            Operand::Transform { arguments, .. } => {
                for argument in arguments {
                    self.operand(argument);
                }
            }
            Operand::List(items) => {
                for item in items {
                    self.operand(item);
                }
            }
            Operand::Field(_) | Operand::Literal(_) => {}
        }
    }

    fn value(&mut self, value: &ExceptionValue) {
        match value {
            // `(name)` names a list, as a plain name in a list does.
            ExceptionValue::One(text) => self.list(text.value.trim_matches(['(', ')'])),
            ExceptionValue::Many(values, _) => {
                for value in values {
                    self.value(value);
                }
            }
        }
    }

    fn list(&mut self, name: &str) {
        let sources = self.sources;
        let Some((name, items)) = sources.definitions.lists.get_key_value(name) else {
            return;
        };
        if self.lists.insert(name) {
            for item in items {
                self.list(&item.value);
            }
        }
    }
}
