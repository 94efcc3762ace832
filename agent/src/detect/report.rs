//! What loading said about each file and rule.

use std::fmt;

use serde::Serialize;

/// Why something was refused, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// Not YAML.
    Yaml,
    /// YAML that is no rule item: a missing or unknown key, a wrong type.
    Item,
    /// The condition or output template breaks the grammar.
    Syntax,
    /// A macro or list that does not exist or comes later.
    Undefined,
    /// A field that nobody has.
    NoSuchField,
    /// A field that Falco or Sigma has and this agent cannot fill.
    UnsupportedField,
    /// The rule needs event types that no loaded hook produces.
    UntracedEvent,
    /// An event type that nobody knows.
    NoSuchEvent,
    /// A comparison that makes no sense for the field's type.
    Type,
    /// A part of Falco's or Sigma's language that is not supported.
    UnsupportedFeature,
    /// A Sigma rule about logs that the sensor's events do not stand for.
    LogSource,
    /// The condition grows too large when its macros are expanded.
    TooLarge,
}

/// A rule, macro, list or file that was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Rule; `None` when the trouble is not in a rule.
    pub rule: Option<String>,
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// Kind of reason.
    pub kind: RefusalKind,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a warning is about, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// Something is read otherwise than its author or Falco may expect.
    Meaning,
    /// The condition never holds.
    NeverHolds,
    /// The condition is evaluated for every event.
    NoEventType,
    /// Some of the rule's events come from hooks that do not exist.
    UntracedEvent,
    /// An exception that has ended and excludes nothing any more.
    ExpiredException,
    /// Two rules with the same condition.
    DuplicateRule,
    /// A rule that fires only where another one does.
    ShadowedRule,
    /// A term that makes no difference, as it holds wherever the others do.
    AlwaysTrue,
    /// A term that cannot hold together with the others.
    AlwaysFalse,
    /// A field that no event of the rule has, or that no hook fills.
    UnfilledField,
    /// A name that is longer than the kernel keeps.
    LongName,
    /// An exception that excludes everything its rule looks for.
    HidingException,
    /// An exception that excludes nothing of what its rule looks for.
    UselessException,
    /// A macro that no rule uses.
    UnusedMacro,
    /// A list that no rule uses.
    UnusedList,
    /// A substring that stands in almost everything.
    BroadContains,
}

impl WarningKind {
    /// Word for people and documents; programs see the same.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Meaning => "meaning",
            Self::NeverHolds => "never_holds",
            Self::NoEventType => "no_event_type",
            Self::UntracedEvent => "untraced_event",
            Self::ExpiredException => "expired_exception",
            Self::DuplicateRule => "duplicate_rule",
            Self::ShadowedRule => "shadowed_rule",
            Self::AlwaysTrue => "always_true",
            Self::AlwaysFalse => "always_false",
            Self::UnfilledField => "unfilled_field",
            Self::LongName => "long_name",
            Self::HidingException => "hiding_exception",
            Self::UselessException => "useless_exception",
            Self::UnusedMacro => "unused_macro",
            Self::UnusedList => "unused_list",
            Self::BroadContains => "broad_contains",
        }
    }
}

/// Something loaded that may not do what its author expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Rule; `None` when the warning is not about a rule.
    pub rule: Option<String>,
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What it is about.
    pub kind: WarningKind,
    /// What may surprise.
    pub reason: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Outcome of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// Rules that were loaded, disabled ones included.
    pub loaded: usize,
    /// What was refused, in file order.
    pub refused: Vec<Refusal>,
    /// What may surprise, in file order.
    pub warnings: Vec<Warning>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = (self.file.as_str(), self.line, self.column);
        line(formatter, &self.rule, place, &self.reason, &self.hint)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = (self.file.as_str(), self.line, self.column);
        line(formatter, &self.rule, place, &self.reason, &self.hint)
    }
}

/// What there is to say of a place in a file, in one line.
fn line(
    formatter: &mut fmt::Formatter<'_>,
    rule: &Option<String>,
    (file, line, column): (&str, u32, u32),
    reason: &str,
    hint: &Option<String>,
) -> fmt::Result {
    write!(formatter, "{file}:{line}:{column}: ")?;
    if let Some(rule) = rule {
        write!(formatter, "rule '{rule}': ")?;
    }
    formatter.write_str(reason)?;
    match hint {
        Some(hint) => write!(formatter, " ({hint})"),
        None => Ok(()),
    }
}

impl LoadReport {
    /// For people: one paragraph per refusal and warning, and a line that sums up.
    pub fn to_text(&self) -> String {
        use super::value::append;
        let mut out = String::new();
        for refusal in &self.refused {
            let Refusal {
                file, line, column, ..
            } = refusal;
            append(&mut out, format_args!("{file}:{line}:{column}: refused"));
            if let Some(rule) = &refusal.rule {
                append(&mut out, format_args!(" rule '{rule}'"));
            }
            append(&mut out, format_args!(": {}\n", refusal.reason));
            if let Some(hint) = &refusal.hint {
                append(&mut out, format_args!("    {hint}\n"));
            }
        }
        for warning in &self.warnings {
            let Warning {
                file, line, column, ..
            } = warning;
            append(&mut out, format_args!("{file}:{line}:{column}: warning"));
            if let Some(rule) = &warning.rule {
                append(&mut out, format_args!(" in rule '{rule}'"));
            }
            let (reason, kind) = (&warning.reason, warning.kind.word());
            append(&mut out, format_args!(": {reason} [{kind}]\n"));
            if let Some(hint) = &warning.hint {
                append(&mut out, format_args!("    {hint}\n"));
            }
        }
        let (refused, warnings) = (self.refused.len(), self.warnings.len());
        append(
            &mut out,
            format_args!(
                "{} rules loaded, {refused} refused, {warnings} warnings\n",
                self.loaded
            ),
        );
        out
    }
}
