//! The offenders image: busybox, and the programs of `tests/offenders` with the libraries that
//! they were linked with, so that they run whatever libc this machine has.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::busybox;
use crate::offenders::{ALL, binary};

const SET_USER_ID: &str = "setuid_root";

/// Fills a root file system.
pub(super) fn build(root: &Path) -> Result<()> {
    busybox::build(root)?;
    let folder = root.join("offenders");
    fs::create_dir_all(&folder)?;
    let mut libraries = BTreeSet::new();
    for name in &ALL {
        let program = binary(name)?;
        libraries.extend(libraries_of(&program)?);
        let copy = folder.join(name);
        fs::copy(&program, &copy)?;
        // One of them is a set-user-id program, as an intruder plants it.
        let mode = if *name == SET_USER_ID { 0o4755 } else { 0o755 };
        fs::set_permissions(&copy, fs::Permissions::from_mode(mode))?;
    }
    for library in libraries {
        let place = root.join(library.strip_prefix("/").unwrap_or(&library));
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&library, &place).with_context(|| format!("cannot copy {}", library.display()))?;
    }
    Ok(())
}

/// The loader and the shared libraries of a program, as `ldd` finds them.
fn libraries_of(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output()?;
    ensure!(
        output.status.success(),
        "ldd cannot read {}",
        program.display()
    );
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect())
}
