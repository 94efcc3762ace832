//! Baselines of a running agent: it learns, is killed, knows what it learnt, tells what is new, and
//! takes the word of an operator and of reviewed files.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gravlens::proto::record::Body;
use gravlens::proto::{Alert, BaselineEvidence, BaselineKind, Record};
use integration_test::agent::{self, AgentSetup};
use integration_test::cgroup::TestCgroup;
use integration_test::client::{Watcher, container_id};
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::runtime::block_on;
use serde_json::Value;

use crate::baseline::ROUTINE;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "baseline::a_running_agent_learns_tells_and_obeys",
    learns_tells_and_obeys,
)];

const WORKLOAD: &str = "image gravlens-test/busybox";
const WINDOW_SECONDS: i64 = 2;
/// How long the workload is watched before.
const WATCHED: Duration = Duration::from_secs(24);
const ALERT_LIMIT: Duration = Duration::from_secs(20);
/// The reviewed files are looked at every few seconds.
const REVIEW_LIMIT: Duration = Duration::from_secs(20);

/// What each step of the attack is to be told as.
const STEPS: [(&str, &str); 4] = [
    ("file_read", "/etc/shadow"),
    ("exec", "/tmp/dropped [upper]"),
    ("file_create", "/etc/cron-like"),
    ("net_out", "tcp {loopback}:4444"),
];

fn learns_tells_and_obeys(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        learn_fast(&mut setup);
        let agent = setup.start().await?;
        let mut replicas = Vec::new();
        for name in ["one", "two"] {
            let spec = ContainerSpec::new(name, Image::Busybox).command(&["sh", "-c", ROUTINE]);
            replicas.push(Container::run(&engine, &cgroup, &spec).await?);
        }
        tokio::time::sleep(WATCHED).await;
        ensure_armed(&setup)?;

        let before = windows(&setup)?;
        agent.kill()?;
        let agent = setup.start().await?;
        let after = windows(&setup)?;
        ensure!(
            after + replicas.len() as u64 >= before,
            "the agent was killed at {before} windows and knows {after}: more than the current ones are lost"
        );
        tokio::time::sleep(Duration::from_secs(5)).await;

        let watcher = Watcher::live(agent.socket()).await?;
        replicas[0].shell("touch /tmp/attack").await?;
        let shadow = each_step_is_told(&watcher, replicas[0].id()).await?;
        explain_and_accept(&setup, &shadow)?;

        let told = watcher.count();
        replicas[1].shell("touch /tmp/attack").await?;
        each_but_the_first_is_told(&watcher, told, replicas[1].id()).await?;
        review(&setup, &watcher).await?;
        agent.stop()?;
        Ok(())
    })
}

/// With windows of two seconds, a class is armed when nothing new came for some of them.
pub(crate) fn learn_fast(setup: &mut AgentSetup) {
    setup.set("rules.bundled", false);
    setup.set("baselines.enabled", true);
    setup.set("baselines.window_seconds", WINDOW_SECONDS);
    setup.set("baselines.start_seconds", 1);
    setup.set("baselines.horizon_hours", 0);
    setup.set("baselines.arm_per_day", 40_000);
    setup.set("baselines.waive_starts", true);
}

