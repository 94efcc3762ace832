//! Running other programs: finding them, reading their answer, reporting their failure.

use std::env;
use std::ffi::OsStr;
use std::iter;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The repository's root folder.
pub(crate) fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies directly under the workspace root")
}

/// The cargo that runs this task, so that every step uses the same toolchain.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_root());
    command
}

/// Builds the agent and the programs around it as they are shipped, then becomes one of the
/// latter: Ctrl-C and the exit code are its own. Returns only if that could not start.
pub(crate) fn become_tool(name: &str, args: &[String]) -> Result<()> {
    let release = ["--release", "-p", "integration-test"];
    // A tool starts the agent and may put the offenders into an image: all must be there.
    run(cargo()
        .arg("build")
        .args(release)
        .args(["-p", "gravlens", "--bins"]))?;
    Err(tool(name, args).exec()).context("could not start cargo; is the Rust toolchain in PATH?")
}

/// One of the programs around the agent, as it is shipped.
pub(crate) fn tool(name: &str, args: &[String]) -> Command {
    let mut tool = cargo();
    tool.args(["run", "--release", "-p", "integration-test"])
        .args(["--bin", name, "--"])
        .args(args);
    tool
}

/// The full path of a program, looked for in `PATH` and where administrators' programs live.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// What a program prints, trimmed; `None` if it cannot run or fails.
pub(crate) fn answer<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S]) -> Option<String> {
    answer_in(workspace_root(), program, args)
}

/// Like [`answer`], with the program started in a folder of its own.
pub(crate) fn answer_in<S: AsRef<OsStr>>(
    folder: &Path,
    program: impl AsRef<OsStr>,
    args: &[S],
) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(folder)
        .env("RUSTUP_AUTO_INSTALL", "0") // asking must never fetch a toolchain
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Runs a command with its output passed through; fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    println!("+ {shown}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("could not start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// A command as a person would type it, with the variables that it sets.
pub(crate) fn shown(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = quoted(value?);
        Some(format!("{}={value}", name.to_string_lossy()))
    });
    let name = Path::new(command.get_program());
    let name = name.file_name().unwrap_or(name.as_os_str());
    let words = iter::once(name).chain(command.get_args()).map(quoted);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.is_empty() || word.contains(|c: char| c.is_whitespace() || "'\"$<>|&;*?()".contains(c))
    {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    word.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_pasted_into_a_shell() {
        let mut command = Command::new("/usr/bin/cargo");
        command
            .args(["doc", "it's"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            shown(&command),
            r"RUSTDOCFLAGS='-D warnings' cargo doc 'it'\''s'"
        );
    }
}
