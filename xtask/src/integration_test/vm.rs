//! The sensor suite in a virtual machine.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::run::cargo;
use crate::soak;
use crate::steps::Step;
use crate::test::{self, this_task};
use crate::vm::{self, Kernel};

/// The machine is ended before the step is, so that it is the machine that says why.
const STEP_MINUTES: u64 = 11;
const DEADLINE: Duration = Duration::from_secs(630);
const SOAK_STEP_MINUTES: u64 = 30;
const SOAK_DEADLINE: Duration = Duration::from_secs(29 * 60);

/// Enough to see that a kernel gives what the programs need: every hook, and one deed of each kind.
pub(crate) const SMOKE: [&str; 5] = ["hooks::", "images::", "ancestry::", "sockets::", "node::"];

fn step_name(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::V6_1 => "vm-6.1",
        Kernel::V6_12 => "vm-6.12",
    }
}

/// The step that runs the suite on another kernel; `filter` selects tests by name.
pub(crate) fn step(kernel: Kernel, filter: &[String]) -> Result<Step> {
    let mut command = in_vm(kernel)?;
    command.arg("--").args(filter);
    Ok(test::step(
        step_name(kernel),
        vec![command],
        STEP_MINUTES,
        &["build"],
    ))
}

/// The step that runs the long form of tests on another kernel, with so many images.
pub(crate) fn soak(name: &'static str, kernel: Kernel, images: u32, filter: &str) -> Result<Step> {
    let mut command = in_vm(kernel)?;
    command
        .args(["--soak", &images.to_string()])
        .args(["--", filter]);
    Ok(test::step(
        name,
        vec![command],
        SOAK_STEP_MINUTES,
        &["build"],
    ))
}

fn in_vm(kernel: Kernel) -> Result<Command> {
    let mut command = this_task()?;
    command.args(["integration-test", "in-vm", "--kernel", &kernel.version()]);
    Ok(command)
}

/// Boots the machine and runs the suite in it, with `soak` its long form with so many images.
pub(super) fn run(kernel: Kernel, soak: Option<u32>, filter: &[String]) -> Result<()> {
    let program = built()?;
    let mut command = vec!["env".to_owned()];
    let deadline = match soak {
        Some(images) => {
            let variables = soak::variables(Some(images)).into_iter();
            command.extend(variables.map(|(name, value)| format!("{name}={value}")));
            SOAK_DEADLINE
        }
        None => DEADLINE,
    };
    command.push(program.display().to_string());
    command.extend(["--test-threads=1", "--nocapture"].map(str::to_owned));
    command.extend_from_slice(filter);
    vm::run(kernel, &command, deadline)
}

/// The path of the test program, built if it is not yet.
fn built() -> Result<PathBuf> {
    let output = cargo()
        .args([
            "test",
            "-p",
            "integration-test",
            "--release",
            "--test",
            "sensor",
        ])
        .args(["--no-run", "--message-format=json"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the suite cannot be built: {}", output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages).context("cargo names no program for the suite")
}

/// The program of the test target in cargo's messages, one a line.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let of_suite = |message: &Value| {
        message["target"]["name"] == "sensor" && message["profile"]["test"] == true
    };
    let program = messages.into_iter().find(of_suite)?;
    Some(program["executable"].as_str()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_test_targets() {
        let messages = r#"
            {"reason":"compiler-artifact","target":{"name":"races"},"profile":{"test":false},"executable":"/t/races"}
            not json
            {"reason":"compiler-artifact","target":{"name":"sensor"},"profile":{"test":true},"executable":"/t/deps/sensor-1"}
        "#;
        assert_eq!(executable(messages), Some("/t/deps/sensor-1".into()));
        assert_eq!(executable(""), None);
    }

    #[test]
    fn the_machine_ends_before_its_step() {
        assert!(DEADLINE < Duration::from_secs(STEP_MINUTES * 60));
        assert!(SOAK_DEADLINE < Duration::from_secs(SOAK_STEP_MINUTES * 60));
    }
}
