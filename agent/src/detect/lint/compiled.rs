//! Conditions of rules and macros, compiled side by side: equal comparisons are one.

use std::rc::Rc;

use super::super::compile::Compiler;
use super::super::falco::ast::Expr;
use super::super::falco::items::Exception;
use super::super::falco::resolve::{self, Resolved};
use super::super::falco::source::Text;
use super::super::ir::{Leaf, Node};
use super::super::load::definitions::RuleDefinition;
use super::super::load::exceptions;
use super::source::{Sources, Written};

/// All that could be compiled. What could not be is refused by loading.
pub(super) struct Compiled<'a> {
    pub(super) rules: Vec<CompiledRule<'a>>,
    pub(super) macros: Vec<CompiledMacro>,
    pub(super) leaves: Vec<Leaf>,
}

pub(super) struct CompiledRule<'a> {
    pub(super) definition: &'a RuleDefinition,
    pub(super) text: Rc<Text>,
    /// As written, with the calls of macros.
    pub(super) written: Expr,
    /// Without exceptions.
    pub(super) condition: Node,
    /// With exceptions.
    pub(super) whole: Node,
    /// What each exception excludes, by its values, for ever.
    pub(super) exceptions: Vec<(&'a Exception, Vec<Node>)>,
}

pub(super) struct CompiledMacro {
    pub(super) text: Rc<Text>,
    pub(super) written: Expr,
    pub(super) condition: Node,
}

impl<'a> Compiled<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        let mut compiler = Compiler::new(None);
        let (mut rules, mut macros) = (Vec::new(), Vec::new());
        for written in sources.conditions() {
            let expand = |written: &Written<'_>| {
                let expanded =
                    resolve::expand(&written.condition, &written.text, &sources.definitions);
                Some(expanded.ok()?.condition)
            };
            let Some(expanded) = expand(&written) else {
                continue;
            };
            let Some(condition) = compile(&mut compiler, &expanded) else {
                continue;
            };
            match written.rule {
                None => macros.push(CompiledMacro {
                    text: written.text,
                    written: written.condition,
                    condition,
                }),
                Some(definition) => {
                    let Some(exceptions) = excepted(&mut compiler, definition, sources) else {
                        continue;
                    };
                    rules.push(CompiledRule {
                        whole: whole(&condition, &exceptions),
                        definition,
                        text: written.text,
                        written: written.condition,
                        condition,
                        exceptions,
                    });
                }
            }
        }
        Self {
            rules,
            macros,
            leaves: compiler.leaves,
        }
    }
}

fn compile(compiler: &mut Compiler, condition: &Resolved) -> Option<Node> {
    let (node, _) = compiler.rule(condition).ok()?;
    compiler.remarks.clear();
    compiler.unsupported.take().is_none().then_some(node)
}

/// What the exceptions of a rule exclude; `None` when they cannot be compiled.
fn excepted<'a>(
    compiler: &mut Compiler,
    rule: &'a RuleDefinition,
    sources: &Sources,
) -> Option<Vec<(&'a Exception, Vec<Node>)>> {
    let mut found = Vec::new();
    for exception in &rule.exceptions {
        let values = exceptions::alternatives(exception, None, &sources.definitions).ok()?;
        if values.is_empty() {
            continue;
        }
        let compiled = values.iter().map(|value| compile(compiler, value));
        found.push((exception, compiled.collect::<Option<Vec<_>>>()?));
    }
    Some(found)
}

fn whole(condition: &Node, exceptions: &[(&Exception, Vec<Node>)]) -> Node {
    let lasting = exceptions
        .iter()
        .filter(|(exception, _)| exception.expires.is_none())
        .flat_map(|(_, values)| values.iter().cloned());
    let excluded = Node::Or(lasting.collect());
    Node::And([condition.clone(), Node::Not(Box::new(excluded))].into())
}
