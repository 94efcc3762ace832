//! Terms that make no difference, or that keep their rule from ever firing.
//!
//! A term is judged by what stands beside it in the same text: a macro is written for many rules and
//! judged by itself, its call as a whole.

use super::super::catalogue::info;
use super::super::falco::ast::{Expr, Operand};
use super::super::falco::source::Text;
use super::super::ir::{Node, Source, Test};
use super::super::report::WarningKind;
use super::Notes;
use super::compiled::Compiled;
use super::contradiction::{Placeholders, Prover, Term};

pub(super) fn find(compiled: &Compiled<'_>, notes: &mut Notes) {
    let prover = Prover::new(&compiled.leaves, Placeholders::Open);
    let mut walk = |rule, text, written, condition| {
        let mut walk = Walk {
            compiled,
            prover: &prover,
            rule,
            text,
            notes: &mut *notes,
        };
        walk.node(Part::new(written, condition), &[]);
    };
    for found in &compiled.macros {
        walk(None, &found.text, &found.written, &found.condition);
    }
    for rule in &compiled.rules {
        let name = Some(rule.definition.name.value.as_str());
        walk(name, &rule.text, &rule.written, &rule.condition);
    }
}

/// A part of a condition, as written and as compiled.
#[derive(Clone, Copy)]
struct Part<'a> {
    written: &'a Expr,
    term: Term<'a>,
}

impl<'a> Part<'a> {
    fn new(written: &'a Expr, node: &'a Node) -> Self {
        let term = Term::holds(node);
        Self { written, term }.without_not()
    }

    /// `not` stands in the term, not in the part.
    fn without_not(mut self) -> Self {
        while let (Expr::Not(written), Node::Not(node)) = (self.written, self.term.node) {
            let negated = !self.term.negated;
            let term = Term { node, negated };
            self = Self { written, term };
        }
        self
    }

    /// Operands, and whether all of them must hold; `None` for a comparison or a macro.
    fn operands(self) -> Option<(Vec<Self>, bool)> {
        let negated = self.term.negated;
        let (written, nodes, all) = match (self.written, self.term.node) {
            (Expr::And(written), Node::And(nodes)) => (written, nodes, !negated),
            (Expr::Or(written), Node::Or(nodes)) => (written, nodes, negated),
            _ => return None,
        };
        let part = |(written, node)| {
            let term = Term { node, negated };
            Self { written, term }.without_not()
        };
        Some((written.iter().zip(nodes).map(part).collect(), all))
    }
}

struct Walk<'a, 'n> {
    compiled: &'a Compiled<'a>,
    prover: &'a Prover<'a>,
    rule: Option<&'a str>,
    text: &'a Text,
    notes: &'n mut Notes,
}

