//! Python with the packages that `cargo xtask setup` installs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where the Python programs of the tests lie.
pub fn sources() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/python"))
}

/// The interpreter.
pub fn interpreter() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let path = target
        .context("no target folder")?
        .join("python/bin/python");
    ensure!(
        path.exists(),
        "{} is not there: run `cargo xtask setup`",
        path.display()
    );
    Ok(path)
}
