//! From a condition without macros to the typed tree that is evaluated.

mod operand;
pub(super) mod sigma;
pub(super) mod test;

use std::collections::HashMap;
use std::rc::Rc;

use super::event_types::EventTypes;
use super::falco::ast::{Check, Modifier, Operator, Right, TextOperator, Word};
use super::falco::items::Trouble;
use super::falco::output::{self, Part};
use super::falco::resolve::{Origin, Resolved, placed};
use super::falco::source::{Place, Text};
use super::ir::{
    Comparison, Exception, Leaf, LeafId, Node, Shown, Source, Term, Test, Written, WrittenId,
};
use super::reach::Reach;
use super::report::RefusalKind;
use operand::Typed;

/// A compiled output template.
#[derive(Clone, Debug)]
pub(crate) enum OutputPart {
    Text(String),
    Value(Source),
}

/// Compiles conditions into one table of leaves, so that equal comparisons are one leaf.
#[derive(Debug, Default)]
pub(crate) struct Compiler {
    pub(crate) leaves: Vec<Leaf>,
    known: HashMap<Shown, LeafId>,
    /// Where the comparisons were written.
    pub(crate) written: Vec<Written>,
    places: HashMap<Written, WrittenId>,
    /// Macros that lead to the comparison at hand.
    macros: Rc<[Box<str>]>,
    /// Stands for `evt.hostname`.
    hostname: Option<Box<[u8]>>,
    /// Things the author of the condition at hand should know.
    pub(crate) remarks: Vec<(Place, String)>,
    /// The first field of the condition at hand that cannot be read.
    pub(crate) unsupported: Option<Trouble>,
}

/// What compiling needs to know of the text that a comparison was written in.
type In<'a> = &'a Rc<Text>;

impl Compiler {
    pub(crate) fn new(hostname: Option<&str>) -> Self {
        Self {
            hostname: hostname.map(|name| name.as_bytes().into()),
            ..Self::default()
        }
    }

    /// Compiles the condition of a rule. A field that cannot be read is left in `unsupported`, so
    /// that what the rest says about event types is known all the same.
    pub(crate) fn rule(&mut self, condition: &Resolved) -> Result<(Node, Reach), Trouble> {
        self.unsupported = None;
        self.condition(condition)
    }

    fn condition(&mut self, condition: &Resolved) -> Result<(Node, Reach), Trouble> {
        match condition {
            Resolved::And(children) => self.join(children, Reach::and, Node::And),
            Resolved::Or(children) => self.join(children, Reach::or, Node::Or),
            Resolved::Not(child) => {
                let (node, reach) = self.condition(child)?;
                Ok((Node::Not(Box::new(node)), reach.negate()))
            }
            Resolved::Check(check, Origin { text, macros }) => {
                self.macros = Rc::clone(macros);
                match self.check(check, text) {
                    Err(trouble) if trouble.kind == RefusalKind::UnsupportedField => {
                        self.unsupported.get_or_insert(trouble);
                        Ok((Node::Or(Box::default()), Reach::field(EventTypes::ALL)))
                    }
                    outcome => outcome,
                }
            }
        }
    }

    /// Compiles the exceptions of a rule once more, each by itself, to tell which nearly applied.
    pub(crate) fn exceptions(
        &mut self,
        exceptions: &[(String, Vec<Resolved>)],
    ) -> Result<Vec<Exception>, Trouble> {
        let mut compiled = Vec::with_capacity(exceptions.len());
        for (name, alternatives) in exceptions {
            let mut nodes = Vec::with_capacity(alternatives.len());
            for alternative in alternatives {
                nodes.push(self.condition(alternative)?.0);
            }
            compiled.push(Exception {
                name: name.clone(),
                alternatives: nodes.into(),
            });
        }
        Ok(compiled)
    }

    fn join(
        &mut self,
        children: &[Resolved],
        join_reach: fn(Reach, Reach) -> Reach,
        join: fn(Box<[Node]>) -> Node,
    ) -> Result<(Node, Reach), Trouble> {
        let mut nodes = Vec::with_capacity(children.len());
        let mut reach: Option<Reach> = None;
        for child in children {
            let (node, next) = self.condition(child)?;
            nodes.push(node);
            reach = Some(match reach {
                None => next,
                Some(reach) => join_reach(reach, next),
            });
        }
        let reach = reach.expect("a chain has at least two operands");
        Ok((join(nodes.into()), reach))
    }

    fn check(&mut self, check: &Check, text: In<'_>) -> Result<(Node, Reach), Trouble> {
        let left = self.operand(&check.left, text, true)?;
        let field = check.left.to_string();
        match (check.operator, &check.right) {
            (Operator::Exists, _) => {
                let shown = shown(field, &check.operator, String::new());
                self.leaf(left, shown, |left| Ok(test::tested(left, Test::Exists)))
            }
            (Operator::Text(operator, Some(modifier)), Some(Right::List(words))) => {
                self.modified(&left, &field, operator, modifier, words, text)
            }
            (Operator::Text(operator, _), Some(Right::Value(word))) => {
                let shown = shown(field, &check.operator, word.to_string());
                self.leaf(left, shown, |left| test::text(left, operator, word, text))
            }
            (Operator::Order(order), Some(Right::Value(word))) => {
                let shown = shown(field, &check.operator, word.text.clone());
                self.leaf(left, shown, |left| test::order(left, order, word, text))
            }
            (Operator::List(operator), Some(Right::List(words))) => {
                let shown = shown(field, &check.operator, list(words));
                self.leaf(left, shown, |left| test::list(left, operator, words, text))
            }
            (operator, Some(Right::Operand(right))) => {
                let shown = shown(field, &operator, right.to_string());
                let right = self.operand(right, text, true)?;
                let comparison = match operator {
                    Operator::Order(order) => Comparison::Order(order),
                    Operator::List(list) => Comparison::List(list),
                    Operator::Text(operator, _) => Comparison::Text(operator),
                    Operator::Exists => unreachable!("'exists' takes no right side"),
                };
                self.leaf(left, shown, |left| test::dynamic(left, comparison, right))
            }
            (_, None | Some(_)) => unreachable!("the parser pairs operators with right sides"),
        }
    }

