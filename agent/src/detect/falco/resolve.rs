//! Macros and lists are put in place, in the tree: the result is a condition of comparisons only.

use std::collections::HashMap;
use std::rc::Rc;

use super::super::catalogue::nearest;
use super::super::report::RefusalKind;
use super::ast::{Check, Expr, Right, Word};
use super::items::Trouble;
use super::lexer::{Lexer, SyntaxError};
use super::parser;
use super::source::{Place, Text};

/// Comparisons that a condition may have once its macros are expanded.
const SIZE: usize = 50_000;
/// How deep it may nest then.
const DEPTH: usize = 500;

/// A condition without macros; each comparison knows the text it was written in.
#[derive(Clone, Debug)]
pub(crate) enum Resolved {
    Or(Vec<Resolved>),
    And(Vec<Resolved>),
    Not(Box<Resolved>),
    Check(Check, Origin),
}

/// Where a comparison was written.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) text: Rc<Text>,
    /// Macros that lead to it, that of the rule's own condition first.
    pub(crate) macros: Rc<[Box<str>]>,
}

/// A macro as last defined.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) condition: Rc<Text>,
    pub(crate) parsed: Result<Expr, Trouble>,
    /// Position of the first definition: who comes after it may use the macro.
    pub(crate) index: usize,
    /// Position of the last definition: what the macro itself may use.
    pub(crate) visibility: usize,
}

/// Everything a rule may refer to.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    pub(crate) macros: HashMap<String, Macro>,
    /// Items of each list as they were written.
    pub(crate) lists: HashMap<String, Vec<Text>>,
}

/// Parses a condition; errors are given their place.
pub(crate) fn parse(text: &Text) -> Result<Expr, Trouble> {
    parser::parse(&text.value).map_err(|error| placed(error, text))
}

pub(crate) fn placed(error: SyntaxError, text: &Text) -> Trouble {
    Trouble {
        place: text.place(error.at),
        kind: RefusalKind::Syntax,
        reason: error.reason,
        hint: error.hint,
    }
}

/// A condition with everything in place, and remarks for its author.
pub(crate) struct Expanded {
    pub(crate) condition: Resolved,
    pub(crate) remarks: Vec<(Place, String)>,
}

/// Expands the condition of a rule. A rule may use every macro; a macro only those before it.
pub(crate) fn expand(
    expression: &Expr,
    text: &Rc<Text>,
    definitions: &Definitions,
) -> Result<Expanded, Trouble> {
    let mut expander = Expander {
        definitions,
        size: 0,
        active: Vec::new(),
        remarks: Vec::new(),
    };
    let condition = expander.expression(expression, text, usize::MAX, 0)?;
    Ok(Expanded {
        condition,
        remarks: expander.remarks,
    })
}

struct Expander<'a> {
    definitions: &'a Definitions,
    size: usize,
    /// Macros being expanded: a macro redefined later can come to use itself.
    active: Vec<&'a str>,
    remarks: Vec<(Place, String)>,
}

impl<'a> Expander<'a> {
    fn expression(
        &mut self,
        expression: &Expr,
        text: &Rc<Text>,
        visibility: usize,
        depth: usize,
    ) -> Result<Resolved, Trouble> {
        self.size += 1;
        if self.size > SIZE || depth > DEPTH {
            return Err(Trouble::new(
                text.start(),
                RefusalKind::TooLarge,
                "the condition grows too large when its macros are expanded",
            ));
        }
        let mut children = |children: &[Expr]| {
            children
                .iter()
                .map(|child| self.expression(child, text, visibility, depth + 1))
                .collect::<Result<Vec<_>, _>>()
        };
        match expression {
            Expr::Or(operands) => Ok(Resolved::Or(children(operands)?)),
            Expr::And(operands) => Ok(Resolved::And(children(operands)?)),
            Expr::Not(child) => {
                let child = self.expression(child, text, visibility, depth + 1)?;
                Ok(Resolved::Not(Box::new(child)))
            }
            Expr::Check(check) => {
                let check = self.check(check, text)?;
                let origin = Origin {
                    text: Rc::clone(text),
                    macros: self.active.iter().map(|name| Box::from(*name)).collect(),
                };
                Ok(Resolved::Check(check, origin))
            }
            Expr::Macro(name) => self.macro_call(name, text, visibility, depth),
        }
    }

