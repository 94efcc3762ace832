//! Which rustc builds the kernel programs.
//!
//! `agent/build.rs` follows the same rules, in this order:
//! 1. the rustc that `GRAVLENS_EBPF_RUSTC` names, which must bring a compiled `core` for
//!    `bpfel-unknown-none`;
//! 2. `/usr/bin/rustc`, if it brings one (Debian's does);
//! 3. rustup's `nightly` with `rust-src`, which compiles `core` itself (`-Z build-std=core`).
//!
//! Whichever it is, its LLVM must not be newer than the one in bpf-linker.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::run::answer;

/// Names a rustc that is to be used before all others.
pub(crate) const OVERRIDE: &str = "GRAVLENS_EBPF_RUSTC";

/// The LLVM that bpf-linker is built with; it cannot read what a newer one wrote.
pub(crate) const LLVM_MAJOR: u32 = 22;

const SYSTEM_RUSTC: &str = "/usr/bin/rustc";
const TARGET: &str = "bpfel-unknown-none";

/// A rustc that can build for eBPF.
pub(crate) struct EbpfToolchain {
    rustc: PathBuf,
    version: String,
    core: Core,
}

/// Where `core` for the eBPF target comes from.
#[derive(Clone, Copy)]
enum Core {
    Prebuilt,
    Source,
}

impl fmt::Display for EbpfToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = match self.core {
            Core::Prebuilt => "with a compiled core",
            Core::Source => "compiles core from rust-src",
        };
        write!(f, "{} ({}, {core})", self.rustc.display(), self.version)
    }
}

/// The first rustc that the rules accept, or why each was refused.
pub(crate) fn detect() -> Result<EbpfToolchain, Vec<String>> {
    if let Some(rustc) = env::var_os(OVERRIDE) {
        return inspect(Path::new(&rustc))
            .and_then(with_compiled_core)
            .map_err(|why| vec![format!("{why} ({OVERRIDE} names it)")]);
    }
    let system = inspect(Path::new(SYSTEM_RUSTC)).and_then(with_compiled_core);
    let nightly = || match answer("rustup", &["which", "rustc", "--toolchain", "nightly"]) {
        Some(rustc) => inspect(Path::new(&rustc)),
        None => Err("rustup has no nightly".to_owned()),
    };
    system.or_else(|first| nightly().map_err(|second| vec![first, second]))
}

fn with_compiled_core(found: EbpfToolchain) -> Result<EbpfToolchain, String> {
    match found.core {
        Core::Prebuilt => Ok(found),
        Core::Source => Err(format!(
            "{} has no compiled core for {TARGET}",
            found.rustc.display()
        )),
    }
}

/// Whether the caller says which rustc to use.
pub(crate) fn overridden() -> bool {
    env::var_os(OVERRIDE).is_some()
}

fn inspect(rustc: &Path) -> Result<EbpfToolchain, String> {
    let name = rustc.display();
    let ask = |args: &[&str]| {
        answer(rustc, args).ok_or_else(|| format!("{name} is not there or does not run"))
    };
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
    let verbose = ask(&["-vV"])?;
    let field = |key: &str| verbose.lines().find_map(|line| line.strip_prefix(key));
    let llvm = field("LLVM version: ").unwrap_or("unknown");
    if !llvm_fits(llvm) {
        return Err(format!(
            "{name} has LLVM {llvm}, bpf-linker reads only {LLVM_MAJOR} and older"
        ));
    }
    let core = core_in(&sysroot)
        .ok_or_else(|| format!("{name} has neither a core for {TARGET} nor rust-src"))?;
    Ok(EbpfToolchain {
        rustc: rustc.to_owned(),
        version: field("release: ").unwrap_or("unknown").to_owned(),
        core,
    })
}

fn llvm_fits(version: &str) -> bool {
    let major = version.split('.').next().unwrap_or_default();
    major.parse::<u32>().is_ok_and(|major| major <= LLVM_MAJOR)
}

fn core_in(sysroot: &Path) -> Option<Core> {
    let rustlib = sysroot.join("lib/rustlib");
    if rustlib.join(TARGET).is_dir() {
        return Some(Core::Prebuilt);
    }
    let source = rustlib.join("src/rust/library/core/src/lib.rs");
    source.is_file().then_some(Core::Source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_llvm_newer_than_the_linkers_is_refused() {
        assert!(llvm_fits("22.1.4"));
        assert!(llvm_fits("21.0.0"));
        assert!(!llvm_fits("23.1.0"));
        assert!(!llvm_fits("unknown"));
    }
}
