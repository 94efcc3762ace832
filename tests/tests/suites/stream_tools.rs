//! What the command line says of the stream.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use integration_test::agent::{self, Agent};
use integration_test::container::{Container, ContainerSpec};
use integration_test::engine::Engine;
use integration_test::images::Image;
use integration_test::runtime::block_on;
use serde_json::Value;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("stream_tools::a_check_finds_a_whole_stream_whole", whole),
    (
        "stream_tools::a_check_finds_a_gap_and_an_agent_that_hangs",
        broken,
    ),
    ("stream_tools::one_alert_is_shown_by_its_id", show),
    ("stream_tools::alerts_have_falcos_form", falco),
];

/// Exit codes of the command line: see `gravlens --help`.
const FAILURE: i32 = 1;
const USAGE: i32 = 2;
const RULE: &str = "Password file read in a container";

fn gravlens(agent: &Agent, arguments: &[&str]) -> Result<Output> {
    let output = Command::new(agent::binary()?)
        .args(arguments)
        .arg("--socket")
        .arg(agent.socket())
        .output()?;
    Ok(output)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ensure_code(output: &Output, code: i32) -> Result<()> {
    ensure!(output.status.code() == Some(code), "{output:?}");
    Ok(())
}

fn whole(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let (watched, _container) = with_an_alert(bench, &engine).await?;
        let check = ["stream", "check", "--seconds", "3", "--from-start"];
        let output = gravlens(&watched.agent, &check)?;
        ensure_code(&output, 0)?;
        ensure!(stdout(&output).starts_with("whole: "), "{output:?}");
        let output = gravlens(
            &watched.agent,
            &[&check[..], &["--output", "json"]].concat(),
        )?;
        let report: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(report["whole"] == true, "{report}");
        ensure!(report["heartbeats"].as_u64() >= Some(3), "{report}");
        ensure!(report["records"].as_u64() >= Some(1), "{report}");
        watched.finish()
    })
}

fn broken(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let Watched {
            watcher,
            agent,
            setup,
            cgroup: _cgroup,
        } = Watched::start(bench, &engine).await?;
        drop(watcher);
        agent.pause()?;
        let output = gravlens(&agent, &["stream", "check", "--seconds", "1"]);
        agent.resume()?;
        let output = output?;
        ensure_code(&output, FAILURE)?;
        ensure!(stdout(&output).contains("stopped or hangs"), "{output:?}");
        agent.kill()?;
        let agent = setup.start().await?;
        let check = ["stream", "check", "--seconds", "1", "--from-start"];
        let output = gravlens(&agent, &check)?;
        ensure_code(&output, FAILURE)?;
        ensure!(stdout(&output).contains("GAP (unclean_exit)"), "{output:?}");
        agent.stop()
    })
}

/// An agent that has told of a password file that was read.
async fn with_an_alert(bench: &Bench, engine: &Engine) -> Result<(Watched, Container)> {
    Image::Busybox.ensure(engine, &bench.state).await?;
    let watched = Watched::start(bench, engine).await?;
    let spec = ContainerSpec::new("stream-tools", Image::Busybox);
    let container = Container::run(engine, &watched.cgroup, &spec).await?;
    container.exec(&["cat", "/etc/shadow"]).await?;
    watched.alert(RULE, &container).await?;
    Ok((watched, container))
}

fn show(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let (watched, container) = with_an_alert(bench, &engine).await?;
        let alert = watched.alert(RULE, &container).await?;
        let output = gravlens(&watched.agent, &["alerts", "show", &alert.id])?;
        ensure_code(&output, 0)?;
        let text = stdout(&output);
        ensure!(text.contains(RULE) && text.contains(&alert.id), "{text}");
        let json = ["alerts", "show", &alert.id, "--output", "json"];
        let output = gravlens(&watched.agent, &json)?;
        let record: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(record["alert"]["id"] == alert.id.as_str(), "{record}");
        let (epoch, _) = alert.id.split_once('-').context("an id has a hyphen")?;
        for unknown in [format!("{epoch}-999999"), "00000000000000ab-1".to_owned()] {
            let output = gravlens(&watched.agent, &["alerts", "show", &unknown])?;
            ensure_code(&output, FAILURE)?;
        }
        let output = gravlens(&watched.agent, &["alerts", "show", "nonsense"])?;
        ensure_code(&output, USAGE)?;
        drop(container);
        watched.finish()
    })
}

fn falco(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let (watched, container) = with_an_alert(bench, &engine).await?;
        let output = gravlens(&watched.agent, &["alerts", "--output", "falco"])?;
        ensure_code(&output, 0)?;
        let lines: Vec<Value> = stdout(&output)
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        let alert = lines.iter().find(|line| line["rule"] == RULE);
        let alert = alert.with_context(|| format!("no line of {RULE:?}: {lines:?}"))?;
        let fields = &alert["output_fields"];
        ensure!(fields["container.name"] == container.name(), "{alert}");
        ensure!(fields["fd.name"] == "/etc/shadow", "{alert}");
        ensure!(alert["hostname"].as_str() != Some(""), "{alert}");
        let output = gravlens(&watched.agent, &["status", "--output", "falco"])?;
        ensure_code(&output, USAGE)?;
        drop(container);
        watched.finish()
    })
}