    /// `operator anyof (a, b)` is `operator a or operator b`, and so on.
    fn modified(
        &mut self,
        left: &Typed,
        field: &str,
        operator: TextOperator,
        modifier: Modifier,
        words: &[Word],
        text: In<'_>,
    ) -> Result<(Node, Reach), Trouble> {
        if words.is_empty() {
            return Err(Trouble::new(
                left.place.clone(),
                RefusalKind::Syntax,
                format!("'{}' needs at least one value", modifier.name()),
            ));
        }
        let mut nodes = Vec::new();
        let mut reach: Option<Reach> = None;
        for word in words {
            let shown = shown(
                field.to_owned(),
                &Operator::Text(operator, None),
                word.to_string(),
            );
            let (node, next) = self.leaf(left.clone(), shown, |left| {
                test::text(left, operator, word, text)
            })?;
            nodes.push(node);
            reach = Some(match (reach, modifier) {
                (None, _) => next,
                (Some(reach), Modifier::All) => reach.and(next),
                (Some(reach), _) => reach.or(next),
            });
        }
        let reach = reach.expect("there is at least one word");
        let nodes = nodes.into();
        Ok(match modifier {
            Modifier::All => (Node::And(nodes), reach),
            Modifier::Any => (Node::Or(nodes), reach),
            // One too many holds fails as well as none.
            Modifier::One => (
                Node::One(nodes),
                Reach {
                    fails: Reach::never().fails,
                    ..reach
                },
            ),
        })
    }

    /// Adds a leaf, or finds the equal one.
    fn leaf(
        &mut self,
        left: Typed,
        shown: Shown,
        test: impl FnOnce(&Typed) -> Result<test::Tested, Trouble>,
    ) -> Result<(Node, Reach), Trouble> {
        let tested = test(&left)?;
        if let Some(info) = left.info
            && let Some(limit) = info.limit
        {
            let remark = format!("'{}' is {limit}", info.name);
            self.remarks.push((left.place.clone(), remark));
        }
        self.remarks.extend(
            tested
                .remarks
                .into_iter()
                .map(|remark| (left.place.clone(), remark)),
        );
        let written = self.written(left.place.clone());
        let leaf = match self.known.get(&shown) {
            Some(&id) => id,
            None => {
                let id = LeafId::try_from(self.leaves.len()).expect("fewer leaves than 2^32");
                self.known.insert(shown.clone(), id);
                self.leaves.push(Leaf {
                    left: left.source,
                    test: tested.test,
                    all: tested.all,
                    shown,
                });
                id
            }
        };
        Ok((Node::Leaf(Term { leaf, written }), tested.reach))
    }

    fn written(&mut self, place: Place) -> WrittenId {
        let macros = self.macros.iter().cloned().collect();
        let written = Written { place, macros };
        if let Some(&id) = self.places.get(&written) {
            return id;
        }
        let id = WrittenId::try_from(self.written.len()).expect("fewer places than 2^32");
        self.written.push(written.clone());
        self.places.insert(written, id);
        id
    }

    /// Compiles an output template.
    pub(crate) fn output(&mut self, text: In<'_>) -> Result<Vec<OutputPart>, Trouble> {
        let parts = output::parse(&text.value).map_err(|error| placed(error, text))?;
        let mut compiled = Vec::new();
        for part in parts {
            match part {
                Part::Text(text) => compiled.push(OutputPart::Text(text)),
                Part::Value(operand, _) if operand::is_container_info(&operand) => {
                    compiled.extend(self.container_info(text)?);
                }
                Part::Value(operand, _) => {
                    let typed = self.operand(&operand, text, false)?;
                    compiled.push(OutputPart::Value(typed.source));
                }
            }
        }
        Ok(compiled)
    }

    /// `%container.info` is Falco's shorthand for what tells a container.
    fn container_info(&mut self, text: In<'_>) -> Result<Vec<OutputPart>, Trouble> {
        const INFO: &str = "container_id=%container.id container_name=%container.name";
        let mut expanded = (**text).clone();
        expanded.value = INFO.to_owned();
        self.output(&Rc::new(expanded))
    }
}

fn shown(field: String, operator: &Operator, operand: String) -> Shown {
    Shown {
        field,
        operator: operator.to_string(),
        operand,
    }
}

fn list(words: &[Word]) -> String {
    let mut text = String::from("(");
    for (position, word) in words.iter().enumerate() {
        if position > 0 {
            text.push_str(", ");
        }
        text.push_str(&plain(word));
    }
    text.push(')');
    text
}

/// An item of an expanded list was never written with the quotes that its tree node carries.
fn plain(word: &Word) -> String {
    Word {
        quoted: false,
        ..word.clone()
    }
    .to_string()
}
