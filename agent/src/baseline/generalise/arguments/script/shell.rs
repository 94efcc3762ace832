//! Scripts of a shell.

use crate::baseline::generalise::arguments::value;

/// Words that come before a command.
const BEFORE_COMMAND: [&[u8]; 11] = [
    b"!", b"{", b"if", b"then", b"else", b"elif", b"while", b"until", b"do", b"time", b"exec",
];
/// Operators, the longest first.
const OPERATORS: [&str; 20] = [
    "<<<", "&>>", "&&", "||", ";;", "<<", ">>", "&>", ">&", "<&", "<(", ">(", "|&", "|", "&", ";",
    "<", ">", "(", ")",
];
/// Longer flags are `{word}`.
const MAX_FLAG: usize = 24;

/// Tokens of a script.
pub(super) fn tokens(script: &[u8]) -> Vec<String> {
    let mut lexer = Lexer {
        script,
        at: 0,
        tokens: Vec::new(),
        word: Vec::new(),
        has_word: false,
        command_next: true,
        file_next: false,
        quoted: false,
        outer: Vec::new(),
    };
    while lexer.at < script.len() {
        lexer.step();
    }
    lexer.end_word();
    lexer.tokens
}

struct Lexer<'a> {
    script: &'a [u8],
    at: usize,
    tokens: Vec<String>,
    word: Vec<u8>,
    /// There is a word, which is empty between two quotes.
    has_word: bool,
    /// The next word is a command.
    command_next: bool,
    /// The next word is a file.
    file_next: bool,
    /// Inside double quotes.
    quoted: bool,
    /// For each substitution that is open: what ends it, and whether it began inside quotes.
    outer: Vec<(u8, bool)>,
}

impl Lexer<'_> {
    fn step(&mut self) {
        let rest = &self.script[self.at..];
        let byte = rest[0];
        match byte {
            b'\\' => {
                self.word.extend(rest.get(1));
                self.has_word = true;
                self.at += 2;
            }
            b'"' => {
                self.quoted = !self.quoted;
                // The end adds no word: a substitution may have been all there was.
                self.has_word |= self.quoted;
                self.at += 1;
            }
            b'`' if self.ends_substitution(b'`') => self.end_substitution("`"),
            b'`' => self.begin_substitution("`", b'`'),
            b'$' if rest.starts_with(b"$(") => self.begin_substitution("$(", b')'),
            _ if self.quoted => self.take(byte),
            b'\'' => {
                let content = rest[1..].split(|byte| *byte == b'\'').next();
                let content = content.unwrap_or_default();
                self.word.extend_from_slice(content);
                self.has_word = true;
                self.at += content.len() + 2;
            }
            b'#' if !self.has_word => {
                let line = rest.iter().position(|byte| *byte == b'\n');
                self.at += line.unwrap_or(rest.len());
            }
            b'\n' => self.operator(";", 1),
            b')' if self.ends_substitution(b')') => self.end_substitution(")"),
            _ if byte.is_ascii_whitespace() => {
                self.end_word();
                self.at += 1;
            }
            _ => {
                let operator = OPERATORS
                    .into_iter()
                    .find(|operator| rest.starts_with(operator.as_bytes()));
                match operator {
                    Some(operator) => self.operator(operator, operator.len()),
                    None => self.take(byte),
                }
            }
        }
    }

    fn take(&mut self, byte: u8) {
        self.word.push(byte);
        self.has_word = true;
        self.at += 1;
    }

    fn operator(&mut self, operator: &str, length: usize) {
        // The descriptor in `2>` belongs to the operator.
        let descriptor = operator.starts_with(['<', '>'])
            && self.word.len() == 1
            && self.word[0].is_ascii_digit();
        if descriptor {
            let descriptor = char::from(self.word[0]);
            self.word.clear();
            self.has_word = false;
            self.tokens.push(format!("{descriptor}{operator}"));
        } else {
            self.end_word();
            self.tokens.push(operator.to_owned());
        }
        let redirection = operator.contains(['<', '>']) && !operator.ends_with('(');
        self.file_next = redirection;
        if !redirection {
            self.command_next = operator != ")";
        }
        self.at += length;
    }

    fn ends_substitution(&self, end: u8) -> bool {
        !self.quoted && self.outer.last().is_some_and(|(wanted, _)| *wanted == end)
    }

    fn begin_substitution(&mut self, operator: &str, end: u8) {
        let quoted = self.quoted;
        self.has_word = !self.word.is_empty();
        self.end_word();
        self.tokens.push(operator.to_owned());
        self.outer.push((end, quoted));
        self.quoted = false;
        self.command_next = true;
        self.file_next = false;
        self.at += operator.len();
    }

    fn end_substitution(&mut self, operator: &str) {
        self.end_word();
        self.tokens.push(operator.to_owned());
        self.quoted = self.outer.pop().is_some_and(|(_, quoted)| quoted);
        self.command_next = false;
        self.at += operator.len();
    }

    fn end_word(&mut self) {
        if !std::mem::take(&mut self.has_word) {
            return;
        }
        let word = std::mem::take(&mut self.word);
        let is_file = std::mem::take(&mut self.file_next);
        let before_command = BEFORE_COMMAND.contains(&word.as_slice());
        let assignment = value::assignment(&word).is_some();
        let shape = if is_file || (self.command_next && assignment) {
            value::shape(&word)
        } else if self.command_next && before_command {
            // A brace on its own is no type.
            match word.as_slice() {
                b"{" => "\\x7b".to_owned(),
                word => value::command(word),
            }
        } else if self.command_next {
            value::command(&word)
        } else if word.len() > 1 && word[0] == b'-' {
            flag(&word)
        } else {
            value::shape(&word)
        };
        self.command_next &= is_file || before_command || assignment;
        self.tokens.push(shape);
    }
}

fn flag(word: &[u8]) -> String {
    if word.len() <= MAX_FLAG
        && word
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
    {
        return word.iter().copied().map(char::from).collect();
    }
    crate::baseline::generalise::arguments::item(word)
}
