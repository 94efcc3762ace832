//! `config`: check and show.

use std::path::PathBuf;

use clap::Subcommand;

use super::run::RunArgs;
use super::{Failure, Global, output};
use crate::config::{Config, Effective, OutputFormat};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Check the configuration and print it with the origin of every value
    Check {
        /// File to check instead of the configured one
        file: Option<PathBuf>,
        #[command(flatten)]
        flags: RunArgs,
    },
    /// Print every setting with its default, as a file to start from
    Defaults,
}

/// `gravlens config …`
pub(super) fn run(global: &Global, verb: ConfigVerb) -> Result<(), Failure> {
    let effective = match verb {
        ConfigVerb::Check { file, flags } => {
            let file = file.or_else(|| global.config.clone());
            global.load_from(file, flags.flags())?
        }
        ConfigVerb::Defaults => Effective::of(Config::default()),
    };
    effective.print_warnings();
    match global.document()? {
        OutputFormat::Text => output::text(&effective.to_toml()),
        OutputFormat::Json => output::json(&effective.to_json()),
    }
}
