//! Every hook is attached, and what no hook sees is told by name.

use std::process::Command;

use anyhow::{Result, ensure};
use gravlens::proto::hook_status::State;
use integration_test::agent;
use integration_test::expectation::Expectation;
use integration_test::offence::Offence;
use serde_json::Value;

use crate::Test;
use crate::bench::Bench;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("hooks::every_program_is_attached", attached),
    ("hooks::every_field_of_the_kernel_is_found", fields),
    #[cfg(target_arch = "x86_64")]
    (
        "blind_spots::32_bit_calls_are_those_that_doctor_names",
        open_by_int80,
    ),
];

/// How `doctor` begins to say which 32-bit calls pass it.
const CALLS_32_BIT: &str = "32-bit calls (int 0x80) other than execution that succeeds,";

fn attached(bench: &Bench) -> Result<()> {
    let status = bench.status()?;
    ensure!(
        status.hooks.len() >= 13,
        "only {} topics",
        status.hooks.len()
    );
    for hook in &status.hooks {
        ensure!(hook.state() == State::Full, "watched in part: {hook:?}");
        ensure!(!hook.attached.is_empty(), "no program: {hook:?}");
    }
    Ok(())
}

/// Each field that this kernel is without is one for which another stands in.
fn fields(bench: &Bench) -> Result<()> {
    let report = doctor(bench)?;
    let fields = report["fields"].as_array().map_or(&[][..], Vec::as_slice);
    ensure!(!fields.is_empty(), "no fields: {report}");
    for field in fields {
        let known = field["offset"].is_number() || field["stand_in"].is_string();
        ensure!(known, "{field}");
    }
    ensure!(
        !report["not_seen"].to_string().contains("overlay"),
        "{report}"
    );
    Ok(())
}

fn doctor(bench: &Bench) -> Result<Value> {
    let output = Command::new(agent::binary()?)
        .args(["doctor", "--output", "json", "--cgroup", &bench.scope()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[cfg(target_arch = "x86_64")]
fn open_by_int80(bench: &Bench) -> Result<()> {
    let unseen = doctor(bench)?["not_seen"].to_string();
    let offence = Offence::offender("open_unseen")?.args(["/etc/hostname", "/etc/passwd"]);
    ensure!(
        unseen.contains(CALLS_32_BIT),
        "the kernel runs 32-bit calls, and doctor does not say which are not seen: {unseen}"
    );
    bench.expect(&offence, |told| {
        let result: i32 = told.value("hidden")?.parse()?;
        ensure!(result >= 0, "the file was not opened: {result}");
        Ok(vec![
            Expectation::opened("/etc/hostname").call("open"),
            Expectation::opened("/etc/passwd"),
            Expectation::exited(0),
        ])
    })
}
