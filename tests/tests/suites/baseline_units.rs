//! Baselines of services of the node: cgroups that are called as systemd calls those of its units.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::client::Watcher;
use integration_test::runtime::block_on;
use serde_json::Value;

use crate::baseline_live::{gravlens, learn_fast, of_baselines};
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "baseline::a_service_of_the_node_is_learnt_and_told_of",
    learnt_and_told,
)];

const WORKLOAD: &str = "unit something@.service";
/// How long the service is watched before.
const WATCHED: Duration = Duration::from_secs(24);
const ALERT_LIMIT: Duration = Duration::from_secs(20);
/// Reads the same file again and again, and another once a file of that name is there.
const ROUTINE: &str = "echo $$ > \"$0/cgroup.procs\" && exec sh -c 'while true; do \
    cat /etc/passwd > /dev/null; sleep 0.2; \
    if [ -e \"$0\" ]; then cat /etc/shadow > /dev/null; sleep 3600; fi; done' \"$1\"";

fn learnt_and_told(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let slice = TestCgroup::slice()?;
        let mut setup = AgentSetup::new(&bench.state, &slice, engine.socket())?;
        learn_fast(&mut setup);
        let agent = setup.start().await?;
        let attack = setup.path("attack");
        let service = start(&slice, "something@one.service", &attack)?;
        let session = start(&slice, "session-3.scope", &attack)?;
        tokio::time::sleep(WATCHED).await;

        let listed = gravlens(&setup, &["baseline", "list", "--output", "json"])?;
        ensure!(listed.contains(WORKLOAD), "{listed}");
        ensure!(
            !listed.contains("session"),
            "a session is no workload: {listed}"
        );
        ensure_armed(&setup)?;

        let watcher = Watcher::live(agent.socket()).await?;
        fs::write(&attack, "")?;
        let alert = watcher
            .wait_until("the read of /etc/shadow", ALERT_LIMIT, |records| {
                let mut told = of_baselines(records).into_iter();
                told.find(|alert| {
                    let evidence = alert.baseline.as_ref();
                    evidence.is_some_and(|it| it.object == "/etc/shadow")
                })
            })
            .await?;
        ensure!(alert.container.is_none(), "{:?}", alert.container);
        ensure!(alert.process.is_some(), "{}", alert.output);
        let evidence = alert.baseline.as_ref().context("no evidence")?;
        ensure!(evidence.workload == WORKLOAD, "{evidence:?}");
        ensure!(evidence.class == "file_read", "{evidence:?}");
        let watched = evidence.watched.context("nothing was watched")?;
        ensure!(watched.windows > 0 && watched.instances == 1, "{watched:?}");
        ensure!(alert.output.contains(WORKLOAD), "{}", alert.output);
        let others = of_baselines(&watcher.records());
        let mut others = others.iter().filter_map(|alert| alert.baseline.as_ref());
        ensure!(others.all(|it| it.workload == WORKLOAD), "of somebody else");
        let why = gravlens(&setup, &["baseline", "explain", &alert.id])?;
        ensure!(why.contains(WORKLOAD), "{why}");
        agent.stop()?;
        stop(service)?;
        stop(session)
    })
}

/// Starts the routine in a cgroup of that name.
fn start(slice: &TestCgroup, name: &str, attack: &std::path::Path) -> Result<Child> {
    let cgroup = slice.directory().join(name);
    fs::create_dir(&cgroup)?;
    let mut shell = Command::new("sh");
    shell.args(["-c", ROUTINE]).arg(&cgroup).arg(attack);
    let child = shell.stdin(Stdio::null()).spawn()?;
    Ok(child)
}

/// What it started dies with its cgroup.
fn stop(mut child: Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn ensure_armed(setup: &AgentSetup) -> Result<()> {
    let text = gravlens(setup, &["baseline", "list", WORKLOAD, "--output", "json"])?;
    let listed: Value = serde_json::from_str(&text)?;
    let summary = listed.get(0).or_else(|| listed["workloads"].get(0));
    let summary = summary.with_context(|| format!("no workload: {text}"))?;
    let classes = summary["classes"].as_array().context("no classes")?;
    let found = |view: &&Value| view["class"] == "file_read" && view["phase"] == "run";
    let view = classes.iter().find(found);
    let view = view.with_context(|| format!("no file_read: {summary}"))?;
    ensure!(view["state"] == "armed", "{view}");
    Ok(())
}
