//! Detection Findings, checked against the schema that OCSF publishes.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use integration_test::agent;
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::python;
use integration_test::runtime::block_on;
use serde_json::Value;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("ocsf::every_sample_is_a_valid_finding", samples),
    ("ocsf::real_alerts_are_valid_findings", real),
    ("ocsf::what_is_mangled_is_refused", mangled),
];

/// The version of the schema that findings state.
const VERSION: &str = "1.8.0";
const RULE: &str = "Password file read in a container";
/// What the renderer makes of every sample; its own test holds it to that.
const SNAPSHOT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../agent/src/sinks/render/snapshots/gravlens__sinks__render__snapshots__ocsf.snap"
);

/// Number of events that the validator took, or what it has against them.
fn validate(events: &str) -> Result<usize> {
    let mut validator = Command::new(python::interpreter()?)
        .arg(python::sources().join("ocsf_validator.py"))
        .arg(VERSION)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = validator.stdin.take().context("no input")?;
    // The validator reads line by line and answers at the end, so neither side waits for the other.
    input.write_all(events.as_bytes())?;
    drop(input);
    let output = validator.wait_with_output()?;
    let faults = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{faults}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

fn sample_events() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(SNAPSHOT)).context(SNAPSHOT)?;
    let events = text.lines().filter(|line| line.starts_with('{'));
    Ok(events.map(|line| format!("{line}\n")).collect())
}

fn samples(_: &Bench) -> Result<()> {
    let events = sample_events()?;
    let count = validate(&events.concat())?;
    ensure!(count == events.len() && count >= 20, "{count} events");
    Ok(())
}

fn mangled(_: &Bench) -> Result<()> {
    let event: Value = serde_json::from_str(&sample_events()?[0])?;
    type Mangle = fn(&mut Value);
    let mangles: [Mangle; 6] = [
        |event| event["class_uid"] = 2005.into(),
        |event| event["severity_id"] = "3".into(),
        |event| event["invented"] = 1.into(),
        |event| event["finding_info"]["uid"] = Value::Null,
        |event| event["evidences"][0]["file"]["type_id"] = 77.into(),
        |event| event["metadata"]["version"] = "1.0.0".into(),
    ];
    for (number, mangle) in mangles.iter().enumerate() {
        let mut mangled = event.clone();
        mangle(&mut mangled);
        ensure!(
            validate(&format!("{mangled}\n")).is_err(),
            "mangle {number}"
        );
    }
    validate(&format!("{event}\n"))?;
    Ok(())
}

fn real(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let watched = Watched::start(bench, &engine).await?;
        let spec = ContainerSpec::new("ocsf", Image::Busybox);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        container.exec(&["cat", "/etc/shadow"]).await?;
        let alert = watched.alert(RULE, &container).await?;
        let output = Command::new(agent::binary()?)
            .args(["alerts", "--output", "ocsf", "--socket"])
            .arg(watched.agent.socket())
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        let events = String::from_utf8(output.stdout)?;
        validate(&events)?;
        let event = events.lines().find(|line| line.contains(&alert.id));
        let event: Value = serde_json::from_str(event.context("the alert is not told")?)?;
        let evidence = &event["evidences"][0];
        ensure!(evidence["file"]["path"] == "/etc/shadow", "{event}");
        ensure!(evidence["container"]["name"] == container.name(), "{event}");
        drop(container);
        watched.finish()
    })
}
