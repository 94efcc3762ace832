//! `cargo xtask vm`: a command in a virtual machine with another kernel.
//!
//! The machine's root is this machine's, read-only over virtio-fs below a layer in memory: a build
//! is visible in it at once, and nothing that a test does in it outlives it. QEMU emulates the
//! processor, so the host needs no virtualisation.

mod initramfs;
mod kernel;
mod qemu;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

pub(crate) use kernel::Kernel;

use crate::run::workspace_root;

/// What the suites and the copies of changed files take.
const MEMORY_MIB: u32 = 3072;

/// Run a command in a virtual machine with another kernel.
///
/// Its root file system is this machine's, with changes kept in memory; standard output and error
/// come out of this command. Exit code 1 if the command failed or the machine did not come up.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Debian's cloud kernel to boot
    #[arg(long, value_enum)]
    kernel: Kernel,
    /// End the machine after so many seconds, whatever it does
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    deadline: u64,
    /// Memory of the machine
    #[arg(long, value_name = "MIB", default_value_t = MEMORY_MIB)]
    memory: u32,
    /// Program and arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs `cargo xtask vm`.
pub(crate) fn verb(args: &Args) -> Result<()> {
    let deadline = Duration::from_secs(args.deadline);
    boot(args.kernel, &args.command, deadline, args.memory)
}

/// Runs a command in a virtual machine of the usual size.
pub(crate) fn run(kernel: Kernel, command: &[String], deadline: Duration) -> Result<()> {
    boot(kernel, command, deadline, MEMORY_MIB)
}

fn boot(kernel: Kernel, command: &[String], deadline: Duration, memory_mib: u32) -> Result<()> {
    let installed = kernel.installed()?;
    let folder = workspace_root().join("target/vm");
    let initramfs = initramfs::build(&installed, &script(command), &folder)?;
    let machine = qemu::Machine {
        kernel: installed.image,
        initramfs,
        memory_mib,
        deadline,
    };
    match machine.run(&folder)? {
        Some(0) => Ok(()),
        Some(code) => bail!("the command ended with exit code {code} in the virtual machine"),
        None => bail!(
            "the virtual machine ended, or was ended after {} s, before the command did",
            deadline.as_secs()
        ),
    }
}

/// Where the kernels lie.
pub(crate) fn kernels_folder() -> PathBuf {
    workspace_root().join("target/vm/kernels")
}

/// The command as a shell script, started in this machine's working folder.
fn script(command: &[String]) -> String {
    let quoted = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
    let words: Vec<String> = command.iter().map(quoted).collect();
    let folder = quoted(&workspace_root().display().to_string());
    format!("cd {folder} && exec {}\n", words.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn a_command_keeps_its_words() {
        let words = ["printf", "%s", "it's a"].map(str::to_owned);
        assert!(script(&words).ends_with("exec 'printf' '%s' 'it'\\''s a'\n"));
    }

    #[test]
    fn kernels_are_named_by_version() {
        let names: Vec<String> = Kernel::value_variants()
            .iter()
            .map(|kernel| kernel.to_possible_value().unwrap().get_name().to_owned())
            .collect();
        assert_eq!(names, ["6.1", "6.12"]);
    }
}
