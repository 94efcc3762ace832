//! Compiles `agent-ebpf` for the BPF target and hands the object's path to the crate.
//!
//! rustc's BPF target has no prebuilt `core` upstream, so the compiler is chosen here, by the same
//! rules that `cargo xtask setup` explains: `GRAVLENS_EBPF_RUSTC`, then a system rustc that ships
//! `core` for BPF, then a rustup nightly that builds it from rust-src.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

const TARGET: &str = "bpfel-unknown-none";
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// How to compile for BPF.
enum Toolchain {
    /// A rustc with a compiled `core` for the target.
    Prebuilt(PathBuf),
    /// A rustup nightly with rust-src.
    Nightly,
}

/// Builds the object and prints the cargo instructions for it.
pub(crate) fn build() -> anyhow::Result<()> {
    let manifest = PathBuf::from(var("CARGO_MANIFEST_DIR")?);
    let source = manifest.join("../agent-ebpf");
    for watched in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", source.join(watched).display());
    }
    println!(
        "cargo::rerun-if-changed={}",
        manifest.join("../agent-common/src").display()
    );
    println!("cargo::rerun-if-env-changed=GRAVLENS_EBPF_RUSTC");
    let target_dir = PathBuf::from(var("OUT_DIR")?).join("ebpf");
    let linker = find_linker()?;
    let status = command(&find_toolchain()?, &linker)
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(&target_dir)
        .current_dir(&source)
        .status()
        .context("cannot run cargo for the kernel programs")?;
    if !status.success() {
        bail!("the kernel programs do not build: see above");
    }
    let object = target_dir.join(TARGET).join("release/gravlens-ebpf");
    fs::metadata(&object).with_context(|| object.display().to_string())?;
    println!("cargo::rustc-env=GRAVLENS_EBPF_OBJECT={}", object.display());
    Ok(())
}

fn var(name: &str) -> anyhow::Result<String> {
    env::var(name).with_context(|| name.to_owned())
}

fn command(toolchain: &Toolchain, linker: &Path) -> Command {
    let mut command;
    match toolchain {
        Toolchain::Prebuilt(rustc) => {
            command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            command.env("RUSTC", rustc);
        }
        Toolchain::Nightly => {
            command = Command::new("rustup");
            command.args(["run", "nightly", "cargo", "-Zbuild-std=core"]);
            command.env_remove("RUSTC");
        }
    }
    // aya-ebpf needs two unstable features, which nightly has anyway.
    command.env("RUSTC_BOOTSTRAP", "1");
    // What cargo set for this crate's own target must not reach another one; clippy sets the
    // wrapper.
    for inherited in [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
    ] {
        command.env_remove(inherited);
    }
    command.env(
        "CARGO_TARGET_BPFEL_UNKNOWN_NONE_RUSTFLAGS",
        format!(
            "-Clinker={} -Clink-arg=--btf -Cdebuginfo=2",
            linker.display()
        ),
    );
    command
}

fn find_toolchain() -> anyhow::Result<Toolchain> {
    if let Some(rustc) = env::var_os("GRAVLENS_EBPF_RUSTC") {
        return Ok(Toolchain::Prebuilt(rustc.into()));
    }
    let system = PathBuf::from(SYSTEM_RUSTC);
    if sysroot(Command::new(&system)).is_some_and(|root| has_core(&root)) {
        return Ok(Toolchain::Prebuilt(system));
    }
    let mut nightly = Command::new("rustup");
    nightly.args(["run", "nightly", "rustc"]);
    if sysroot(nightly).is_some_and(|root| has_source(&root)) {
        return Ok(Toolchain::Nightly);
    }
    bail!("no Rust compiler here can build for BPF: run `cargo xtask setup`")
}

fn sysroot(mut rustc: Command) -> Option<PathBuf> {
    let output = rustc.args(["--print", "sysroot"]).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(text.trim()))
}

fn has_core(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).is_dir()
}

fn has_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core").is_dir()
}

/// bpf-linker in PATH, or where `cargo install` puts it.
fn find_linker() -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map(|home| PathBuf::from(home).join("bin"));
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo/bin"));
    env::split_paths(&path)
        .chain(cargo_home)
        .chain(home)
        .map(|directory| directory.join("bpf-linker"))
        .find(|candidate| candidate.is_file())
        .context("bpf-linker is not installed: run `cargo xtask setup`")
}
