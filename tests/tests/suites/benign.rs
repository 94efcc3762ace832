//! Servers that do their work raise no alert.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_test::client::rule_name;
use integration_test::images::Image;
use integration_test::report::describe;
use integration_test::runtime::block_on;
use integration_test::servers::Servers;
use integration_test::{shortened, soak};

use crate::watched::{Watched, is_grave};
use crate::{Bench, Test, pack};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "benign::nginx_redis_and_postgresql_under_load_raise_no_alert",
    servers,
)];

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_secs(30);
/// Fewer events than this are no load.
const FEWEST_EVENTS: u64 = 10_000;
/// What shows that the agent was not blind.
const SHADOW: &str = "Password file read in a container";

fn servers(bench: &Bench) -> Result<()> {
    let length = if soak::asked() {
        LONG
    } else {
        shortened::note("benign: 30 s of load in place of 10 min (`cargo xtask soak` runs all)");
        SHORT
    };
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Servers.ensure(&engine, &bench.state).await?;
        let watched = Watched::start(bench, &engine).await?;
        let servers = Servers::start(&engine, &watched.cgroup).await?;
        let rounds = servers.work(Instant::now() + length).await?;
        watched.settle().await?;
        let events = watched.barrier().await?.events.context("no account")?;
        println!("rounds of load: {rounds:?}; {} events", events.seen);
        ensure!(events.seen > FEWEST_EVENTS, "that was no load: {events:?}");
        ensure!(
            events.delivered + events.suppressed == events.seen,
            "lost: {events:?}"
        );
        // The agent's own alerts are no rules: a canary that is late on a busy machine is one.
        let rules = pack::names();
        let mut alerts = watched.watcher.alerts();
        alerts.retain(|alert| is_grave(alert) && rules.contains(rule_name(alert)));
        let told: Vec<String> = alerts.iter().map(describe).collect();
        servers.one().exec(&["cat", "/etc/shadow"]).await?;
        watched.alert(SHADOW, servers.one()).await?;
        drop(servers);
        watched.finish()?;
        ensure!(told.is_empty(), "\n{}", told.join("\n"));
        Ok(())
    })
}
