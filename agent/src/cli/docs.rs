//! `docs`: parts of the documents that the agent itself writes.

use clap::{Args, ValueEnum};

use super::{Failure, output};
use crate::sinks::metrics;
use crate::sinks::render::json;
use crate::{config, detect, probe};

/// Which part.
#[derive(Debug, Args)]
pub(super) struct DocsArgs {
    part: Part,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// Fields of the rule language
    Fields,
    /// Settings
    Config,
    /// Bundled rules
    Rules,
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
        Part::Sigma => detect::sigma_fields_markdown(),
        Part::Events => probe::events_markdown(),
        Part::Schema => json::schema(),
        Part::Metrics => metrics::metrics_markdown(),
    };
    output::text(&text)
}
