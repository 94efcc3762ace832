//! What the kernel keeps of the events, for people.

use serde::Serialize;

/// How much of a class of events is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// None of them.
    Nothing,
    /// Those with a path that has one of some names.
    ByName,
    /// Those with one of some ports at either end.
    ByPort,
    /// All of them.
    Everything,
}

/// Classes of events of which the kernel keeps the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassSummary {
    /// Which events, in words: `open, openat (for reading)`.
    pub events: String,
    /// What is kept of them.
    pub kept: Kept,
    /// The first names or ports; where everything is kept, rules that nothing narrows down.
    pub by: Vec<String>,
    /// How many there are.
    pub count: usize,
}

impl ClassSummary {
    /// What is kept, and why, in words.
    pub fn why(&self) -> String {
        let shown = self.by.join(", ");
        let by = match self.count.saturating_sub(self.by.len()) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        };
        match self.kept {
            Kept::Nothing => "none".to_owned(),
            Kept::ByName => format!("those with a path like {by}"),
            Kept::ByPort => format!("those with port {by} at either end"),
            Kept::Everything => format!("all, for {by}"),
        }
    }
}
