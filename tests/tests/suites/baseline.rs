//! Baselines: what is learnt from a recording of real containers, and what is told.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration_test::agent::{self, AgentSetup};
use integration_test::cgroup::TestCgroup;
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::runtime::block_on;
use serde_json::Value;

use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[("baseline::a_recording_teaches_and_tells", simulated)];

/// What the workload does over and over, and once, when a file tells it to, something else.
pub(crate) const ROUTINE: &str = "while true; do \
    cat /etc/passwd > /tmp/copy; ls /etc > /dev/null; rm /tmp/copy; sleep 0.2; \
    if [ -e /tmp/attack ]; then \
        cat /etc/shadow; cp /bin/busybox /tmp/dropped; /tmp/dropped true; \
        echo > /etc/cron-like; wget -q -O - http://127.0.0.1:4444/; sleep 3600; \
    fi; done";
/// How long it is watched before.
const WATCHED: Duration = Duration::from_secs(20);

/// With windows of a second, a class is armed when nothing new came for some of them: 13 of one
/// replica alone, so that the second one may be slow to start.
const OPTIONS: [&str; 10] = [
    "--window",
    "1",
    "--start-phase",
    "1",
    "--horizon",
    "0",
    "--arm-bound",
    "20000",
    "--waive-starts",
    "--no-bundled",
];

fn simulated(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        let capture = setup.path("trace");
        let said = File::create(setup.path("stdout.log"))?;
        let recorder = setup.record(&[capture.as_os_str()], said).await?;
        let mut replicas = Vec::new();
        for name in ["one", "two"] {
            let spec = ContainerSpec::new(name, Image::Busybox).command(&["sh", "-c", ROUTINE]);
            replicas.push(Container::run(&engine, &cgroup, &spec).await?);
        }
        tokio::time::sleep(WATCHED).await;
        replicas[0].shell("touch /tmp/attack").await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        recorder.stop()?;

        let text = simulate(&capture)?;
        ensure!(
            text == simulate(&capture)?,
            "the same capture told something else"
        );
        let report: Value = serde_json::from_str(&text)?;
        check_learnt(&report)?;
        check_told(&report, replicas[0].id())
    })
}

fn simulate(capture: &Path) -> Result<String> {
    let mut command = Command::new(agent::binary()?);
    command.args(["baseline", "simulate", "--output", "json"]);
    let output = command.arg(capture).args(OPTIONS).output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Both replicas taught one workload, which knows its few files.
fn check_learnt(report: &Value) -> Result<()> {
    let workloads = report["workloads"].as_array().context("no workloads")?;
    ensure!(workloads.len() == 1, "{report}");
    let workload = &workloads[0];
    ensure!(
        workload["workload"] == "image gravlens-test/busybox",
        "{workload}"
    );
    ensure!(workload["instances"] == 2, "{workload}");
    ensure!(workload["windows"].as_u64() >= Some(10), "{workload}");
    let classes = workload["classes"].as_array().context("no classes")?;
    for class in ["exec", "file_read"] {
        let found = |view: &&Value| view["class"] == class && view["phase"] == "run";
        let view = classes.iter().find(found);
        let view = view.with_context(|| format!("no {class}: {workload}"))?;
        ensure!(view["state"] == "armed", "{view}");
    }
    Ok(())
}

/// Each step of the attack is told of the right container, and nothing else is. The start phase is left
/// out: the replicas share it or not, as fast as they start.
fn check_told(report: &Value, container: &str) -> Result<()> {
    let told = report["told"].as_array().context("nothing was told")?;
    for (class, object) in [
        ("file_read", "/etc/shadow"),
        ("exec", "/tmp/dropped [upper]"),
        ("file_create", "/etc/cron-like"),
        ("net_out", "tcp {loopback}:4444"),
    ] {
        let role = |told: &Value| {
            told["role"]
                .as_str()
                .unwrap_or_default()
                .starts_with("root ")
        };
        let found = |told: &Value| told["class"] == class && told["object"] == object && role(told);
        ensure!(
            told.iter().any(found),
            "{class} {object} is not told: {report}"
        );
    }
    for told in told.iter().filter(|told| told["phase"] == "run") {
        ensure!(told["container"] == container, "{told}");
    }
    Ok(())
}
