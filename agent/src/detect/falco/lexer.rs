//! Tokens of the condition grammar. It has no separate token stream: what a word means depends on
//! where it stands, so the parser asks for what it expects.

use super::ast::{At, Transformer, Word};

/// A condition that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// Byte offset in the condition.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) reason: String,
    /// What to write instead.
    pub(crate) hint: Option<String>,
}

/// Reading position in a condition.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// Blanks between tokens; Falco counts the backspace among them.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{8}' | '\r' | '\n')
}

/// White space as the token patterns exclude it.
fn is_space(character: char) -> bool {
    matches!(
        character,
        ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{8}'
    )
}

fn is_bare(character: char) -> bool {
    !is_space(character) && !matches!(character, '(' | ')' | '"' | '\'' | '=' | ',')
}

/// The character may stand in brackets without quotes.
pub(crate) fn is_bare_argument(character: char) -> bool {
    !is_space(character) && !matches!(character, '[' | ']' | '"' | '\'')
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The text is read back as itself without quotes, wherever a value may stand.
pub(crate) fn reads_as_bare(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_bare) && !matches!(text, "oneof" | "anyof" | "allof")
}

/// The text is a name that a condition can hold: of a macro or a list.
pub(crate) fn is_identifier(text: &str) -> bool {
    identifier_length(text) == Some(text.len())
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// Place of the next character.
    pub(crate) fn at(&self) -> At {
        At(self.at)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// An error at the next character.
    pub(crate) fn error(&self, reason: impl Into<String>) -> SyntaxError {
        SyntaxError {
            at: self.at,
            reason: reason.into(),
            hint: None,
        }
    }

    /// What stands here, for messages.
    pub(crate) fn found(&self) -> String {
        let rest = self.rest();
        let word: String = rest
            .chars()
            .take_while(|&character| !is_space(character))
            .take(24)
            .collect();
        match (rest.is_empty(), word.is_empty()) {
            (true, _) => "the end of the condition".to_owned(),
            (false, true) => "a blank".to_owned(),
            (false, false) => format!("'{word}'"),
        }
    }

    /// Skips blanks; true if there were any.
    pub(crate) fn blank(&mut self) -> bool {
        let start = self.at;
        self.take_while(is_blank);
        self.at > start
    }

    fn take_while(&mut self, accept: fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest
            .find(|character| !accept(character))
            .unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Takes exactly this text.
    pub(crate) fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    /// Takes this word if it ends here.
    pub(crate) fn keyword(&mut self, keyword: &str) -> bool {
        let found = self
            .rest()
            .strip_prefix(keyword)
            .is_some_and(|rest| !rest.starts_with(is_word));
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// Takes this word if a blank follows it.
    pub(crate) fn keyword_blank(&mut self, keyword: &str) -> bool {
        let found = self
            .rest()
            .strip_prefix(keyword)
            .is_some_and(|rest| rest.starts_with(is_blank));
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// Takes this word if a bracket opens after it.
    pub(crate) fn keyword_before_list(&mut self, keyword: &str) -> bool {
        let found = self
            .rest()
            .strip_prefix(keyword)
            .is_some_and(|rest| rest.trim_start_matches(is_blank).starts_with('('));
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// A name without a dot: of a macro or a list.
    pub(crate) fn identifier(&mut self) -> Option<Word> {
        let at = self.at();
        let length = identifier_length(self.rest())?;
        let text = self.rest()[..length].to_owned();
        self.at += length;
        Some(Word {
            text,
            quoted: false,
            at,
        })
    }

    /// A name with at least one dot, each part an identifier.
    pub(crate) fn field_name(&mut self) -> Option<Word> {
        let rest = self.rest();
        let mut length = identifier_length(rest)?;
        let first = length;
        while let Some(part) = rest[length..].strip_prefix('.').and_then(identifier_length) {
            length += 1 + part;
        }
        if length == first {
            return None;
        }
        let word = Word {
            text: rest[..length].to_owned(),
            quoted: false,
            at: self.at(),
        };
        self.at += length;
        Some(word)
    }

    /// The name of a transformer and its opening bracket.
    pub(crate) fn transformer(&mut self) -> Option<Transformer> {
        Transformer::ALL.into_iter().find(|transformer| {
            let opened = self
                .rest()
                .strip_prefix(transformer.name())
                .is_some_and(|rest| rest.starts_with('('));
            if opened {
                self.at += transformer.name().len() + 1;
            }
            opened
        })
    }

    /// A hexadecimal or decimal number, kept as written.
    pub(crate) fn number(&mut self) -> Option<Word> {
        let at = self.at();
        let length = number_length(self.rest())?;
        let text = self.rest()[..length].to_owned();
        self.at += length;
        Some(Word {
            text,
            quoted: false,
            at,
        })
    }

    /// A quoted string, unescaped.
    pub(crate) fn quoted(&mut self) -> Result<Option<Word>, SyntaxError> {
        let at = self.at();
        let Some(quote) = self
            .rest()
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\''))
        else {
            return Ok(None);
        };
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((offset, character)) = characters.next() {
            match character {
                _ if character == quote => {
                    self.at += offset + 1;
                    return Ok(Some(Word {
                        text,
                        quoted: true,
                        at,
                    }));
                }
                '\\' => {
                    let Some((_, escaped)) = characters.next() else {
                        break;
                    };
                    let Some(meaning) = unescape(escaped, quote) else {
                        return Err(SyntaxError {
                            at: self.at + offset,
                            reason: format!(
                                "unsupported escape '\\{escaped}' in a {quote}-quoted string"
                            ),
                            hint: Some(format!(
                                "use one of \\b \\f \\n \\r \\t \\\\ \\/ \\{quote}"
                            )),
                        });
                    };
                    text.push(meaning);
                }
                _ => text.push(character),
            }
        }
        Err(SyntaxError {
            at: self.at,
            reason: "a string that does not end".to_owned(),
            hint: Some(format!("close it with {quote}")),
        })
    }

    /// A string without quotes.
    pub(crate) fn bare(&mut self) -> Option<Word> {
        self.word_of(is_bare)
    }

    /// A field argument without quotes.
    pub(crate) fn bare_argument(&mut self) -> Option<Word> {
        self.word_of(is_bare_argument)
    }

    fn word_of(&mut self, accept: fn(char) -> bool) -> Option<Word> {
        let at = self.at();
        let text = self.take_while(accept);
        (!text.is_empty()).then(|| Word {
            text: text.to_owned(),
            quoted: false,
            at,
        })
    }
}

fn unescape(escaped: char, quote: char) -> Option<char> {
    match escaped {
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        // Rules in the wild escape a blank and get a backslash from Falco.
        '\\' | ' ' => Some('\\'),
        '/' => Some('/'),
        _ if escaped == quote => Some(quote),
        _ => None,
    }
}

fn identifier_length(text: &str) -> Option<usize> {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        .then(|| {
            text.find(|character| !is_word(character))
                .unwrap_or(text.len())
        })
}

fn number_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    if text.starts_with("0x") || text.starts_with("0X") {
        let hex = bytes[2..]
            .iter()
            .take_while(|b| b.is_ascii_hexdigit())
            .count();
        if hex > 0 {
            return Some(2 + hex);
        }
    }
    let mut at = usize::from(text.starts_with(['+', '-']));
    let whole = digits(at);
    if whole == 0 {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        at += 1 + digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) && matches!(bytes.get(at + 1), Some(b'+' | b'-'))
    {
        let exponent = digits(at + 2);
        if exponent > 0 {
            at += 2 + exponent;
        }
    }
    Some(at)
}
