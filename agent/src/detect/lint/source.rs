//! What the rule files say, before macros and lists are put in place.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::super::falco::ast::{Check, Expr, Right, Word};
use super::super::falco::items::{self, Item};
use super::super::falco::resolve::{self, Definitions};
use super::super::falco::source::{Place, Text};
use super::super::load::RuleFile;
use super::super::load::definitions::{Collector, RuleDefinition};

/// Rules, macros and lists as they are in force, with the place of each last definition.
pub(in super::super) struct Sources {
    pub(in super::super) rules: Vec<RuleDefinition>,
    pub(in super::super) definitions: Definitions,
    /// Names of macros and lists where they were last defined, not only changed.
    pub(super) macro_names: HashMap<String, Text>,
    pub(super) list_names: HashMap<String, Text>,
}

/// A condition with the text that it was written in.
pub(super) struct Written<'a> {
    /// The rule that it belongs to; `None` for a macro.
    pub(super) rule: Option<&'a RuleDefinition>,
    pub(super) text: Rc<Text>,
    pub(super) condition: Expr,
}

impl Sources {
    /// Reads rule files. What is wrong with them is told by loading.
    pub(in super::super) fn read(files: &[RuleFile]) -> Self {
        let mut collector = Collector::default();
        let (mut macro_names, mut list_names) = (HashMap::new(), HashMap::new());
        for file in files {
            for item in items::read(&Arc::from(file.path.as_str()), &file.text)
                .into_iter()
                .flatten()
            {
                match &item {
                    Item::Macro(found) => {
                        keep(&mut macro_names, &found.name, found.change.is_some());
                    }
                    Item::List(found) => {
                        keep(&mut list_names, &found.name, found.change.is_some());
                    }
                    Item::Rule(_) | Item::Requirement(..) | Item::Sigma(_) => {}
                }
                // What cannot be added is refused when the files are loaded.
                let _ = collector.add(item);
            }
        }
        let (rules, definitions, _) = collector.finish();
        Self {
            rules,
            definitions,
            macro_names,
            list_names,
        }
    }

    /// Conditions of all rules and macros that can be parsed.
    pub(super) fn conditions(&self) -> impl Iterator<Item = Written<'_>> {
        let rules = self.rules.iter().filter_map(|rule| {
            let text = Rc::new(rule.condition.clone());
            let condition = resolve::parse(&text).ok()?;
            let rule = Some(rule);
            Some(Written {
                rule,
                text,
                condition,
            })
        });
        let mut names: Vec<_> = self.definitions.macros.keys().collect();
        names.sort_unstable();
        let macros = names.into_iter().filter_map(|name| {
            let found = &self.definitions.macros[name];
            Some(Written {
                rule: None,
                text: Rc::clone(&found.condition),
                condition: found.parsed.as_ref().ok()?.clone(),
            })
        });
        rules.chain(macros)
    }

    /// Words on the right side of a comparison, the items of lists in their place, each where a
    /// person must edit it.
    pub(super) fn words(&self, check: &Check, text: &Text) -> Vec<(String, Place)> {
        let own = |word: &Word| (word.text.clone(), text.place(word.at.0));
        match &check.right {
            Some(Right::Value(word)) => vec![own(word)],
            Some(Right::List(words)) => {
                let mut found = Vec::new();
                for word in words {
                    if word.quoted || !self.definitions.lists.contains_key(&word.text) {
                        found.push(own(word));
                    } else {
                        self.items(&word.text, &mut Vec::new(), &mut found);
                    }
                }
                found
            }
            Some(Right::Operand(_)) | None => Vec::new(),
        }
    }

    fn items(&self, list: &str, active: &mut Vec<String>, found: &mut Vec<(String, Place)>) {
        if active.iter().any(|name| name == list) {
            return;
        }
        active.push(list.to_owned());
        for item in &self.definitions.lists[list] {
            let plain = item.value.trim_matches(['"', '\'']);
            if plain == item.value && self.definitions.lists.contains_key(plain) {
                self.items(plain, active, found);
            } else {
                found.push((plain.to_owned(), item.start()));
            }
        }
        active.pop();
    }
}

fn keep(names: &mut HashMap<String, Text>, name: &Text, is_change: bool) {
    if !is_change || !names.contains_key(&name.value) {
        names.insert(name.value.clone(), name.clone());
    }
}

/// Calls `visit` with each comparison of a condition, and whether it stands below a `not`.
pub(super) fn each_check<'a>(
    condition: &'a Expr,
    negated: bool,
    visit: &mut impl FnMut(&'a Check, bool),
) {
    match condition {
        Expr::Or(children) | Expr::And(children) => {
            for child in children {
                each_check(child, negated, visit);
            }
        }
        Expr::Not(child) => each_check(child, !negated, visit),
        Expr::Check(check) => visit(check, negated),
        Expr::Macro(_) => {}
    }
}
