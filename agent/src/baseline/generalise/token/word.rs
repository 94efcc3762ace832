//! The type of one word.

use super::{Forms, Type};

/// Programs make up the rest of names that begin like this: Python and PHP in their temporary
/// files, container networks in their interfaces.
const PREFIXES: [&[u8]; 4] = [b"tmp", b"php", b"veth", b"cali"];
/// Behind these and a separator stands what mkstemp(3) made up.
const TEMPORARY: [&[u8]; 3] = [b"tmp.", b"tmp-", b"tmp_"];
/// What Python's tempfile puts behind `tmp`: eight of letters, digits and the underscore.
const PYTHON_RANDOM: usize = 8;
/// What mkstemp(3) makes up, and the least that mktemp(1) does.
const MKSTEMP_RANDOM: usize = 6;
/// Random words are not shorter.
const RANDOM: usize = 5;
/// Changes between letters and digits, or to a capital, that a plain word does not have.
const RANDOM_CHANGES: usize = 3;
/// Letters of one case in a row that make part of a word of it, such as the `beta` in `v1beta1`.
const WORDLY: usize = 4;
/// So long a word may have such letters by chance.
const LONG: usize = 16;
/// The longest extension that may have digits, such as `mp3` and `bz2`.
const EXTENSION: usize = 4;

/// What a word is made of.
#[derive(Default)]
struct Content {
    digits: usize,
    lower: usize,
    upper: usize,
    /// Changes between letters and digits, and from a small letter to a capital.
    changes: usize,
    /// Letters beyond `f`.
    beyond_hex: usize,
    /// The most letters of one case in a row.
    row: usize,
}

impl Content {
    fn of(word: &[u8]) -> Self {
        let mut content = Self::default();
        let mut previous = None;
        let mut row = 0;
        for byte in word {
            match byte {
                b'0'..=b'9' => content.digits += 1,
                b'a'..=b'z' => content.lower += 1,
                _ => content.upper += 1,
            }
            if byte.is_ascii_alphabetic() && !byte.is_ascii_hexdigit() {
                content.beyond_hex += 1;
            }
            if previous.is_some_and(|previous: &u8| {
                previous.is_ascii_digit() != byte.is_ascii_digit()
                    || (previous.is_ascii_lowercase() && byte.is_ascii_uppercase())
            }) {
                content.changes += 1;
            }
            let same_case = previous.is_some_and(|previous: &u8| {
                previous.is_ascii_lowercase() == byte.is_ascii_lowercase()
                    && previous.is_ascii_uppercase() == byte.is_ascii_uppercase()
            });
            row = match byte.is_ascii_alphabetic() {
                true if same_case => row + 1,
                letter => usize::from(letter),
            };
            content.row = content.row.max(row);
            previous = Some(byte);
        }
        content
    }

    fn letters(&self) -> usize {
        self.lower + self.upper
    }

    /// Letters and digits in a disorder that no word has, however many words it is made of.
    fn is_random(&self) -> bool {
        let length = self.letters() + self.digits;
        let disorder = if length < LONG {
            self.row < WORDLY && 2 * (self.changes + 1) >= length
        } else {
            // Words in a row have changes too, more of them in CamelCase.
            let changes_every = if self.lower > 0 && self.upper > 0 {
                4
            } else {
                5
            };
            changes_every * self.changes >= length
        };
        length >= RANDOM && self.changes >= RANDOM_CHANGES && disorder
    }

    /// Of the length and of all that mkstemp(3) makes up.
    fn is_mkstemp(&self) -> bool {
        let all = self.digits > 0 && self.lower > 0 && self.upper > 0;
        let length = self.letters() + self.digits;
        all && length == MKSTEMP_RANDOM && self.changes > 1 && self.row < WORDLY
    }

    /// Hexadecimal digits, among them a letter and a number, in one case.
    fn hexadecimal(&self) -> bool {
        self.beyond_hex == 0 && self.digits > 0 && (self.lower > 0) != (self.upper > 0)
    }
}

