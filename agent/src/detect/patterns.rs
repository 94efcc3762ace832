//! Regular expressions, as Falco reads them, and a memory for those that events bring.

use regex::bytes::{Regex, RegexBuilder};

/// Most memory of a compiled expression, in bytes.
const SIZE_LIMIT: usize = 1 << 20;
/// Expressions that are remembered. An event can bring any number of them.
const REMEMBERED: usize = 8;

/// Compiles an expression: the whole text must match. It works on bytes; one that names characters
/// beyond ASCII works on characters.
///
/// # Errors
/// What is wrong with the expression, for people.
pub(crate) fn compile(expression: &str) -> Result<Regex, String> {
    let pattern = format!("^(?:{expression})$");
    let build = |unicode| {
        RegexBuilder::new(&pattern)
            .unicode(unicode)
            .size_limit(SIZE_LIMIT)
            .build()
    };
    build(false).or_else(|_| build(true)).map_err(|error| {
        let message = error.to_string();
        message.lines().last().unwrap_or_default().to_owned()
    })
}

/// Expressions that events brought, the latest last. One that cannot be used is remembered too.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    known: Vec<(Box<[u8]>, Option<Regex>)>,
}

impl Patterns {
    /// Whether the whole text matches; never, if the expression cannot be used.
    pub(crate) fn matches(&mut self, expression: &[u8], text: &[u8]) -> bool {
        let known = self.known.iter().position(|(it, _)| **it == *expression);
        let position = known.unwrap_or_else(|| {
            if self.known.len() == REMEMBERED {
                self.known.remove(0);
            }
            let compiled = std::str::from_utf8(expression).ok();
            let compiled = compiled.and_then(|expression| compile(expression).ok());
            self.known.push((expression.into(), compiled));
            self.known.len() - 1
        });
        let (_, regex) = &self.known[position];
        regex.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_events_are_remembered_within_bounds() {
        let mut patterns = Patterns::default();
        for number in 0..3 * REMEMBERED {
            let expression = format!("[a-z]+{number}");
            assert!(patterns.matches(expression.as_bytes(), format!("x{number}").as_bytes()));
            assert!(!patterns.matches(expression.as_bytes(), b"x"));
        }
        assert_eq!(patterns.known.len(), REMEMBERED);
    }

    #[test]
    fn what_is_no_expression_matches_nothing() {
        let mut patterns = Patterns::default();
        for expression in [b"(".as_slice(), b"\xff", b"a{1000}{1000}{1000}"] {
            assert!(!patterns.matches(expression, expression));
        }
        assert!(compile("(").is_err());
    }
}
