//! What is wrong with a file.

use std::fmt;

/// A place in a file; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    pub(super) fn of(marker: saphyr_parser::Marker) -> Self {
        Self {
            line: marker.line(),
            column: marker.col() + 1,
        }
    }
}

/// Why a file cannot be used, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// Its name.
    pub file: String,
    /// Line and column, from 1; `None` when the whole file cannot be read.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub reason: String,
}

impl FileError {
    pub(super) fn at(file: &str, place: Place, reason: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: Some((place.line, place.column)),
            reason: reason.into(),
        }
    }

    pub(super) fn whole(file: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            place: None,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

impl std::error::Error for FileError {}
