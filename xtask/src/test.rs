//! `cargo xtask test`: everything that a change must pass, in one run.

use std::env;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::eval;
use crate::integration_test;
use crate::run::{cargo, tool, workspace_root};
use crate::steps::{self, Step};
use crate::vm::Kernel;

/// The whole run, setup included, stays below this.
const TOTAL: Duration = Duration::from_secs(80 * 60);

/// It takes about four, and more the first time, for then it builds its image.
const EVAL_MINUTES: u64 = 12;

/// Run every check and every suite, and print a table of them.
///
/// Sets up what is missing, checks format, lints, docs and tidiness, runs the unit tests, builds
/// the release, runs the privileged suites and evaluates baselines (root, a kernel with BTF and
/// Docker Engine needed).
/// Later steps run even if earlier ones fail. Exit code 1 if any failed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Steps to leave out, separated by commas; the table says so
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEP,...")]
    skip: Vec<StepName>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StepName {
    /// Bring what this machine lacks
    Setup,
    /// Formatting
    Fmt,
    /// Lints, for all targets
    Clippy,
    /// API documentation
    Doc,
    /// `cargo xtask tidy`
    Tidy,
    /// Tests that need neither root nor a kernel
    Unit,
    /// The release build
    Build,
    /// The suites that need root, a kernel with BTF and Docker Engine
    Privileged,
    /// The short evaluation of baselines: servers in containers, users, and attacks on them
    Eval,
    /// What the sensor tells of each deed, on this machine
    Sensor,
    /// The same in a virtual machine with Linux 6.1
    #[value(name = "vm-6.1")]
    Vm6_1,
    /// The same with Linux 6.12, in part
    #[value(name = "vm-6.12")]
    Vm6_12,
}

/// Runs `cargo xtask test`.
pub(crate) fn verb(args: &Args) -> Result<()> {
    let mut planned = Vec::new();
    let mut left_out = Vec::new();
    for name in StepName::value_variants() {
        let step = name.step()?;
        if args.skip.contains(name) {
            left_out.push(format!("step {} left out (--skip)", step.name));
        } else {
            planned.push(step);
        }
    }
    if !args.skip.contains(&StepName::Vm6_12) {
        let smoke = integration_test::SMOKE.join(" ");
        left_out.push(format!("step vm-6.12: only tests that match: {smoke}"));
    }
    steps::run_all(planned, TOTAL, &left_out)
}

/// The step that builds the agent as it is shipped, and the programs that test it.
pub(crate) fn release_build() -> Step {
    let tests = "test -p integration-test --release --no-run";
    let commands = vec![cargo_with("build --release"), cargo_with(tests)];
    step("build", commands, 30, &[])
}

/// The step that brings what testing needs.
pub(crate) fn setup() -> Result<Step> {
    let mut command = this_task()?;
    command.arg("setup");
    Ok(step("setup", vec![command], 30, &[]))
}

impl StepName {
    fn step(self) -> Result<Step> {
        Ok(match self {
            Self::Setup => setup()?,
            Self::Fmt => step("fmt", format_checks(), 2, &[]),
            Self::Clippy => {
                let lints = "clippy --workspace --all-targets -- -D warnings";
                step("clippy", vec![cargo_with(lints)], 20, &[])
            }
            Self::Doc => {
                let mut doc = cargo_with("doc --no-deps --workspace");
                doc.env("RUSTDOCFLAGS", "-D warnings");
                step("doc", vec![doc], 10, &[])
            }
            Self::Tidy => {
                let mut tidy = this_task()?;
                tidy.arg("tidy");
                step("tidy", vec![tidy], 15, &[])
            }
            Self::Unit => {
                let tests = "test --workspace --exclude integration-test";
                step("unit", vec![cargo_with(tests)], 25, &[])
            }
            Self::Build => release_build(),
            Self::Privileged => integration_test::privileged(&[]),
            Self::Eval => {
                let short = tool(eval::BASELINES, &["--short".to_owned()]);
                step("eval", vec![short], EVAL_MINUTES, &["build"])
            }
            Self::Sensor => integration_test::sensor(&[]),
            Self::Vm6_1 => integration_test::vm_step(Kernel::V6_1, &[])?,
            Self::Vm6_12 => {
                let smoke = integration_test::SMOKE.map(str::to_owned);
                integration_test::vm_step(Kernel::V6_12, &smoke)?
            }
        })
    }
}

/// `agent-ebpf` is no member of the workspace, since it has another target.
fn format_checks() -> Vec<Command> {
    vec![
        cargo_with("fmt --all -- --check"),
        cargo_with("fmt --manifest-path agent-ebpf/Cargo.toml -- --check"),
    ]
}

fn cargo_with(arguments: &str) -> Command {
    let mut command = cargo();
    command.args(arguments.split(' '));
    command
}

/// This program again, so that its verbs run under a deadline like any other step.
pub(crate) fn this_task() -> Result<Command> {
    let program = env::current_exe().context("where is this program?")?;
    Ok(Command::new(program))
}

/// A step with its deadline in minutes.
pub(crate) fn step(
    name: &'static str,
    commands: Vec<Command>,
    minutes: u64,
    needs: &'static [&'static str],
) -> Step {
    Step {
        name,
        commands,
        deadline: Duration::from_secs(minutes * 60),
        needs,
        log: Some(
            workspace_root()
                .join("target/xtask")
                .join(format!("{name}.log")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_named_as_on_the_command_line_and_needs_only_earlier_ones() {
        let mut earlier: Vec<&str> = Vec::new();
        for name in StepName::value_variants() {
            let step = name.step().unwrap();
            let value = name.to_possible_value().unwrap();
            assert_eq!(step.name, value.get_name());
            assert!(step.needs.iter().all(|need| earlier.contains(need)));
            earlier.push(step.name);
        }
    }
}
