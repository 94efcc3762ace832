//! Between checked values and what the configuration has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::value::Value;
use super::PRIORITIES;
use crate::detect::Level;
use crate::model::Priority;

pub(super) fn word(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(super) fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(super) fn path(path: &Path) -> Value {
    Value::Text(text_of(path))
}

pub(super) fn optional_path(of: Option<&Path>) -> Value {
    of.map_or(Value::Text(String::new()), path)
}

pub(super) fn count(count: usize) -> Value {
    Value::Number(count as u64)
}

pub(super) fn millis(duration: Duration) -> Value {
    Value::Number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

pub(super) fn level(word: &str) -> Level {
    Level::named(word).expect("the kind of the setting admits the names of levels only")
}

pub(super) fn priority(word: &str) -> Option<Priority> {
    let named = PRIORITIES.iter().zip(Priority::ALL);
    named
        .filter(|(name, _)| **name == word)
        .map(|(_, priority)| *priority)
        .next()
}

pub(super) fn priority_word(wanted: Option<Priority>) -> &'static str {
    let named = PRIORITIES.iter().zip(Priority::ALL);
    named
        .filter(|(_, priority)| Some(**priority) == wanted)
        .map(|(name, _)| *name)
        .next()
        .unwrap_or("")
}

/// A setter gets what its kind has checked; any other variant is a fault in the table, which a
/// test that sets every setting finds.
impl Value {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            other => unreachable!("the kind of the setting admits text only: {other:?}"),
        }
    }

    pub(super) fn into_path(self) -> PathBuf {
        self.into_text().into()
    }

    pub(super) fn into_optional_path(self) -> Option<PathBuf> {
        Some(self.into_path()).filter(|path| !path.as_os_str().is_empty())
    }

    pub(super) fn into_paths(self) -> Vec<PathBuf> {
        match self {
            Self::Paths(paths) => paths.into_iter().map(PathBuf::from).collect(),
            other => unreachable!("the kind of the setting admits lists only: {other:?}"),
        }
    }

    pub(super) fn into_bool(self) -> bool {
        match self {
            Self::Bool(value) => value,
            other => unreachable!("the kind of the setting admits booleans only: {other:?}"),
        }
    }

    pub(super) fn into_number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            other => unreachable!("the kind of the setting admits numbers only: {other:?}"),
        }
    }

    pub(super) fn into_u32(self) -> u32 {
        u32::try_from(self.into_number()).expect("the setting's range fits")
    }

    pub(super) fn into_usize(self) -> usize {
        usize::try_from(self.into_number()).expect("the agent runs on 64-bit machines")
    }
}
