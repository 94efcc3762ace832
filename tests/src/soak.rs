//! Whether a run is a long one.

use anyhow::{Context as _, Result};

/// Set to anything, tests that have a long form run it.
const ASKED: &str = "GRAVLENS_SOAK";
/// Images that a long run makes of a program, where a machine is too slow for all of them.
const IMAGES: &str = "GRAVLENS_SOAK_IMAGES";

/// A long run was asked for, as `cargo xtask soak` does.
pub fn asked() -> bool {
    std::env::var_os(ASKED).is_some()
}

/// The images that were asked for, if a number was.
///
/// # Errors
/// What was asked for is no number.
pub fn images() -> Result<Option<u32>> {
    let Ok(images) = std::env::var(IMAGES) else {
        return Ok(None);
    };
    let number = images
        .parse()
        .with_context(|| format!("{IMAGES} is no number: {images}"))?;
    Ok(Some(number))
}