    fn macro_call(
        &mut self,
        name: &Word,
        text: &Rc<Text>,
        visibility: usize,
        depth: usize,
    ) -> Result<Resolved, Trouble> {
        let definitions = self.definitions;
        let Some((key, found)) = definitions.macros.get_key_value(&name.text) else {
            return Err(self.undefined(name, text));
        };
        let place = || text.place(name.at.0);
        if found.index >= visibility {
            return Err(Trouble::new(
                place(),
                RefusalKind::Undefined,
                format!(
                    "macro '{}' is defined only later, at {}",
                    name.text,
                    found.condition.start()
                ),
            )
            .hint("define a macro before it is used"));
        }
        if self.active.contains(&key.as_str()) {
            return Err(Trouble::new(
                place(),
                RefusalKind::Undefined,
                format!("macro '{}' uses itself", name.text),
            ));
        }
        let parsed = found.parsed.as_ref().map_err(|trouble| {
            Trouble::new(
                place(),
                trouble.kind,
                format!(
                    "macro '{}' could not be read, see {}",
                    name.text, trouble.place
                ),
            )
        })?;
        self.active.push(key);
        let resolved = self.expression(parsed, &found.condition, found.visibility, depth + 1);
        self.active.pop();
        resolved
    }

    fn undefined(&self, name: &Word, text: &Rc<Text>) -> Trouble {
        let trouble = Trouble::new(
            text.place(name.at.0),
            RefusalKind::Undefined,
            format!("there is no macro '{}'", name.text),
        );
        let names = self.definitions.macros.keys().map(String::as_str);
        match nearest(&name.text, names) {
            Some(near) => trouble.hint(format!("did you mean '{near}'?")),
            None if self.definitions.lists.contains_key(&name.text) => {
                trouble.hint("it is a list: compare a field with it, as in 'proc.name in (name)'")
            }
            None => trouble.hint("a comparison needs a field, an operator and a value"),
        }
    }

    fn check(&mut self, check: &Check, text: &Rc<Text>) -> Result<Check, Trouble> {
        let right = match &check.right {
            Some(Right::List(words)) => {
                let mut expanded = Vec::new();
                for word in words {
                    self.list_item(word, text, &mut expanded)?;
                }
                self.size += expanded.len();
                Some(Right::List(expanded))
            }
            Some(Right::Value(word)) => {
                self.remark_on_text(word, text);
                Some(Right::Value(word.clone()))
            }
            other => other.clone(),
        };
        Ok(Check {
            left: check.left.clone(),
            operator: check.operator,
            right,
        })
    }

    fn list_item(
        &mut self,
        word: &Word,
        text: &Rc<Text>,
        out: &mut Vec<Word>,
    ) -> Result<(), Trouble> {
        if word.quoted || !self.definitions.lists.contains_key(&word.text) {
            self.remark_on_text(word, text);
            out.push(word.clone());
            return Ok(());
        }
        let mut active = Vec::new();
        self.list(&word.text, word, text, &mut active, out)
    }

    /// Items of a list, those of the lists named in it included.
    fn list(
        &self,
        name: &str,
        word: &Word,
        text: &Rc<Text>,
        active: &mut Vec<String>,
        out: &mut Vec<Word>,
    ) -> Result<(), Trouble> {
        if active.iter().any(|other| other == name) {
            return Err(Trouble::new(
                text.place(word.at.0),
                RefusalKind::Undefined,
                format!("list '{name}' contains itself"),
            ));
        }
        if out.len() > SIZE {
            return Err(Trouble::new(
                text.place(word.at.0),
                RefusalKind::TooLarge,
                format!("list '{name}' has more than {SIZE} items"),
            ));
        }
        active.push(name.to_owned());
        for item in &self.definitions.lists[name] {
            let (value, quoted) = unquote(&item.value);
            if !quoted && self.definitions.lists.contains_key(&value) {
                self.list(&value, word, text, active, out)?;
            } else {
                out.push(Word {
                    text: value,
                    quoted: true,
                    at: word.at,
                });
            }
        }
        active.pop();
        Ok(())
    }

    /// Falco replaces the name of a list wherever it stands as a word, even in a string.
    fn remark_on_text(&mut self, word: &Word, text: &Rc<Text>) {
        let list = word
            .text
            .split([' ', '\t', '\n', '(', ')', ',', '='])
            .find(|part| self.definitions.lists.contains_key(*part));
        // A quote before the name keeps Falco from seeing it, so the whole of a string is safe.
        if let Some(list) = list.filter(|list| !(word.quoted && *list == word.text)) {
            let reason = format!(
                "'{list}' is also the name of a list: Falco would put the list's items here, \
                 Gravlens compares with the word itself"
            );
            self.remarks.push((text.place(word.at.0), reason));
        }
    }
}

/// A list item may carry quotes of its own, as text pasted into a condition needs them.
fn unquote(item: &str) -> (String, bool) {
    let mut lexer = Lexer::new(item, 0);
    match lexer.quoted() {
        Ok(Some(word)) if lexer.is_at_end() => (word.text, true),
        _ => (item.to_owned(), false),
    }
}
