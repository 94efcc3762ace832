//! `rules fields`: what a condition can ask.

use crate::cli::{Exit, Failure, Global, output};
use crate::config::OutputFormat;
use crate::detect::{self, NoSuchField};

/// `gravlens rules fields`
pub(super) fn run(global: &Global, asked: Option<&str>) -> Result<(), Failure> {
    let fields = detect::field_list(asked)?;
    match global.document()? {
        OutputFormat::Text => output::text(&detect::field_list_text(&fields)),
        OutputFormat::Json => output::json(&fields),
    }
}

impl From<NoSuchField> for Failure {
    fn from(error: NoSuchField) -> Self {
        Self::new(Exit::Usage, error)
    }
}
