//! What the exceptions of a rule say of an event.

use super::eval::{self, Memo, Scratch};
use super::falco::ast::{At, Word};
use super::fields::FieldSource;
use super::set::RuleSet;
use super::sigma::pattern::Pattern;
use super::truth::Truth;

impl RuleSet {
    /// Whether an exception leaves an event out; `None` if the rule has none of that name.
    pub fn excepts(&self, rule: &str, exception: &str, event: &impl FieldSource) -> Option<Truth> {
        let rule = self.rules().find(|found| found.info.name == rule)?;
        let exception = rule
            .exceptions
            .iter()
            .find(|found| found.name == exception)?;
        let (mut memo, mut scratch) = (Memo::default(), Scratch::default());
        memo.begin(self.leaves().len());
        let mut truth = |node| eval::node(node, self.leaves(), event, &mut memo, &mut scratch);
        let truths: Vec<_> = exception.alternatives.iter().map(&mut truth).collect();
        Some(match truths {
            truths if truths.contains(&Truth::True) => Truth::True,
            truths if truths.contains(&Truth::Unknown) => Truth::Unknown,
            _ => Truth::False,
        })
    }
}

/// A text as a value of a Sigma filter that means this text and nothing else.
pub fn filter_value(text: &str) -> String {
    Pattern::escaped(text)
}

/// A text as a value of an exception that means this text and nothing else.
pub fn exception_value(text: &str) -> String {
    // What begins so, or is called like a function, would be read as a part of a condition.
    let quoted = text.starts_with(['"', '\'']) || text.contains('(') || text.trim() != text;
    if !quoted {
        return text.to_owned();
    }
    let word = Word {
        text: text.to_owned(),
        quoted,
        at: At(0),
    };
    word.to_string()
}
