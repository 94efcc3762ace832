//! Reading the text of patterns.

use std::fmt;

use super::{Form, MAX_PATH, MAX_SEGMENTS, Segment, Segments, next, skipped};
use crate::baseline::generalise::guard::GuardReason;
use crate::baseline::generalise::text;
use crate::baseline::generalise::token::Type;

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Longer than any path.
    Long,
    /// A byte that has to be escaped, or an escape that is none.
    Byte,
    /// Braces around something else than a type.
    Type,
    /// A value beside a type that would take its place: no path is ever written like that.
    Unreachable,
    /// A type for something that is never generalised.
    Guarded(GuardReason),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long => write!(f, "longer than a path can be"),
            Self::Byte => write!(
                f,
                "bytes beyond printable ASCII, braces and backslashes are written as \\xNN"
            ),
            Self::Type => write!(f, "braces around something that is no type"),
            Self::Unreachable => write!(
                f,
                "matches no path: its numbers and identifiers have to be types too, and {{any}} \
                 stands alone at the end"
            ),
            Self::Guarded(reason) => write!(f, "never generalised: {}", reason.why),
        }
    }
}

impl std::error::Error for ParseError {}

impl Segments {
    /// Reads the text of a path or of a pattern.
    ///
    /// # Errors
    /// See [`ParseError`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > MAX_PATH * text::ESCAPE {
            return Err(ParseError::Long);
        }
        let mut segments = Self::new();
        let mut context = segments.start(text.as_bytes(), None);
        let mut rest = text.as_bytes();
        while let Some(segment) = next(&mut rest) {
            if segments.list.len() >= MAX_SEGMENTS {
                return Err(ParseError::Long);
            }
            let segment = canonical(segment)?;
            if skipped(&segment) {
                continue;
            }
            let more = next(&mut { rest }).is_some();
            if segments.push(&segment, &mut context).is_none() || (more && segments.ends_with_any())
            {
                return Err(ParseError::Unreachable);
            }
        }
        segments.pin();
        let open = |segment: &Segment| matches!(segment.form, Form::Shape | Form::Any);
        match segments.guard {
            Some(reason) if segments.list.iter().any(open) => Err(ParseError::Guarded(reason)),
            _ => Ok(segments),
        }
    }
}

/// A segment of a text with each byte in its only form.
fn canonical(segment: &[u8]) -> Result<Vec<u8>, ParseError> {
    let mut text = Vec::with_capacity(segment.len());
    let mut at = 0;
    while let Some(&byte) = segment.get(at) {
        match byte {
            b'\\' => {
                let byte = text::escaped(&segment[at..]).ok_or(ParseError::Byte)?;
                text::escape(&[byte], &mut text);
                at += text::ESCAPE;
            }
            b'{' => {
                let length = segment[at..].iter().position(|byte| *byte == b'}');
                let end = at + length.ok_or(ParseError::Type)? + 1;
                let typed = Type::parse(&segment[at..end]).ok_or(ParseError::Type)?;
                text.extend_from_slice(typed.text().as_bytes());
                at = end;
            }
            _ if text::plain(byte) => {
                text.push(byte);
                at += 1;
            }
            _ => return Err(ParseError::Byte),
        }
    }
    Ok(text)
}
