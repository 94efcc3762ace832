//! A condition with its macros in place, and marked.

use serde::Serialize;

use super::super::falco::ast::{Check, Expr, Right, Word};
use super::super::falco::resolve::{self, Definitions};
use super::super::falco::source::Text;

/// A part of a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainedTerm {
    /// All hold.
    All(Vec<Self>),
    /// One holds.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// What a macro stands for.
    Macro {
        /// Name.
        name: String,
        /// File of its condition.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Its condition.
        condition: Box<Self>,
    },
    /// A comparison, lists in place.
    Term(String),
}

/// How deep macros may nest: loading refuses deeper ones, and those that use themselves.
const DEPTH: usize = 100;

pub(super) fn explained(text: &Text, definitions: &Definitions) -> ExplainedTerm {
    match resolve::parse(text) {
        Ok(condition) => explain(&condition, definitions, 0),
        // A rule that was loaded has a condition that can be parsed.
        Err(_) => ExplainedTerm::Term(text.value.clone()),
    }
}

fn explain(condition: &Expr, definitions: &Definitions, depth: usize) -> ExplainedTerm {
    let all = |children: &[Expr]| {
        children
            .iter()
            .map(|child| explain(child, definitions, depth))
            .collect()
    };
    match condition {
        Expr::And(children) => ExplainedTerm::All(all(children)),
        Expr::Or(children) => ExplainedTerm::Any(all(children)),
        Expr::Not(child) => ExplainedTerm::Not(Box::new(explain(child, definitions, depth))),
        Expr::Check(check) => ExplainedTerm::Term(in_place(check, definitions).to_string()),
        Expr::Macro(word) => call(word, definitions, depth),
    }
}

fn call(word: &Word, definitions: &Definitions, depth: usize) -> ExplainedTerm {
    let found = definitions.macros.get(&word.text);
    let Some((found, Ok(condition))) = found.map(|found| (found, &found.parsed)) else {
        return ExplainedTerm::Term(word.text.clone());
    };
    if depth == DEPTH {
        return ExplainedTerm::Term(word.text.clone());
    }
    let place = found.condition.start();
    ExplainedTerm::Macro {
        name: word.text.clone(),
        file: place.file.to_string(),
        line: place.line,
        condition: Box::new(explain(condition, definitions, depth + 1)),
    }
}

/// A comparison with the items of lists.
fn in_place(check: &Check, definitions: &Definitions) -> Check {
    let Some(Right::List(words)) = &check.right else {
        return check.clone();
    };
    let mut items = Vec::new();
    for word in words {
        expand(word, definitions, 0, &mut items);
    }
    Check {
        right: Some(Right::List(items)),
        ..check.clone()
    }
}

fn expand(word: &Word, definitions: &Definitions, depth: usize, items: &mut Vec<Word>) {
    let list = definitions.lists.get(&word.text);
    let Some(list) = list.filter(|_| !word.quoted && depth < DEPTH) else {
        return items.push(word.clone());
    };
    for item in list {
        let plain = item.value.trim_matches(['"', '\'']);
        let word = Word {
            text: plain.to_owned(),
            quoted: plain != item.value,
            at: word.at,
        };
        expand(&word, definitions, depth + 1, items);
    }
}
