//! Sigma's levels.

use crate::model::Priority;

/// How much a match of a Sigma rule means, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the variants are Sigma's own words")]
pub enum Level {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Level {
    /// Every level, least first.
    pub const ALL: &'static [Self] = &[
        Self::Informational,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// Sigma's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The level of that name.
    pub fn named(name: &str) -> Option<Self> {
        let named = |level: &&Self| level.name().eq_ignore_ascii_case(name);
        Self::ALL.iter().find(named).copied()
    }

    /// The priority that alerts of the level have.
    pub const fn priority(self) -> Priority {
        match self {
            Self::Informational => Priority::Informational,
            Self::Low => Priority::Notice,
            Self::Medium => Priority::Warning,
            Self::High => Priority::Error,
            Self::Critical => Priority::Critical,
        }
    }
}
