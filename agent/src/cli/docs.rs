//! `docs`: parts of the documents that the agent itself writes.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::{Exit, Failure, output};
use crate::detect::{self, TestCase};
use crate::sinks::metrics;
use crate::sinks::render::json;
use crate::{config, probe};

/// Which part.
#[derive(Debug, Args)]
pub(super) struct DocsArgs {
    part: Part,
    /// For `coverage`: the folder of the cases that the bundled rules are tried with
    #[arg(required_if_eq("part", "coverage"))]
    cases: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// Fields of the rule language
    Fields,
    /// Settings
    Config,
    /// Bundled rules
    Rules,
    /// Techniques of ATT&CK for Containers, the bundled rules about them, and their tests
    Coverage,
    /// Fields of Sigma rules
    Sigma,
    /// Events, their hooks and messages
    Events,
    /// JSON Schema of the stream's records
    Schema,
    /// Metrics
    Metrics,
}

/// `gravlens docs PART`
pub(super) fn run(args: &DocsArgs) -> Result<(), Failure> {
    let text = match args.part {
        Part::Fields => detect::fields_markdown(),
        Part::Config => config::settings_markdown(),
        Part::Rules => detect::bundled_markdown(),
        Part::Coverage => coverage(args.cases.as_deref().unwrap_or(Path::new("")))?,
        Part::Sigma => detect::sigma_fields_markdown(),
        Part::Events => probe::events_markdown(),
        Part::Schema => json::schema(),
        Part::Metrics => metrics::metrics_markdown(),
    };
    output::text(&text)
}

/// The part of a file of cases that this needs.
#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    rule: String,
    not_run: Option<String>,
}

fn coverage(folder: &Path) -> Result<String, Failure> {
    let failure = |path: &Path, why: &dyn std::fmt::Display| {
        Failure::new(Exit::Usage, format!("{}: {why}", path.display()))
    };
    let mut cases = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| failure(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| failure(folder, &error))?.path();
        let text = fs::read_to_string(&path).map_err(|error| failure(&path, &error))?;
        let table: Cases = toml::from_str(&text).map_err(|error| failure(&path, &error))?;
        let file = path.to_string_lossy().into_owned();
        cases.extend(table.case.into_iter().map(|case| TestCase {
            rule: case.rule,
            file: file.clone(),
            not_run: case.not_run,
        }));
    }
    detect::coverage_markdown(&cases).map_err(|why| failure(folder, &why))
}
