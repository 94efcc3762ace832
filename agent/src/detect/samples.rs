//! Samples: events written by hand that a rule must fire on, or must not.
//!
//! A sample file is a YAML list:
//!
//! ```yaml
//! - rule: Interactive root shell in a container
//!   expect: fires            # or quiet, or undecided
//!   why: docker exec -it web sh
//!   fields:
//!     evt.type: execve
//!     proc.name: sh
//!     proc.aname: [runc, containerd-shim]   # several values: the parent first
//!   unknown: [container.name]               # values the runtime has not told yet
//! ```

mod event;

use std::sync::Arc;

use serde::Serialize;

use super::falco::source::Place;
use super::falco::yaml::{self, Node};
use super::load::RuleFile;
use super::set::{Outcome, RuleIndex, RuleSet};
use super::value::append;
pub use event::SampleEvent;

/// What a rule must do with a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// The rule matches.
    Fires,
    /// The rule does not match.
    Quiet,
    /// The rule depends on a value that is not known yet.
    Undecided,
}

impl Expectation {
    const fn name(self) -> &'static str {
        match self {
            Self::Fires => "fires",
            Self::Quiet => "quiet",
            Self::Undecided => "undecided",
        }
    }
}

/// A sample of a rule.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Name of the rule.
    pub rule: String,
    /// What the rule must do.
    pub expect: Expectation,
    /// What the sample stands for.
    pub why: Option<String>,
    /// The event.
    pub event: SampleEvent,
    place: Place,
}

/// A sample that cannot be read, or that a rule treats otherwise than expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SampleFailure {
    /// Rule, if the sample names one.
    pub rule: Option<String>,
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What the sample stands for, if it says so.
    pub sample: Option<String>,
    /// What the rule must do, if the sample could be read.
    pub expected: Option<Expectation>,
    /// What the rule did, if it was evaluated.
    pub found: Option<Expectation>,
    /// What is wrong, in words.
    pub reason: String,
}

impl SampleFailure {
    fn new(rule: Option<&str>, place: &Place, reason: impl Into<String>) -> Self {
        Self {
            rule: rule.map(str::to_owned),
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            sample: None,
            expected: None,
            found: None,
            reason: reason.into(),
        }
    }

    /// About a sample that could be read.
    fn of(sample: &Sample, found: Option<Expectation>, reason: &str) -> Self {
        let why = sample.why.as_deref().unwrap_or("the sample");
        let expected = sample.expect.name();
        let reason = format!("on \"{why}\": {reason}, where {expected} is expected");
        Self {
            sample: sample.why.clone(),
            expected: Some(sample.expect),
            found,
            ..Self::new(Some(&sample.rule), &sample.place, reason)
        }
    }
}

/// Outcome of a run of samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SampleReport {
    /// Samples that were as expected.
    pub passed: usize,
    /// Samples that were not, or that could not be read.
    pub failures: Vec<SampleFailure>,
}

impl SampleReport {
    /// For people: one line per failure, and a line that sums up.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for failure in &self.failures {
            let SampleFailure {
                file, line, column, ..
            } = failure;
            append(&mut out, format_args!("{file}:{line}:{column}: "));
            if let Some(rule) = &failure.rule {
                append(&mut out, format_args!("rule '{rule}' "));
            }
            append(&mut out, format_args!("{}\n", failure.reason));
        }
        let (passed, failed) = (self.passed, self.failures.len());
        append(
            &mut out,
            format_args!("{passed} samples passed, {failed} failed\n"),
        );
        out
    }
}

/// Reads a file of samples.
pub fn read_samples(file: &RuleFile) -> (Vec<Sample>, Vec<SampleFailure>) {
    let (mut samples, mut failures) = (Vec::new(), Vec::new());
    let mut broken = Vec::new();
    yaml::for_each_item(
        &Arc::from(file.path.as_str()),
        &file.text,
        |node| match sample(node) {
            Ok(sample) => samples.push(sample),
            Err(failure) => failures.push(failure),
        },
        |error| broken.push(SampleFailure::new(None, &error.place, error.reason)),
    );
    failures.append(&mut broken);
    (samples, failures)
}

/// Reads files of samples and runs them against a rule set.
pub fn run_sample_files(set: &RuleSet, files: &[RuleFile]) -> SampleReport {
    let mut report = SampleReport::default();
    for file in files {
        let (samples, mut failures) = read_samples(file);
        let SampleReport {
            passed,
            failures: failed,
        } = run_samples(set, &samples);
        report.passed += passed;
        report.failures.append(&mut failures);
        report.failures.extend(failed);
    }
    report
}

/// Runs samples against a rule set.
pub fn run_samples(set: &RuleSet, samples: &[Sample]) -> SampleReport {
    let mut report = SampleReport::default();
    for sample in samples {
        match run(set, sample) {
            Ok(()) => report.passed += 1,
            Err(failure) => report.failures.push(failure),
        }
    }
    report
}

fn run(set: &RuleSet, sample: &Sample) -> Result<(), SampleFailure> {
    let rule = (0..)
        .zip(set.rules())
        .find(|(_, rule)| rule.info.name == sample.rule)
        .map(|(position, _)| RuleIndex(position))
        .ok_or_else(|| SampleFailure::of(sample, None, "not loaded"))?;
    if !set.rule(rule).enabled {
        return Err(SampleFailure::of(sample, None, "disabled"));
    }
    let mut outcome = Outcome::default();
    set.evaluate(&sample.event, &mut outcome);
    let found = if outcome.matched.contains(&rule) {
        Expectation::Fires
    } else if outcome.undecided.contains(&rule) {
        Expectation::Undecided
    } else {
        Expectation::Quiet
    };
    if found == sample.expect {
        return Ok(());
    }
    Err(SampleFailure::of(sample, Some(found), found.name()))
}

fn sample(node: Node<'_>) -> Result<Sample, SampleFailure> {
    let refuse =
        |node: Node<'_>, reason: &str| Err(SampleFailure::new(None, &node.place(), reason));
    let Some(entries) = node.entries() else {
        return refuse(
            node,
            "a sample is a mapping with the keys rule, expect and fields",
        );
    };
    let (mut rule, mut expect, mut why, mut fields) = (None, None, None, None);
    let mut unknown = Vec::new();
    for (key, value) in entries {
        match key.scalar() {
            Some("rule") => rule = value.scalar(),
            Some("why") => why = value.scalar(),
            Some("fields") => fields = value.entries(),
            Some("unknown") => unknown = value.items().unwrap_or_default(),
            Some("expect") => {
                expect = match value.scalar() {
                    Some("fires") => Some(Expectation::Fires),
                    Some("quiet") => Some(Expectation::Quiet),
                    Some("undecided") => Some(Expectation::Undecided),
                    _ => return refuse(value, "'expect' is fires, quiet or undecided"),
                }
            }
            _ => {
                return refuse(
                    key,
                    "a sample has the keys rule, expect, why, fields and unknown",
                );
            }
        }
    }
    let (Some(rule), Some(expect), Some(fields)) = (rule, expect, fields) else {
        return refuse(node, "a sample needs rule, expect and fields");
    };
    let event = SampleEvent::new(&fields, &unknown)
        .map_err(|(place, reason)| SampleFailure::new(Some(rule), &place, reason))?;
    Ok(Sample {
        rule: rule.to_owned(),
        expect,
        why: why.map(str::to_owned),
        event: event.ok_or_else(|| {
            SampleFailure::new(
                Some(rule),
                &node.place(),
                "a sample needs the field evt.type",
            )
        })?,
        place: node.place(),
    })
}
