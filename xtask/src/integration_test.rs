//! `cargo xtask integration-test`: the privileged suites alone.

use std::time::Duration;

use anyhow::Result;

use crate::steps;
use crate::test;

const TOTAL: Duration = Duration::from_secs(80 * 60);

/// Run the privileged suites alone.
#[derive(clap::Subcommand)]
pub(crate) enum Where {
    /// On this machine: needs root, a kernel with BTF and Docker Engine
    Local {
        /// Run only tests whose name contains one of these; more arguments of the test program
        /// can follow `--`
        #[arg(value_name = "FILTER")]
        filter: Vec<String>,
    },
}

/// Runs `cargo xtask integration-test`.
pub(crate) fn verb(place: &Where) -> Result<()> {
    let Where::Local { filter } = place;
    let planned = vec![
        test::setup()?,
        test::release_build(),
        test::privileged(filter),
    ];
    let left_out: Vec<String> = if filter.is_empty() {
        Vec::new()
    } else {
        vec![format!("only tests that match: {}", filter.join(" "))]
    };
    steps::run_all(planned, TOTAL, &left_out)
}
