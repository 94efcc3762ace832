//! The types of what varies in a name.
//!
//! A name is text (see [`super::path`]): words of letters and digits, and what separates them. Each
//! word has at most one type, which depends on the word, on the few bytes that make it part of a
//! longer form such as a date, and on nothing else in the tree.
//!
//! **Strong** types are told from the form alone: `{uuid}` is a UUID at first sight. **Weak** ones
//! could be part of a plain name, such as the `3` of `python3`: the value stays until the tree has
//! seen [`super::tree::PROMOTED_AT`] of them under one parent.
//!
//! Letters alone have no type, whatever they spell, and an extension has none: `libm.so.6` is
//! `libm.so.{n}` at most, and nothing makes `{any}.so.6` of three libraries. The one exception is
//! what follows a separator behind `tmp`, where mkstemp(3) puts letters of both cases.

mod date;
mod identifier;
mod word;

#[cfg(test)]
mod tests;

use super::text::{self, ESCAPE};

/// What a varying part of a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// A UUID, with dashes or underscores.
    Uuid,
    /// A date with a time of day, with all that may follow it.
    Time,
    /// A date.
    Date,
    /// Seconds or milliseconds since 1970, between 2001 and 2033.
    Epoch,
    /// 16 and more hexadecimal digits.
    Hex,
    /// As many hexadecimal digits as MD5 has.
    Hash32,
    /// As many as SHA-1 has.
    Hash40,
    /// As many as SHA-256 and the id of a container have.
    Hash64,
    /// As many as SHA-512 has.
    Hash128,
    /// Five characters that Kubernetes makes up.
    Suffix,
    /// A process that is neither this one nor the first, in procfs.
    Pid,
    /// A thread, in procfs.
    Tid,
    /// A file descriptor, in procfs.
    Fd,
    /// Addresses of a mapping, in procfs.
    Range,
    /// Digits.
    Number,
    /// 8 to 15 hexadecimal digits.
    ShortHex,
    /// Letters and digits in a disorder that no word has.
    Random,
    /// Whatever there is, also over several segments.
    Any,
}

impl Type {
    const ALL: [Self; 18] = [
        Self::Uuid,
        Self::Time,
        Self::Date,
        Self::Epoch,
        Self::Hex,
        Self::Hash32,
        Self::Hash40,
        Self::Hash64,
        Self::Hash128,
        Self::Suffix,
        Self::Pid,
        Self::Tid,
        Self::Fd,
        Self::Range,
        Self::Number,
        Self::ShortHex,
        Self::Random,
        Self::Any,
    ];

    /// How it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Uuid => "{uuid}",
            Self::Time => "{time}",
            Self::Date => "{date}",
            Self::Epoch => "{epoch}",
            Self::Hex => "{hex}",
            Self::Hash32 => "{hash32}",
            Self::Hash40 => "{hash40}",
            Self::Hash64 => "{hash64}",
            Self::Hash128 => "{hash128}",
            Self::Suffix => "{suffix}",
            Self::Pid => "{pid}",
            Self::Tid => "{tid}",
            Self::Fd => "{fd}",
            Self::Range => "{range}",
            Self::Number => "{n}",
            Self::ShortHex => "{hex8}",
            Self::Random => "{rand}",
            Self::Any => "{any}",
        }
    }

    /// The type that is written like that.
    pub fn parse(text: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.text().as_bytes() == text)
    }

    /// Whether it takes several values to tell it from a plain name.
    pub const fn is_weak(self) -> bool {
        matches!(self, Self::Number | Self::ShortHex | Self::Random)
    }
}

/// A name with its types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// With its strong types, weak ones as they were.
    pub name: String,
    /// With all its types, where it has weak ones.
    pub shape: Option<String>,
}

