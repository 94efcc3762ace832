//! Detection: rules are loaded once and evaluated against each event.
//!
//! ```text
//! rule files -> falco, sigma (items, conditions) -> compile (typed tree) -> RuleSet -> evaluate(event)
//!                                                                            matches -> Correlator
//! ```
//!
//! Invariants
//! - Synchronous and pure: no clock, no I/O beyond [`RuleSources`] and [`read_paths`], no state
//!   between events but that of the [`Correlator`]. Time comes from events and ticks.
//! - Three-valued: what the container runtime has not told yet is unknown, not missing. A rule that
//!   was decided stays decided, whatever the runtime says later.
//! - One bad rule never drops a file: loading refuses rule by rule, with a place and a reason.
//! - An event that matches nothing allocates nothing.
#![forbid(unsafe_code)]

mod approvers;
mod attack;
mod bundled;
pub mod catalogue;
mod compile;
mod correlation;
mod coverage;
mod eval;
mod event_types;
mod excepted;
mod explain;
mod falco;
mod fields;
mod getopt;
mod glob;
mod index;
mod indifferent;
mod ir;
mod lint;
mod listing;
mod load;
#[cfg(test)]
mod naive;
mod net;
mod patterns;
#[cfg(test)]
mod properties;
mod reach;
mod report;
mod samples;
mod set;
mod sigma;
mod sources;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod truth;
mod value;

pub use approvers::{Approvers, ClassApprover, NamePattern, Wanted};
pub use bundled::{bundled, bundled_markdown, bundled_samples};
pub use catalogue::{
    FieldArg, FieldId, FieldListing, NoSuchField, field_list, field_list_text, fields_markdown,
};
pub use correlation::{Correlated, Correlator};
pub use coverage::{TestCase, coverage_markdown};
pub use event_types::EventTypes;
pub use excepted::{exception_value, filter_value};
pub use explain::{
    Cost, CostClass, Discriminator, ExplainedEvent, ExplainedException, ExplainedField,
    ExplainedTerm, Explanation, SampleCount, explain,
};
pub use falco::expiry::end_of_day;
pub use fields::FieldSource;
pub use lint::check;
pub use listing::{RuleListing, is_named, nearest_name, rule_list, rule_list_text};
pub use load::{
    LoadOptions, Loaded, ReadError, RuleFile, is_rule_file, is_sample_file, load, read_paths,
    read_sample_paths, set_digest,
};
pub use report::{LoadReport, Refusal, RefusalKind, Warning, WarningKind};
pub use samples::{
    Expectation, Sample, SampleEvent, SampleFailure, SampleReport, read_samples, run_sample_files,
    run_samples,
};
pub use set::{Outcome, Rule, RuleIndex, RuleSet};
pub use sigma::{Level, sigma_fields_markdown};
pub use sources::RuleSources;
pub use truth::Truth;
pub use value::{OwnedScalar, Scalar, Value, Values};
