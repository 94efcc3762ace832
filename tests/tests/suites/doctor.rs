//! `gravlens doctor`: the truth about this machine, and a clear no where the sensor cannot run.

use std::fs;
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
    (
        "doctor::namespaces_of_a_container_are_refused",
        private_namespaces,
    ),
    ("doctor::a_scope_is_the_cgroup_that_it_names", scopes),
];

/// Exit codes of the command line: see `gravlens --help`.
const WRONG_ARGUMENTS: i32 = 2;
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
        ensure!(topic["state"] == "full", "watched in part: {topic}");
        let programs = topic["attached"].as_array().map_or(0, Vec::len);
        ensure!(programs > 0, "no program: {topic}");
    }
    let encrypted = "DNS over HTTPS and DNS over TLS";
    ensure!(
        report.to_string().contains(encrypted),
        "no word of what is encrypted: {report}"
    );
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

/// Pids and cgroup depths of a container are not those that the kernel programs compare.
fn private_namespaces(_bench: &Bench) -> Result<()> {
    let cgroup = TestCgroup::new()?;
    for (options, name) in [
        (&["--pid", "--fork", "--mount-proc"][..], "private pid"),
        (&["--cgroup"], "private cgroup"),
    ] {
        let output = Command::new("unshare")
            .args(options)
            .arg(agent::binary()?)
            .args(["doctor", "--cgroup"])
            .arg(cgroup.path())
            .output()?;
        refused(&output, NO_PERMISSION, name)?;
    }
    Ok(())
}

/// Dots in a path are no depth, and a bind mount is no place in the hierarchy.
fn scopes(_bench: &Bench) -> Result<()> {
    let cgroup = TestCgroup::new()?;
    let below = |name: &str| cgroup.directory().join(name);
    fs::create_dir_all(below("a/b"))?;
    fs::create_dir(below("c"))?;
    let path = cgroup.path();
    let output = Command::new(agent::binary()?)
        .args(["doctor", "--output", "json", "--cgroup"])
        .arg(format!("{path}/c/../a/./b"))
        .output()?;
    ensure!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(report["scope"] == format!("{path}/a/b"), "{report}");
    let unseen = report["not_seen"].to_string();
    for call in ["open_by_handle_at", "executions that fail"] {
        ensure!(
            !unseen.contains(call),
            "{call} is said not to be seen: {unseen}"
        );
    }
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c"])
        .arg("mount --bind \"$1\" \"$2\" && exec \"$0\" doctor --cgroup \"$2\"")
        .arg(agent::binary()?)
        .args([below("a/b"), below("c")])
        .output()?;
    refused(&output, WRONG_ARGUMENTS, "does not lie in")
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