pub(crate) fn gravlens(setup: &AgentSetup, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(agent::binary()?);
    command.arg("--socket").arg(setup.socket());
    let output = command.args(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// How the workload stands.
fn summary(setup: &AgentSetup) -> Result<Value> {
    let text = gravlens(setup, &["baseline", "list", WORKLOAD, "--output", "json"])?;
    let listed: Value = serde_json::from_str(&text)?;
    let first = listed.get(0).or_else(|| listed["workloads"].get(0));
    first
        .cloned()
        .with_context(|| format!("no workload: {text}"))
}

fn windows(setup: &AgentSetup) -> Result<u64> {
    let summary = summary(setup)?;
    let windows = summary["watched"]["windows"].as_u64();
    windows.with_context(|| format!("no windows: {summary}"))
}

fn ensure_armed(setup: &AgentSetup) -> Result<()> {
    let summary = summary(setup)?;
    ensure!(summary["instances"] == 2, "{summary}");
    let classes = summary["classes"].as_array().context("no classes")?;
    for class in ["exec", "file_read"] {
        let found = |view: &&Value| view["class"] == class && view["phase"] == "run";
        let view = classes.iter().find(found);
        let view = view.with_context(|| format!("no {class}: {summary}"))?;
        ensure!(view["state"] == "armed", "{view}");
    }
    Ok(())
}

/// Every step is told with evidence, about its container and a process in it, and nothing else is.
/// Gives the alert of the first.
async fn each_step_is_told(watcher: &Watcher, container: &str) -> Result<Alert> {
    for step in STEPS {
        wait_for_step(watcher, 0, step, container).await?;
    }
    for alert in of_baselines(&watcher.records()) {
        ensure!(container_id(&alert) == container, "{}", alert.output);
        let evidence = alert.baseline.as_ref().context("no evidence")?;
        ensure!(evidence.workload == WORKLOAD, "{evidence:?}");
        let watched = evidence.watched.context("nothing was watched")?;
        ensure!(watched.windows > 0 && watched.instances == 2, "{watched:?}");
        ensure!(evidence.predicted.is_some(), "{evidence:?}");
        ensure!(alert.process.is_some(), "{}", alert.output);
    }
    wait_for_step(watcher, 0, STEPS[0], container).await
}

async fn wait_for_step(
    watcher: &Watcher,
    begin: usize,
    (class, object): (&str, &str),
    container: &str,
) -> Result<Alert> {
    let what = format!("{class} {object}");
    watcher
        .wait_until(&what, ALERT_LIMIT, |records| {
            let fresh = records.get(begin..).unwrap_or_default();
            of_baselines(fresh).into_iter().find(|alert| {
                let evidence = alert.baseline.as_ref();
                let is_it = |it: &BaselineEvidence| {
                    it.class == class && it.object == object && it.role.starts_with("root ")
                };
                container_id(alert) == container && evidence.is_some_and(is_it)
            })
        })
        .await
}

/// Alerts of baselines among these records.
pub(crate) fn of_baselines(records: &[Record]) -> Vec<Alert> {
    let alerts = records.iter().filter_map(|record| match &record.body {
        Some(Body::Alert(alert)) => Some(alert),
        _ => None,
    });
    alerts
        .filter(|alert| alert.baseline.is_some())
        .cloned()
        .collect()
}

fn explain_and_accept(setup: &AgentSetup, alert: &Alert) -> Result<()> {
    let why = gravlens(setup, &["baseline", "explain", &alert.id])?;
    for part in [WORKLOAD, "/etc/shadow", "baseline accept"] {
        ensure!(why.contains(part), "no {part:?} in\n{why}");
    }
    let patch = gravlens(setup, &["baseline", "accept", &alert.id])?;
    for part in ["workload: ", "file_read:", "/etc/shadow"] {
        ensure!(patch.contains(part), "no {part:?} in\n{patch}");
    }
    Ok(())
}

/// The second replica does the same: what was accepted is not told any more, the rest is.
async fn each_but_the_first_is_told(
    watcher: &Watcher,
    begin: usize,
    container: &str,
) -> Result<()> {
    for step in &STEPS[1..] {
        wait_for_step(watcher, begin, *step, container).await?;
    }
    let told: BTreeSet<String> = of_baselines(&watcher.records_from(begin))
        .into_iter()
        .filter(|alert| container_id(alert) == container)
        .filter_map(|alert| Some(alert.baseline?.object))
        .collect();
    ensure!(!told.contains(STEPS[0].1), "accepted, and told: {told:?}");
    Ok(())
}

/// What the node knows becomes a reviewed file, which is taken over while the agent runs.
async fn review(setup: &AgentSetup, watcher: &Watcher) -> Result<()> {
    let begin = watcher.count();
    let folder = setup.path("baselines.d");
    let folder = folder.to_str().context("the path is no text")?;
    let export = ["baseline", "export", "--without-evidence", "--into", folder];
    gravlens(setup, &export)?;
    watcher
        .wait_until("the review", REVIEW_LIMIT, |records| {
            let mut fresh = records.get(begin..).unwrap_or_default().iter();
            fresh.find_map(|record| match &record.body {
                Some(Body::Alert(alert)) => {
                    alert.output.contains("Baselines reviewed: 1").then_some(())
                }
                _ => None,
            })
        })
        .await?;
    let summary = summary(setup)?;
    ensure!(summary["reviewed"] == true, "{summary}");
    let status = gravlens(setup, &["status"])?;
    ensure!(status.contains("1 reviewed"), "{status}");
    let grave = of_baselines(&watcher.records())
        .into_iter()
        .filter_map(|alert| alert.baseline)
        .any(|evidence| evidence.kind() == BaselineKind::NeverOrdinary);
    ensure!(grave, "a dropped program is never ordinary");
    Ok(())
}
