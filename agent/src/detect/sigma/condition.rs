//! Conditions over the names of searches.

use super::super::catalogue::nearest;
use super::super::falco::items::Trouble;
use super::super::falco::source::Text;
use super::super::report::RefusalKind;

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    /// A search, by its position.
    Search(usize),
    /// At least so many of these searches.
    Of(usize, Vec<usize>),
}

/// How deep brackets may nest.
const DEPTH: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Word(&'a str),
}

/// Reads a condition over searches of these names.
pub(crate) fn parse(text: &Text, names: &[&str]) -> Result<Condition, Trouble> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        names,
    };
    let condition = parser.or(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(condition),
        Some(_) => Err(parser.expected("'and', 'or' or the end")),
    }
}

fn tokens(text: &Text) -> Result<Vec<(usize, Token<'_>)>, Trouble> {
    let mut tokens = Vec::new();
    let is_word = |character: char| character.is_alphanumeric() || "_-.*".contains(character);
    let mut rest = text.value.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        let token = match character {
            '(' => Token::Open,
            ')' => Token::Close,
            '|' => {
                let reason = "'|' begins Sigma's old way to count events";
                let place = text.place(at);
                return Err(Trouble::new(place, RefusalKind::UnsupportedFeature, reason)
                    .hint("write a correlation rule"));
            }
            character if character.is_whitespace() => continue,
            character if is_word(character) => {
                let mut end = at + character.len_utf8();
                while let Some((next, character)) = rest.next_if(|&(_, next)| is_word(next)) {
                    end = next + character.len_utf8();
                }
                Token::Word(&text.value[at..end])
            }
            other => {
                let reason = format!("'{other}' means nothing in a condition");
                return Err(Trouble::new(text.place(at), RefusalKind::Syntax, reason));
            }
        };
        tokens.push((at, token));
    }
    Ok(tokens)
}

struct Parser<'a> {
    text: &'a Text,
    tokens: Vec<(usize, Token<'a>)>,
    at: usize,
    names: &'a [&'a str],
}

impl Parser<'_> {
    fn or(&mut self, depth: usize) -> Result<Condition, Trouble> {
        self.chain("or", depth, Self::and, Condition::Or)
    }

    fn and(&mut self, depth: usize) -> Result<Condition, Trouble> {
        self.chain("and", depth, Self::not, Condition::And)
    }

    fn chain(
        &mut self,
        word: &str,
        depth: usize,
        operand: fn(&mut Self, usize) -> Result<Condition, Trouble>,
        join: fn(Vec<Condition>) -> Condition,
    ) -> Result<Condition, Trouble> {
        let mut operands = vec![operand(self, depth)?];
        while self.takes(word) {
            operands.push(operand(self, depth)?);
        }
        Ok(match operands.len() {
            1 => operands.remove(0),
            _ => join(operands),
        })
    }

    fn not(&mut self, depth: usize) -> Result<Condition, Trouble> {
        if depth > DEPTH {
            let reason = format!("nested more than {DEPTH} levels deep");
            return Err(self.refuse(RefusalKind::Syntax, reason));
        }
        if self.takes("not") {
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        match self.tokens.get(self.at).map(|&(_, token)| token) {
            Some(Token::Open) => {
                self.at += 1;
                let inner = self.or(depth + 1)?;
                if self.tokens.get(self.at).map(|&(_, token)| token) != Some(Token::Close) {
                    return Err(self.expected("')'"));
                }
                self.at += 1;
                Ok(inner)
            }
            Some(Token::Word(word)) if self.is_word(1, "of") => self.quantified(word),
            Some(Token::Word(word)) if !is_keyword(word) => {
                let found = self.names.iter().position(|name| *name == word);
                let Some(found) = found else {
                    return Err(self.no_search(word));
                };
                self.at += 1;
                Ok(Condition::Search(found))
            }
            _ => Err(self.expected("the name of a search")),
        }
    }

    /// `1 of selection_*`, `all of them`.
    fn quantified(&mut self, quantity: &str) -> Result<Condition, Trouble> {
        let count = match quantity.to_lowercase().as_str() {
            "all" => None,
            "any" => Some(1),
            number => match number.parse::<usize>() {
                Ok(number) if number > 0 => Some(number),
                _ => return Err(self.expected("'all', 'any' or a number before 'of'")),
            },
        };
        self.at += 2;
        let Some(&(_, Token::Word(pattern))) = self.tokens.get(self.at) else {
            return Err(self.expected("'them' or names after 'of'"));
        };
        let them = pattern.eq_ignore_ascii_case("them");
        let searches: Vec<usize> = (0..)
            .zip(self.names)
            .filter(|(_, name)| match them {
                // Names that begin so are left to be named one by one.
                true => !name.starts_with('_'),
                false => named_like(pattern, name),
            })
            .map(|(position, _)| position)
            .collect();
        if searches.is_empty() {
            return Err(self.no_search(pattern));
        }
        let count = count.unwrap_or(searches.len());
        if count > searches.len() {
            let reason = format!("{count} of {} searches can never hold", searches.len());
            return Err(self.refuse(RefusalKind::Syntax, reason));
        }
        self.at += 1;
        Ok(Condition::Of(count, searches))
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(
            self.tokens.get(self.at + ahead),
            Some((_, Token::Word(found))) if found.eq_ignore_ascii_case(word)
        )
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        self.at += usize::from(found);
        found
    }

    fn refuse(&self, kind: RefusalKind, reason: impl Into<String>) -> Trouble {
        let end = self.text.value.trim_end().len().saturating_sub(1);
        let at = self.tokens.get(self.at).map_or(end, |&(at, _)| at);
        Trouble::new(self.text.place(at), kind, reason)
    }

    fn expected(&self, what: &str) -> Trouble {
        let found = match self.tokens.get(self.at) {
            None => "the end".to_owned(),
            Some((_, Token::Open)) => "'('".to_owned(),
            Some((_, Token::Close)) => "')'".to_owned(),
            Some((_, Token::Word(word))) => format!("'{word}'"),
        };
        self.refuse(
            RefusalKind::Syntax,
            format!("expected {what}, found {found}"),
        )
    }

    fn no_search(&self, name: &str) -> Trouble {
        let reason = format!("there is no search '{name}'");
        let trouble = self.refuse(RefusalKind::Undefined, reason);
        match nearest(name, self.names.iter().copied()) {
            Some(near) => trouble.hint(format!("did you mean '{near}'?")),
            None => trouble,
        }
    }
}

