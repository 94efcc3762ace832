//! `gravlens doctor`: the truth about this machine, and a clear no where the sensor cannot run.

use std::process::{Command, Output};

use anyhow::{Result, ensure};
use integration_test::agent;
use integration_test::cgroup::TestCgroup;
use serde_json::Value;

use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("doctor::each_topic_has_its_hook", topics),
    ("doctor::without_root_it_says_so", without_root),
    (
        "doctor::a_variable_that_is_no_setting_is_told",
        mistyped_variable,
    ),
    ("doctor::without_btf_it_says_so", without_btf),
    ("doctor::an_old_kernel_is_refused", old_kernel),
];

/// Exit codes of the command line: see `gravlens --help`.
const NO_PERMISSION: i32 = 3;
const KERNEL_UNSUPPORTED: i32 = 4;

fn topics(_bench: &Bench) -> Result<()> {
    let cgroup = TestCgroup::new()?;
    let output = Command::new(agent::binary()?)
        .args(["doctor", "--output", "json", "--cgroup"])
        .arg(cgroup.path())
        .output()?;
    ensure!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let topics = report["topics"].as_array().map_or(&[][..], Vec::as_slice);
    ensure!(topics.len() >= 13, "only {} topics", topics.len());
    for topic in topics {
        ensure!(topic["taken"].is_string(), "no hook: {topic}");
    }
    // Either trampolines are granted, or every topic that would gain from one says why not.
    let granted = report["trampolines"]["granted"] == true;
    let open = topics.iter().find(|topic| topic["topic"] == "open");
    let why = open.and_then(|topic| topic["refused"][0]["why"].as_str());
    ensure!(
        granted || why.is_some_and(|why| why.contains("refused")),
        "the open topic does not say why it has no better hook: {report}"
    );
    Ok(())
}

fn without_root(_bench: &Bench) -> Result<()> {
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(agent::binary()?)
        .arg("doctor")
        .output()?;
    refused(&output, NO_PERMISSION, "CAP_BPF")
}

/// A scope that was meant and not set must not go unnoticed.
fn mistyped_variable(_bench: &Bench) -> Result<()> {
    let cgroup = TestCgroup::new()?;
    let output = Command::new(agent::binary()?)
        .args(["doctor", "--cgroup", &cgroup.path()])
        .env("GRAVLENS_SCOPE_CGROUPS", cgroup.path())
        .output()?;
    ensure!(output.status.success(), "{}", said(&output));
    ensure!(
        said(&output).contains("GRAVLENS_SCOPE_CGROUPS: ignored"),
        "no word of the variable: {}",
        said(&output)
    );
    Ok(())
}

/// Hides the kernel's type information in a mount namespace of the command's own.
fn without_btf(_bench: &Bench) -> Result<()> {
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c"])
        .arg("mount -t tmpfs none /sys/kernel/btf && exec \"$0\" doctor")
        .arg(agent::binary()?)
        .output()?;
    refused(&output, KERNEL_UNSUPPORTED, "BTF")
}

/// The kernel itself can be told to call itself 2.6 (personality UNAME26).
fn old_kernel(_bench: &Bench) -> Result<()> {
    let output = Command::new("setarch")
        .arg("--uname-2.6")
        .arg(agent::binary()?)
        .arg("doctor")
        .output()?;
    refused(&output, KERNEL_UNSUPPORTED, "6.1 or later")
}

fn refused(output: &Output, code: i32, sentence: &str) -> Result<()> {
    ensure!(
        output.status.code() == Some(code),
        "exit {:?}, not {code}: {}",
        output.status.code(),
        said(output)
    );
    ensure!(
        said(output).contains(sentence),
        "no word of {sentence}: {}",
        said(output)
    );
    Ok(())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
