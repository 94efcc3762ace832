//! Whether a run is a long one.

use anyhow::{Context as _, Result};

/// Set to anything, tests that have a long form run it.
const ASKED: &str = "GRAVLENS_SOAK";
/// Rounds of a long run, where a machine is too slow for all of them.
const ROUNDS: &str = "GRAVLENS_SOAK_ROUNDS";

/// A long run was asked for, as `cargo xtask soak` does.
pub fn asked() -> bool {
    std::env::var_os(ASKED).is_some()
}

/// The rounds that were asked for, if a number was.
///
/// # Errors
/// What was asked for is no number.
pub fn rounds() -> Result<Option<u32>> {
    let Ok(rounds) = std::env::var(ROUNDS) else {
        return Ok(None);
    };
    let number = rounds
        .parse()
        .with_context(|| format!("{ROUNDS} is no number: {rounds}"))?;
    Ok(Some(number))
}
