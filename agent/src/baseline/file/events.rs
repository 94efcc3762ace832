//! YAML as a walk over what the parser tells: nothing is built that a short text could make large,
//! and every piece has its place.

use std::borrow::Cow;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use super::error::{FileError, Place};
use crate::detect::nearest_name;

pub(super) type Result<T> = std::result::Result<T, FileError>;

/// The walk.
pub(super) struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
    file: &'a str,
    ahead: Option<(Event<'a>, Place)>,
}

/// A text with its place.
#[derive(Clone, Debug)]
pub(super) struct Scalar<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) place: Place,
}

impl<'a> Events<'a> {
    pub(super) fn new(text: &'a str, file: &'a str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            file,
            ahead: None,
        }
    }

    pub(super) fn error(&self, place: Place, reason: impl Into<String>) -> FileError {
        FileError::at(self.file, place, reason)
    }

    /// The only document, which `read` reads.
    pub(super) fn document<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.is_next(|event| matches!(event, Event::StreamStart))? {
            self.next()?;
        }
        if !self.is_next(|event| matches!(event, Event::DocumentStart(_)))? {
            let reason = "the file is empty: a baseline begins with 'workload:'";
            return Err(self.error(Place::START, reason));
        }
        self.next()?;
        let document = read(self)?;
        if self.is_next(|event| matches!(event, Event::DocumentEnd))? {
            self.next()?;
        }
        match self.next()? {
            (Event::StreamEnd, _) => Ok(document),
            (_, place) => {
                let reason = "a second document: write one file for each workload";
                Err(self.error(place, reason))
            }
        }
    }

    /// Where the next piece begins.
    pub(super) fn place(&mut self) -> Result<Place> {
        Ok(self.peek()?.1)
    }

    pub(super) fn is_mapping(&mut self) -> Result<bool> {
        self.is_next(|event| matches!(event, Event::MappingStart(..)))
    }

    /// A text; `what` it should be is for the message.
    pub(super) fn scalar(&mut self, what: &str) -> Result<Scalar<'a>> {
        let (event, place) = self.next()?;
        match event {
            Event::Scalar(text, style, ..) if !is_null(&text, style) => Ok(Scalar { text, place }),
            other => {
                let reason = format!("{what} has to be a text in one piece, not {}", kind(&other));
                Err(self.error(place, reason))
            }
        }
    }

    /// Each value of a mapping is read by `each`, which is given its key. No value at all is an
    /// empty mapping.
    pub(super) fn mapping(
        &mut self,
        what: &str,
        mut each: impl FnMut(&mut Self, &Scalar<'a>) -> Result<()>,
    ) -> Result<()> {
        let (event, place) = self.next()?;
        match event {
            Event::MappingStart(..) => {}
            Event::Scalar(text, style, ..) if is_null(&text, style) => return Ok(()),
            other => {
                let reason = format!("{what} has to be 'key: value' lines, not {}", kind(&other));
                return Err(self.error(place, reason));
            }
        }
        let mut keys: Vec<Scalar<'a>> = Vec::new();
        while !self.is_next(|event| matches!(event, Event::MappingEnd))? {
            let key = self.scalar("a key")?;
            if let Some(first) = keys.iter().find(|known| known.text == key.text) {
                let reason = format!(
                    "'{}' stands at line {} already: write both in one",
                    shown(&key.text),
                    first.place.line
                );
                return Err(self.error(key.place, reason));
            }
            each(self, &key)?;
            keys.push(key);
        }
        self.next()?;
        Ok(())
    }

    /// Each item of a list is read by `each`. No value at all is an empty list.
    pub(super) fn list(
        &mut self,
        what: &str,
        mut each: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let (event, place) = self.next()?;
        match event {
            Event::SequenceStart(..) => {}
            Event::Scalar(text, style, ..) if is_null(&text, style) => return Ok(()),
            other => {
                let reason = format!(
                    "{what} has to be a list of '- ' lines, not {}",
                    kind(&other)
                );
                return Err(self.error(place, reason));
            }
        }
        while !self.is_next(|event| matches!(event, Event::SequenceEnd))? {
            each(self)?;
        }
        self.next()?;
        Ok(())
    }

    /// A key that means nothing where it stands.
    pub(super) fn unknown(&self, key: &Scalar<'_>, known: &[&str]) -> FileError {
        let asked = shown(&key.text);
        let reason = match nearest_name(&asked, known.iter().copied()) {
            Some(near) => format!("'{asked}' means nothing here; did you mean '{near}'?"),
            None => format!("'{asked}' means nothing here: write {}", known.join(", ")),
        };
        self.error(key.place, reason)
    }

    fn is_next(&mut self, is: impl FnOnce(&Event<'a>) -> bool) -> Result<bool> {
        Ok(is(&self.peek()?.0))
    }

    fn peek(&mut self) -> Result<&(Event<'a>, Place)> {
        let next = match self.ahead.take() {
            Some(next) => next,
            None => self.pull()?,
        };
        Ok(self.ahead.insert(next))
    }

    fn next(&mut self) -> Result<(Event<'a>, Place)> {
        match self.ahead.take() {
            Some(next) => Ok(next),
            None => self.pull(),
        }
    }

    fn pull(&mut self) -> Result<(Event<'a>, Place)> {
        loop {
            let (event, place) = match self.parser.next_event() {
                Some(Ok((event, Span { start, .. }))) => (event, Place::of(start)),
                Some(Err(error)) => {
                    let reason = format!("this is no valid YAML: {}", error.info());
                    return Err(self.error(Place::of(*error.marker()), reason));
                }
                None => (Event::StreamEnd, Place::of(Marker::new(0, 1, 0))),
            };
            let (anchor, tagged) = match &event {
                Event::Nothing => continue,
                Event::Alias(_) => (1, false),
                Event::Scalar(_, _, anchor, tag)
                | Event::SequenceStart(anchor, tag)
                | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
                _ => (0, false),
            };
            if anchor != 0 {
                let reason = "anchors and aliases have no place here: write the value itself";
                return Err(self.error(place, reason));
            }
            if tagged {
                let reason = "tags have no place here: a text that begins with '!' needs quotes";
                return Err(self.error(place, reason));
            }
            return Ok((event, place));
        }
    }
}

/// Text of a file as a message may show it.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}

fn is_null(text: &str, style: ScalarStyle) -> bool {
    style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn kind(event: &Event<'_>) -> &'static str {
    match event {
        Event::MappingStart(..) => "'key: value' (a text with ': ' in it needs quotes)",
        Event::SequenceStart(..) => "a list",
        Event::Scalar(text, style, ..) if is_null(text, *style) => {
            "nothing (an empty text is \"\")"
        }
        Event::Scalar(..) => "a text",
        _ => "the end",
    }
}
