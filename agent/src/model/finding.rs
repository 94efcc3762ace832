//! What detection says about an event.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::BaselineEvidence;

/// Falco's priorities, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the variants are Falco's own words")]
pub enum Priority {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Informational,
    Debug,
}

impl Priority {
    /// Every priority, most urgent first.
    pub const ALL: &'static [Self] = &[
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Informational,
        Self::Debug,
    ];

    /// Upper-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emergency => "EMERGENCY",
            Self::Alert => "ALERT",
            Self::Critical => "CRITICAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Informational => "INFO",
            Self::Debug => "DEBUG",
        }
    }

    /// At least as urgent as `other`.
    pub fn at_least(self, other: Self) -> bool {
        self <= other
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What people need to know of a rule; one value per loaded rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Rule name, unique in the set.
    pub name: String,
    /// Id that a Sigma rule has everywhere; empty where there is none.
    pub id: String,
    /// Who wrote a Sigma rule: its licence asks to show it with each match. Empty where it does
    /// not say.
    pub author: String,
    /// Level of a Sigma rule in its own word; empty for other languages.
    pub level: &'static str,
    /// Where to read more.
    pub references: Vec<String>,
    /// Priority.
    pub priority: Priority,
    /// Description.
    pub description: String,
    /// Tags as written.
    pub tags: Vec<String>,
    /// ATT&CK technique ids among the tags (`T1059`, `T1059.004`).
    pub attack_ids: Vec<String>,
    /// Rule language: `falco` or `sigma`; of built-in ones `baseline` or `built-in`.
    pub language: &'static str,
    /// File that defined the rule.
    pub file: String,
    /// Line of the rule in that file, from 1.
    pub line: u32,
    /// Digest of the whole rule set.
    pub set_digest: Arc<str>,
}

/// Which rule set made an alert, or was in force beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSetId {
    /// Digest of its sources.
    pub digest: Arc<str>,
    /// 1 for the set that the run began with, one more for each that was taken over.
    pub generation: u64,
}

/// One leaf of a condition that decided the match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedTerm {
    /// Field as written, with its argument: `proc.aname[2]`.
    pub field: String,
    /// Operator as written: `in`, `startswith`.
    pub operator: String,
    /// Right side as written, lists expanded and shortened.
    pub operand: String,
    /// The event's value, escaped for people; `None` when the field was missing.
    pub value: Option<String>,
    /// The term stands below a `not`: it decided by being false.
    pub negated: bool,
    /// Which bytes of the value meet the operand, of operators that look at a part.
    pub met_at: Option<Range<usize>>,
    /// File that the term stands in.
    pub file: String,
    /// Its line there, from 1.
    pub line: u32,
    /// Its column there, from 1.
    pub column: u32,
    /// Macros that lead to it, that of the rule's own condition first.
    pub macros: Vec<String>,
}

/// An exception of the rule of which all comparisons but one held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearException {
    /// Its name.
    pub name: String,
    /// The comparison that did not hold, with the value that it met.
    pub failed: MatchedTerm,
}

/// A rule that matched an event, or what is new about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: Arc<RuleInfo>,
    /// The rule's output template, filled in.
    pub output: String,
    /// Terms that decided the match.
    pub evidence: Vec<MatchedTerm>,
    /// Terms that could not be decided, because the container's metadata did not come in time.
    /// Empty for a definite match.
    pub undecided: Vec<MatchedTerm>,
    /// Exceptions that nearly applied, in the order of the rule.
    pub near_exceptions: Vec<NearException>,
    /// What a baseline says; then the rule is built in.
    pub baseline: Option<Box<BaselineEvidence>>,
}