fn is_keyword(word: &str) -> bool {
    ["and", "or", "not", "of"]
        .iter()
        .any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// The name matches a pattern in which `*` stands for anything.
fn named_like(pattern: &str, name: &str) -> bool {
    super::super::glob::Glob::new(pattern.as_bytes()).matches(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::super::falco::source::Text;
    use super::Condition::{And, Not, Of, Or, Search};
    use super::*;

    const NAMES: &[&str] = &["a", "b_1", "b_2", "_hidden"];

    fn read(condition: &str) -> Result<Condition, String> {
        parse(&Text::made(condition), NAMES).map_err(|trouble| trouble.reason)
    }

    #[test]
    fn not_binds_before_and_before_or() {
        assert_eq!(
            read("a or not b_1 AND b_2"),
            Ok(Or(vec![
                Search(0),
                And(vec![Not(Box::new(Search(1))), Search(2)])
            ]))
        );
        assert_eq!(
            read("not (a or b_1)"),
            Ok(Not(Box::new(Or(vec![Search(0), Search(1)]))))
        );
    }

    #[test]
    fn quantities_stand_for_the_searches_of_that_name() {
        assert_eq!(read("1 of b_*"), Ok(Of(1, vec![1, 2])));
        assert_eq!(read("all of b*"), Ok(Of(2, vec![1, 2])));
        assert_eq!(read("2 of them"), Ok(Of(2, vec![0, 1, 2])));
        assert_eq!(read("any of them"), Ok(Of(1, vec![0, 1, 2])));
    }

    #[test]
    fn what_is_no_condition_is_refused_with_the_reason() {
        for (condition, reason) in [
            ("c", "there is no search 'c'"),
            ("a and", "expected the name of a search, found the end"),
            ("a b_1", "expected 'and', 'or' or the end, found 'b_1'"),
            ("(a", "expected ')', found the end"),
            ("1 of c*", "there is no search 'c*'"),
            ("3 of b_*", "3 of 2 searches can never hold"),
            (
                "a | count() > 3",
                "'|' begins Sigma's old way to count events",
            ),
            ("a & b_1", "'&' means nothing in a condition"),
            ("", "expected the name of a search, found the end"),
        ] {
            assert_eq!(read(condition), Err(reason.to_owned()), "{condition}");
        }
        assert!(read(&"(".repeat(100_000)).is_err());
        assert!(read(&"not ".repeat(100_000)).is_err());
    }
}