/// Writes the word that begins at `at`; gives its end.
pub(super) fn write(text: &[u8], at: usize, forms: &mut Forms<'_>) -> usize {
    if at == 0
        && let Some(end) = python_temporary(text)
    {
        let (prefix, random) = text[..end].split_at(3);
        forms.literal(prefix);
        forms.weak(random, Type::Random);
        return end;
    }
    let length = text[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let end = at + length;
    let word = &text[at..end];
    let content = Content::of(word);
    let last = end == text.len() && at > 0 && content.is_mkstemp();
    if last || temporary(text, at, &content) {
        forms.weak(word, Type::Random);
    } else if content.digits == 0 {
        forms.literal(word);
    } else if content.letters() == 0 {
        number(word, forms);
    } else if is_extension(text, at, end) {
        forms.literal(word);
    } else {
        mixed(word, &content, forms);
    }
    end
}

fn number(word: &[u8], forms: &mut Forms<'_>) {
    // Seconds and milliseconds of 2001 to 2033.
    if matches!(word.len(), 10 | 13) && word[0] == b'1' {
        forms.strong(Type::Epoch);
    } else {
        forms.weak(word, Type::Number);
    }
}

/// A word of letters and digits.
fn mixed(word: &[u8], content: &Content, forms: &mut Forms<'_>) {
    if content.hexadecimal() {
        match word.len() {
            32 => return forms.strong(Type::Hash32),
            40 => return forms.strong(Type::Hash40),
            64 => return forms.strong(Type::Hash64),
            128 => return forms.strong(Type::Hash128),
            16.. => return forms.strong(Type::Hex),
            8.. => return forms.weak(word, Type::ShortHex),
            _ => {}
        }
    }
    let prefixed = PREFIXES.into_iter().find(|prefix| word.starts_with(prefix));
    if let Some((prefix, rest)) = prefixed.map(|prefix| word.split_at(prefix.len()))
        && rest.len() >= RANDOM
        && rest.iter().any(u8::is_ascii_alphabetic)
        && Content::of(rest).row < WORDLY
    {
        forms.literal(prefix);
        forms.weak(rest, Type::Random);
    } else if content.is_random() {
        forms.weak(word, Type::Random);
    } else {
        for run in word.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
            if run[0].is_ascii_digit() {
                forms.weak(run, Type::Number);
            } else {
                forms.literal(run);
            }
        }
    }
}

/// Whether a word with letters in it is the extension of a name.
fn is_extension(text: &[u8], at: usize, end: usize) -> bool {
    end == text.len() && end - at <= EXTENSION && at > 1 && text[at - 1] == b'.'
}

/// Whether a word is one that mkstemp(3) made up behind `tmp`: there, a word of letters is one too
/// if it is no `CamelCase`.
fn temporary(text: &[u8], at: usize, content: &Content) -> bool {
    let made_up = match content.digits {
        0 => content.changes > 0 && content.upper > 1,
        _ => content.upper > 0 && content.lower > 0,
    };
    made_up
        && content.letters() + content.digits >= MKSTEMP_RANDOM
        && TEMPORARY
            .into_iter()
            .any(|prefix| prefix.len() == at && text.starts_with(prefix))
}

/// The end of a name that Python's tempfile made up, or of its part before a suffix.
fn python_temporary(text: &[u8]) -> Option<usize> {
    let random = text.strip_prefix(b"tmp")?.get(..PYTHON_RANDOM)?;
    let end = 3 + PYTHON_RANDOM;
    let alphabet = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let whole = text.get(end).is_none_or(|next| *next == b'.');
    let made_up = random.iter().all(alphabet)
        && random.iter().any(u8::is_ascii_digit)
        && random.iter().any(u8::is_ascii_lowercase);
    (whole && made_up).then_some(end)
}