impl Token {
    /// Types the name of one file.
    pub fn of(segment: &[u8]) -> Self {
        let (mut escaped, mut name, mut shape) = (Vec::new(), Vec::new(), Vec::new());
        text::escape(segment, &mut escaped);
        let weak = write(&escaped, &mut name, &mut shape).values;
        Self {
            name: text::string(&name),
            shape: weak.then(|| text::string(&shape)),
        }
    }

    /// The most general form.
    pub fn general(self) -> String {
        self.shape.unwrap_or(self.name)
    }
}

/// What a text has of weak types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weak {
    /// Values that have one.
    pub(super) values: bool,
    /// Types that stood there already.
    pub(super) types: bool,
}

/// Where the two forms of a name are written.
struct Forms<'a> {
    name: &'a mut Vec<u8>,
    shape: &'a mut Vec<u8>,
    weak: Weak,
}

impl Forms<'_> {
    fn literal(&mut self, text: &[u8]) {
        self.name.extend_from_slice(text);
        self.shape.extend_from_slice(text);
    }

    fn strong(&mut self, typed: Type) {
        self.literal(typed.text().as_bytes());
    }

    fn weak(&mut self, value: &[u8], typed: Type) {
        self.name.extend_from_slice(value);
        self.shape.extend_from_slice(typed.text().as_bytes());
        self.weak.values = true;
    }
}

/// Appends both forms of a text to `name` and `shape`. Types and escapes in it stay, so that
/// a name gives itself and the same shape again.
pub(super) fn write(text: &[u8], name: &mut Vec<u8>, shape: &mut Vec<u8>) -> Weak {
    let mut forms = Forms {
        name,
        shape,
        weak: Weak::default(),
    };
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at = match byte {
            b'{' => {
                let end = end_of_type(text, at);
                if Type::parse(&text[at..end]).is_some_and(|typed| typed.is_weak()) {
                    forms.weak.types = true;
                }
                forms.literal(&text[at..end]);
                end
            }
            b'\\' => {
                let end = text.len().min(at + ESCAPE);
                forms.literal(&text[at..end]);
                end
            }
            _ if byte.is_ascii_alphanumeric() => write_word(text, at, &mut forms),
            _ => {
                forms.literal(&text[at..=at]);
                at + 1
            }
        };
    }
    forms.weak
}

/// Whether nothing in a text can have a type.
pub(super) fn is_literal(text: &[u8]) -> bool {
    !text.starts_with(b"tmp")
        && !text
            .iter()
            .any(|byte| matches!(byte, b'0'..=b'9' | b'{' | b'\\'))
        && !text.starts_with(identifier::KUBERNETES_VOLUME)
}

/// The extension of a name in its most general form, with its dot. A dot at the start begins a
/// hidden name, and an extension is a short word that begins with a letter.
pub(super) fn extension(general: &[u8]) -> &[u8] {
    let Some(dot) = general.iter().rposition(|byte| *byte == b'.') else {
        return &[];
    };
    match &general[dot..] {
        [_, first, rest @ ..]
            if dot > 0
                && first.is_ascii_alphabetic()
                && rest.len() < MAX_EXTENSION
                && rest.iter().all(u8::is_ascii_alphanumeric) =>
        {
            &general[dot..]
        }
        _ => &[],
    }
}

/// The longest extension.
pub(super) const MAX_EXTENSION: usize = 8;

fn end_of_type(text: &[u8], at: usize) -> usize {
    let end = text[at..].iter().position(|byte| *byte == b'}');
    end.map_or(text.len(), |end| at + end + 1)
}

fn write_word(text: &[u8], at: usize, forms: &mut Forms<'_>) -> usize {
    if let Some((prefix, end, typed)) =
        identifier::at(text, at).or_else(|| date::at(text, at).map(|(end, typed)| (0, end, typed)))
    {
        forms.literal(&text[at..at + prefix]);
        forms.strong(typed);
        return end;
    }
    word::write(text, at, forms)
}

/// Whether a form may end there: no letter, digit or type follows.
fn ends_at(text: &[u8], at: usize) -> bool {
    text.get(at)
        .is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'{')
}
