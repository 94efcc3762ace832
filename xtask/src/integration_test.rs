//! `cargo xtask integration-test`: the privileged suites alone.

mod programs;
mod vm;

use std::time::Duration;

use anyhow::Result;

use crate::steps::{self, Step};
use crate::test;
use crate::vm::Kernel;
#[cfg(test)]
pub(crate) use programs::with as programs_with;
pub(crate) use programs::{Program, one_test, privileged, sensor};
pub(crate) use vm::{SMOKE, soak as vm_soak, step as vm_step};

const TOTAL: Duration = Duration::from_secs(80 * 60);

/// Run the privileged suites alone.
#[derive(clap::Subcommand)]
pub(crate) enum Where {
    /// On this machine: needs root, a kernel with BTF and Docker Engine
    Local {
        /// Run only tests whose name contains one of these; more arguments of the test program
        /// can follow `--`
        #[arg(value_name = "FILTER")]
        filter: Vec<String>,
    },
    /// In a virtual machine with another kernel: the sensor suite, which needs no Docker Engine
    Vm {
        /// Debian's cloud kernel to boot
        #[arg(long, value_enum)]
        kernel: Kernel,
        /// As with `local`
        #[arg(value_name = "FILTER")]
        filter: Vec<String>,
    },
    /// What the step of `vm` runs, when everything is built
    #[command(hide = true)]
    InVm {
        #[arg(long, value_enum)]
        kernel: Kernel,
        /// Run the long form of tests, with so many images
        #[arg(long, value_name = "IMAGES")]
        soak: Option<u32>,
        #[arg(value_name = "FILTER")]
        filter: Vec<String>,
    },
}

/// Runs `cargo xtask integration-test`.
pub(crate) fn verb(place: &Where) -> Result<()> {
    match place {
        Where::Local { filter } => {
            let programs = programs::with(filter)?;
            let suites = programs.iter().map(|program| match program {
                Program::Suites => privileged(filter),
                Program::Sensor => sensor(filter),
            });
            all(suites.collect(), filter)
        }
        Where::Vm { kernel, filter } => all(vec![vm_step(*kernel, filter)?], filter),
        Where::InVm {
            kernel,
            soak,
            filter,
        } => vm::run(*kernel, *soak, filter),
    }
}

/// Builds, then runs these steps.
fn all(suites: Vec<Step>, filter: &[String]) -> Result<()> {
    let mut planned = vec![test::setup()?, test::release_build()];
    planned.extend(suites);
    let left_out: Vec<String> = if filter.is_empty() {
        Vec::new()
    } else {
        vec![format!("only tests that match: {}", filter.join(" "))]
    };
    steps::run_all(planned, TOTAL, &left_out)
}
