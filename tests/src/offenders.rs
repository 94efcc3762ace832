//! Tiny programs that each do one bad thing: the crate's other binaries, from `tests/offenders`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The offenders that run in containers, by the name of their binary; the others run in a cgroup
/// alone.
pub const ALL: [&str; 13] = [
    "compat_calls",
    "memfd_exec",
    "connect_once",
    "connect_udp",
    "connect_unseen",
    "connect_crowd",
    "send_many",
    "setuid_root",
    "open_flood",
    "open_race",
    "file_changes",
    "privileges",
    "one_call",
];

/// Path of an offender inside the offenders image.
pub fn in_image(name: &str) -> String {
    format!("/offenders/{name}")
}

/// The built offender: Cargo puts all binaries of a profile into one folder.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this program lies in no folder")?;
    let folder = if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    };
    let program = folder.join(name);
    if !program.is_file() {
        bail!(
            "{} is not built: run `cargo build --release -p integration-test --bins`",
            program.display()
        );
    }
    Ok(program)
}
