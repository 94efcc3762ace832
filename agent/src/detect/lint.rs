//! What loads and does not do what its author wants: warnings beyond those of loading.
//!
//! Everything here is shown, not guessed: a rule is shadowed only where the trees of the two
//! conditions prove it.

mod compiled;
mod contradiction;
mod exceptions;
mod implied;
mod names;
mod needles;
mod outputs;
mod pairs;
pub(super) mod source;
mod terms;
#[cfg(test)]
mod tests;
mod unused;

use std::collections::HashMap;

use super::falco::source::Place;
use super::load::{LoadOptions, Loaded, RuleFile, load};
use super::report::{Warning, WarningKind};
use compiled::Compiled;
pub(super) use exceptions::expired;
use source::Sources;

/// Loads rule files as [`load`] does and looks at what they say.
pub fn check(files: &[RuleFile], options: &LoadOptions) -> Loaded {
    let mut loaded = load(files, options);
    let sources = Sources::read(files);
    let mut notes = Notes::default();
    unused::find(&sources, &mut notes);
    names::find(&sources, &mut notes);
    needles::find(&sources, &mut notes);
    outputs::find(&sources, &mut notes);
    let compiled = Compiled::new(&sources);
    terms::find(&compiled, &mut notes);
    exceptions::find(&compiled, &mut notes);
    pairs::find(&compiled, &mut notes);
    let report = &mut loaded.report;
    for warning in notes.warnings {
        if !report.warnings.contains(&warning) {
            report.warnings.push(warning);
        }
    }
    let order: HashMap<&str, usize> = files
        .iter()
        .map(|file| file.path.as_str())
        .zip(0..)
        .collect();
    report.warnings.sort_by_key(|warning| {
        let position = order.get(warning.file.as_str()).copied();
        (position, warning.line, warning.column)
    });
    loaded
}

/// Warnings as they are found.
#[derive(Default)]
struct Notes {
    warnings: Vec<Warning>,
}

impl Notes {
    fn add(
        &mut self,
        kind: WarningKind,
        rule: Option<&str>,
        place: &Place,
        reason: String,
        hint: impl Into<String>,
    ) {
        self.warnings.push(Warning {
            rule: rule.map(str::to_owned),
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            kind,
            reason,
            hint: Some(hint.into()),
        });
    }
}