impl Walk<'_, '_> {
    /// Looks at the operands of a part; `context` holds wherever the part matters.
    fn node(&mut self, part: Part<'_>, context: &[Term<'_>]) {
        match part.operands() {
            Some((operands, true)) => self.all(&operands, context),
            Some((operands, false)) => self.any(&operands, context),
            None => {}
        }
    }

    fn all(&mut self, operands: &[Part<'_>], context: &[Term<'_>]) {
        let mut terms = context.to_vec();
        for part in operands {
            let before = terms.clone();
            terms.push(part.term);
            if self.prover.contradict(&terms) {
                return self.tell(*part, &before, Verdict::Contradicts);
            }
        }
        // The later of two equal ones is the one that is too many.
        let mut kept = operands.to_vec();
        for position in (0..operands.len()).rev() {
            if self.is_said_for_the_reader(kept[position].term) {
                continue;
            }
            let others = self.beside(&kept, position, context);
            if self.prover.follows(&others, kept[position].term) {
                let part = kept.remove(position);
                self.tell(part, &others, Verdict::Follows);
            }
        }
        for (position, part) in kept.iter().enumerate() {
            let others = self.beside(&kept, position, context);
            self.node(*part, &others);
        }
    }

    fn any(&mut self, operands: &[Part<'_>], context: &[Term<'_>]) {
        for part in operands {
            let mut terms = context.to_vec();
            terms.push(part.term);
            if self.prover.contradict(&terms) {
                self.tell(*part, context, Verdict::Contradicts);
            } else {
                self.node(*part, context);
            }
        }
    }

    /// Naming the event types, or that a field is there, is good style where other terms imply it.
    fn is_said_for_the_reader(&self, term: Term<'_>) -> bool {
        match term.node {
            Node::Leaf(found) if !term.negated => {
                let test = &self.compiled.leaves[found.leaf as usize].test;
                matches!(test, Test::EventType(_) | Test::Exists)
            }
            _ => false,
        }
    }

    fn beside<'t>(
        &self,
        operands: &[Part<'t>],
        position: usize,
        context: &[Term<'t>],
    ) -> Vec<Term<'t>> {
        let others = operands.iter().enumerate();
        let others = others.filter(|(other, _)| *other != position);
        let terms = others.map(|(_, part)| part.term);
        context.iter().copied().chain(terms).collect()
    }

    fn tell(&mut self, part: Part<'_>, context: &[Term<'_>], verdict: Verdict) {
        let written = shortened(part.written);
        let place = self.text.place(offset(part.written));
        if let Some(field) = self.unfilled(part, context) {
            let types = self.prover.types(context);
            let names: Vec<_> = types.iter().map(|syscall| syscall.name()).collect();
            let events = match names.as_slice() {
                [name] => format!("no {name} event"),
                names if names.len() <= NAMED => format!("none of {}", names.join(", ")),
                names => format!("none of the {} event types here", names.len()),
            };
            let reason = format!("{events} has '{field}': '{written}' never holds here");
            let hint = format!(
                "'gravlens rules fields {field}' tells which events have it; compare another \
                 field, or other event types"
            );
            return self
                .notes
                .add(WarningKind::UnfilledField, self.rule, &place, reason, hint);
        }
        let (kind, reason, hint) = verdict.words(&written, part.term.negated);
        self.notes.add(kind, self.rule, &place, reason, hint);
    }

    /// The field of a comparison that no event of the context has.
    fn unfilled(&self, part: Part<'_>, context: &[Term<'_>]) -> Option<String> {
        let Node::Leaf(found) = part.term.node else {
            return None;
        };
        let leaf = &self.compiled.leaves[found.leaf as usize];
        let Source::Field { id, .. } = &leaf.left else {
            return None;
        };
        let info = info(*id);
        let on = info.on.intersection(self.prover.types(context));
        on.is_empty().then(|| info.name.to_owned())
    }
}

/// What was found of a term.
#[derive(Clone, Copy)]
enum Verdict {
    /// It cannot hold together with the rest.
    Contradicts,
    /// It holds wherever the rest does.
    Follows,
}

impl Verdict {
    fn words(self, written: &str, negated: bool) -> (WarningKind, String, &'static str) {
        match (self, negated) {
            (Self::Contradicts, false) => (
                WarningKind::AlwaysFalse,
                format!("'{written}' cannot hold together with the rest of its terms"),
                "remove it, or the term that it contradicts",
            ),
            (Self::Contradicts, true) => (
                WarningKind::AlwaysTrue,
                format!("'{written}' holds wherever the rest does, so 'not' with it never does"),
                "remove it, or the term that it contradicts",
            ),
            (Self::Follows, false) => (
                WarningKind::AlwaysTrue,
                format!("'{written}' holds wherever the rest of its terms do: it changes nothing"),
                "leave it out, or narrow it down",
            ),
            (Self::Follows, true) => (
                WarningKind::AlwaysFalse,
                format!(
                    "'{written}' never holds where the rest of its terms do: 'not' with it changes nothing"
                ),
                "leave it out, or exclude what can occur",
            ),
        }
    }
}

/// Where a part begins in its text.
fn offset(written: &Expr) -> usize {
    match written {
        Expr::Or(children) | Expr::And(children) => children.first().map_or(0, offset),
        Expr::Not(child) => offset(child),
        Expr::Macro(word) => word.at.0,
        Expr::Check(check) => operand_offset(&check.left),
    }
}

fn operand_offset(operand: &Operand) -> usize {
    match operand {
        Operand::Field(field) => field.at.0,
        Operand::Transform { at, .. } => at.0,
        Operand::Literal(word) => word.at.0,
        Operand::List(items) => items.first().map_or(0, operand_offset),
    }
}

/// Event types that are named; more are counted.
const NAMED: usize = 4;
/// Longest term shown, in characters.
const SHOWN: usize = 80;

fn shortened(written: &Expr) -> String {
    let text = written.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    let mut cut: String = text.chars().take(SHOWN).collect();
    cut.push('…');
    cut
}
