//! bpf-linker, which turns LLVM bitcode into a BPF object: built from source against LLVM 22.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::ebpf_toolchain::LLVM_MAJOR;
use crate::run::{answer, cargo, find_program, run};

/// The version that the kernel programs are built and tested with.
pub(super) const VERSION: &str = "0.13.0";

const PROGRAM: &str = "bpf-linker";
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// What is installed, or why it will not do.
pub(super) fn probe() -> Result<String, String> {
    let path = find().ok_or_else(|| format!("{PROGRAM} is not installed"))?;
    let shown = path.display();
    let version = answer(&path, &["--version"]).ok_or_else(|| format!("{shown} does not run"))?;
    let number = version.split_whitespace().nth(1).unwrap_or(&version);
    if number != VERSION {
        return Err(format!("{shown} is {number}, {VERSION} is wanted"));
    }
    Ok(format!("{shown} ({VERSION})"))
}

/// Builds it where cargo puts programs. An `LLVM_PREFIX` that is already set is kept.
pub(super) fn install() -> Result<()> {
    let mut command = cargo();
    command
        .args(["install", PROGRAM, "--locked", "--version", VERSION])
        .args(["--no-default-features", "--features"])
        .arg(format!("llvm-{LLVM_MAJOR}"));
    if !llvm_is_named() && Path::new(LLVM_PREFIX).is_dir() {
        command.env("LLVM_PREFIX", LLVM_PREFIX);
    }
    run(&mut command)
}

/// Whether the caller says which LLVM to use.
pub(super) fn llvm_is_named() -> bool {
    env::var_os("LLVM_PREFIX").is_some()
}

/// In `PATH`, or where `cargo install` puts it even if that folder is not in `PATH`.
fn find() -> Option<PathBuf> {
    find_program(PROGRAM).or_else(|| {
        let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = cargo_home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
        let path = home?.join("bin").join(PROGRAM);
        path.is_file().then_some(path)
    })
}
