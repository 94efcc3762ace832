//! Values of fields, and how they are shown to people.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::model::{Mount, Process};

/// One value. Text is bytes: the kernel promises no encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// Text.
    Text(&'a [u8]),
    /// Number; durations and times are nanoseconds.
    Number(i64),
    /// Truth value.
    Bool(bool),
    /// Network address.
    Address(IpAddr),
}

/// What an event says about a field.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// The event has no such value: every comparison is false, `!=` included.
    Missing,
    /// The value exists but is not known yet (container metadata under way).
    Unknown,
    /// One value.
    One(Scalar<'a>),
    /// Several values at once; at least one unless the iterator says otherwise.
    Many(Values<'a>),
}

impl<'a> Value<'a> {
    /// Text.
    pub fn text(bytes: &'a [u8]) -> Self {
        Self::One(Scalar::Text(bytes))
    }

    /// Text, missing when there is none or when it is empty.
    pub fn non_empty(text: &'a str) -> Self {
        if text.is_empty() {
            Self::Missing
        } else {
            Self::text(text.as_bytes())
        }
    }

    /// A number that may not fit or not exist.
    pub fn number(number: impl TryInto<i64>) -> Self {
        number
            .try_into()
            .map_or(Self::Missing, |number| Self::One(Scalar::Number(number)))
    }

    /// A truth value.
    pub fn flag(flag: bool) -> Self {
        Self::One(Scalar::Bool(flag))
    }

    /// Texts, missing when there are none.
    pub fn texts(texts: &'a [Box<str>]) -> Self {
        match texts {
            [] => Self::Missing,
            [text] => Self::text(text.as_bytes()),
            _ => Self::Many(Values::Texts(texts)),
        }
    }

    /// Addresses, missing when there are none.
    pub fn addresses(addresses: &'a [IpAddr]) -> Self {
        match addresses {
            [] => Self::Missing,
            [address] => Self::One(Scalar::Address(*address)),
            _ => Self::Many(Values::Addresses(addresses)),
        }
    }

    /// A value or nothing.
    pub fn optional(scalar: Option<Scalar<'a>>) -> Self {
        scalar.map_or(Self::Missing, Self::One)
    }
}

/// Several values of one field, without a collection behind them: an event allocates nothing.
#[derive(Clone, Debug)]
pub enum Values<'a> {
    /// Both ends of a socket, as far as they are known.
    Pair([Option<Scalar<'a>>; 2]),
    /// One value per ancestor, nearest first.
    Ancestors {
        /// The next ancestor to read.
        next: Option<&'a Process>,
        /// What to read off it.
        read: fn(&Process) -> Option<Scalar<'_>>,
    },
    /// One value per mount of a container.
    Mounts {
        /// Mounts still to read.
        rest: &'a [Mount],
        /// What to read off them.
        read: fn(&Mount) -> &str,
    },
    /// Texts in a row.
    Texts(&'a [Box<str>]),
    /// Addresses in a row.
    Addresses(&'a [IpAddr]),
    /// Texts with a zero behind each.
    Terminated(&'a [u8]),
    /// Values kept by the source.
    Owned(&'a [OwnedScalar]),
}

impl<'a> Iterator for Values<'a> {
    type Item = Scalar<'a>;

    fn next(&mut self) -> Option<Scalar<'a>> {
        match self {
            Self::Pair([first, second]) => first.take().or_else(|| second.take()),
            Self::Ancestors { next, read } => loop {
                let process = (*next)?;
                *next = process.parent.as_deref();
                if let Some(value) = read(process) {
                    return Some(value);
                }
            },
            Self::Mounts { rest, read } => {
                let (mount, others) = rest.split_first()?;
                *rest = others;
                Some(Scalar::Text(read(mount).as_bytes()))
            }
            Self::Texts(texts) => {
                let (text, others) = texts.split_first()?;
                *texts = others;
                Some(Scalar::Text(text.as_bytes()))
            }
            Self::Addresses(addresses) => {
                let (address, others) = addresses.split_first()?;
                *addresses = others;
                Some(Scalar::Address(*address))
            }
            Self::Terminated(texts) => {
                let end = memchr::memchr(0, texts)?;
                let (text, others) = texts.split_at(end);
                *texts = &others[1..];
                Some(Scalar::Text(text))
            }
            Self::Owned(values) => {
                let (value, others) = values.split_first()?;
                *values = others;
                Some(value.borrow())
            }
        }
    }
}

/// A value that outlives the event it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedScalar {
    /// Text.
    Text(Box<[u8]>),
    /// Number.
    Number(i64),
    /// Truth value.
    Bool(bool),
    /// Network address.
    Address(IpAddr),
}

impl OwnedScalar {
    /// The value, borrowed.
    pub fn borrow(&self) -> Scalar<'_> {
        match self {
            Self::Text(text) => Scalar::Text(text),
            &Self::Number(number) => Scalar::Number(number),
            &Self::Bool(flag) => Scalar::Bool(flag),
            &Self::Address(address) => Scalar::Address(address),
        }
    }
}

#[cfg(test)]
impl From<Scalar<'_>> for OwnedScalar {
    fn from(scalar: Scalar<'_>) -> Self {
        match scalar {
            Scalar::Text(text) => Self::Text(text.into()),
            Scalar::Number(number) => Self::Number(number),
            Scalar::Bool(flag) => Self::Bool(flag),
            Scalar::Address(address) => Self::Address(address),
        }
    }
}

/// Longest value shown to people, in bytes of the original.
const SHOWN: usize = 1024;

/// Appends a value as people read it: bytes that are no printable text are escaped.
pub(crate) fn show(scalar: Scalar<'_>, out: &mut String) {
    match scalar {
        Scalar::Text(bytes) => show_text(bytes, out),
        Scalar::Number(number) => append(out, format_args!("{number}")),
        Scalar::Bool(flag) => append(out, format_args!("{flag}")),
        Scalar::Address(address) => append(out, format_args!("{address}")),
    }
}

/// Appends all values, separated by commas.
pub(crate) fn show_all<'a>(values: impl Iterator<Item = Scalar<'a>>, out: &mut String) {
    for (position, value) in values.enumerate() {
        if position > 0 {
            out.push(',');
        }
        show(value, out);
    }
}

fn show_text(bytes: &[u8], out: &mut String) {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    for chunk in shown.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || is_deceptive(character) {
                append(out, format_args!("{}", character.escape_default()));
            } else {
                out.push(character);
            }
        }
        for byte in chunk.invalid() {
            append(out, format_args!("\\x{byte:02x}"));
        }
    }
    if shown.len() < bytes.len() {
        out.push('…');
    }
}

/// Characters that turn text round or hide it on a terminal.
fn is_deceptive(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `write!` to a string, which cannot fail.
pub(crate) fn append(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments)
        .expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_for_people() {
        let mut out = String::new();
        show(Scalar::Text(b"a\xffb\n\xe2\x80\xaec"), &mut out);
        assert_eq!(out, "a\\xffb\\n\\u{202e}c");
    }

    #[test]
    fn long_text_is_cut_with_a_mark() {
        let mut out = String::new();
        show(Scalar::Text(&vec![b'x'; SHOWN + 1]), &mut out);
        assert_eq!(out.chars().count(), SHOWN + 1);
        assert!(out.ends_with('…'));
    }

    #[test]
    fn a_pair_gives_the_ends_that_exist() {
        let pair = Values::Pair([None, Some(Scalar::Number(2))]);
        assert_eq!(pair.collect::<Vec<_>>(), [Scalar::Number(2)]);
    }
}
