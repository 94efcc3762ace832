//! Where text came from: errors name the file, line and column that a person must edit.

use std::fmt;
use std::sync::Arc;

/// A place in a rule file; lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A rule file, or a part of one that is read by itself.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: Arc<str>,
    pub(crate) text: String,
    /// Lines of the file before `text`.
    pub(crate) lines_before: u32,
}

impl SourceFile {
    /// The place of a marker that the YAML parser gave.
    pub(crate) fn place(&self, marker: saphyr_parser::Marker) -> Place {
        self.at(marker.line(), marker.col())
    }

    /// `line` counts from 1, `column` from 0, as the YAML parser does.
    fn at(&self, line: usize, column: usize) -> Place {
        Place {
            file: Arc::clone(&self.path),
            line: self.lines_before + u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
        }
    }
}

/// Text that was decoded from YAML, in pieces if a later item appended to it.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) value: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    /// Where in `value` the piece begins.
    at: usize,
    file: Arc<SourceFile>,
    marker: saphyr_parser::Marker,
}

impl Text {
    pub(crate) fn new(
        value: String,
        file: &Arc<SourceFile>,
        marker: saphyr_parser::Marker,
    ) -> Self {
        Self {
            value,
            pieces: vec![Piece {
                at: 0,
                file: Arc::clone(file),
                marker,
            }],
        }
    }

    /// Text that no file holds.
    pub(crate) fn made(value: &str) -> Self {
        let nowhere = Place {
            file: "".into(),
            line: 1,
            column: 1,
        };
        Self::made_for(value, &nowhere)
    }

    /// Text that no file holds, for what stands on a line of one.
    pub(crate) fn made_for(value: &str, place: &Place) -> Self {
        let file = SourceFile {
            path: Arc::clone(&place.file),
            text: value.to_owned(),
            lines_before: place.line.saturating_sub(1),
        };
        let marker = saphyr_parser::Marker::new(0, 1, 0);
        Self::new(value.to_owned(), &Arc::new(file), marker)
    }

    /// Joins another text with a blank between, as Falco appends conditions.
    pub(crate) fn append(&mut self, other: &Self) {
        self.value.push(' ');
        let base = self.value.len();
        self.value.push_str(&other.value);
        self.pieces.extend(other.pieces.iter().map(|piece| Piece {
            at: base + piece.at,
            ..piece.clone()
        }));
    }

    /// Place of the text's beginning.
    pub(crate) fn start(&self) -> Place {
        self.place(0)
    }

    /// Place of a byte of the text in its file.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let piece = self
            .pieces
            .iter()
            .rev()
            .find(|piece| piece.at <= offset)
            .unwrap_or(&self.pieces[0]);
        let before = self.value.get(piece.at..offset).unwrap_or_default();
        let target = self
            .value
            .get(offset..)
            .and_then(|rest| rest.chars().next());
        piece.locate(before, target)
    }
}

impl Piece {
    /// Walks the file from the piece's beginning beside the decoded text. YAML changes white
    /// space, quotes and escapes only, so the other characters line up.
    fn locate(&self, before: &str, target: Option<char>) -> Place {
        let mut line = self.marker.line();
        let mut column = self.marker.col();
        let mut source = self.file.text.chars().skip(self.marker.index()).peekable();
        let wanted = before
            .chars()
            .filter(|character| !character.is_whitespace())
            .map(|character| (character, false))
            .chain(target.filter(|c| !c.is_whitespace()).map(|c| (c, true)));
        for (character, last) in wanted {
            loop {
                match source.peek() {
                    None => return self.file.place(self.marker),
                    Some(&found) if found == character => break,
                    Some(_) => step(source.next(), &mut line, &mut column),
                }
            }
            if !last {
                step(source.next(), &mut line, &mut column);
            }
        }
        self.file.at(line, column)
    }
}

fn step(passed: Option<char>, line: &mut usize, column: &mut usize) {
    if passed == Some('\n') {
        *line += 1;
        *column = 0;
    } else {
        *column += 1;
    }
}
