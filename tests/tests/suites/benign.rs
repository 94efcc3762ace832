//! Servers that do their work raise no alert.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_test::client::rule_name;
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::report::describe;
use integration_test::runtime::block_on;
use integration_test::{shortened, soak};

use crate::watched::{Watched, is_grave};
use crate::{Bench, Test, pack};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "benign::nginx_redis_and_postgresql_under_load_raise_no_alert",
    servers,
)];

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_secs(30);
/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(500);
/// Fewer events than this are no load.
const FEWEST_EVENTS: u64 = 10_000;
/// What shows that the agent was not blind.
const SHADOW: &str = "Password file read in a container";

/// A server with those who use it. Its command line is that of an image's entrypoint.
struct Server {
    name: &'static str,
    command: &'static [&'static str],
    user: Option<&'static str>,
    /// Ends well when it answers; run in the server's container, as an engine's health check is.
    health: &'static [&'static str],
    /// Run once, before the load.
    prepare: &'static str,
    /// Some seconds of load, run again and again in a container beside it.
    load: &'static str,
    /// What its operator does from time to time, in the server's container.
    upkeep: &'static [&'static str],
}

const SERVERS: [Server; 3] = [
    Server {
        name: "nginx",
        command: &["nginx", "-g", "daemon off;"],
        user: None,
        health: &["ab", "-q", "-n", "1", "http://127.0.0.1/"],
        prepare: "true",
        load: "ab -q -n 2000 -c 8 http://127.0.0.1/ > /dev/null; sleep 1",
        upkeep: &["nginx", "-s", "reload"],
    },
    Server {
        name: "redis",
        command: &[
            "redis-server",
            "--dir",
            "/var/lib/redis",
            "--appendonly",
            "yes",
            "--save",
            "5 1000",
        ],
        user: Some("redis"),
        health: &["redis-cli", "ping"],
        prepare: "true",
        load: "redis-benchmark -q -n 20000 -c 20 -t set,get,incr,lpush,hset > /dev/null; sleep 1",
        upkeep: &["redis-cli", "bgrewriteaof"],
    },
    Server {
        name: "postgresql",
        command: &["sh", "-c", POSTGRESQL],
        user: Some("postgres"),
        health: &["pg_isready", "-q", "-h", "127.0.0.1"],
        prepare: "pgbench -q -i -s 2 -h 127.0.0.1 -U postgres postgres",
        load: "pgbench -n -c 4 -T 5 -h 127.0.0.1 -U postgres postgres > /dev/null",
        upkeep: &[
            "psql",
            "-q",
            "-h",
            "127.0.0.1",
            "-c",
            "vacuum analyze",
            "-c",
            "checkpoint",
        ],
    },
];

/// As an image does at its first start: makes the database, then serves it.
const POSTGRESQL: &str = "PATH=/usr/lib/postgresql/15/bin:$PATH && \
    initdb --auth=trust --pgdata=/var/lib/postgresql/data > /dev/null && \
    exec postgres -D /var/lib/postgresql/data -k /tmp";

/// A server's container and that of its users.
struct Pair {
    server: &'static Server,
    container: Container,
    users: Container,
}

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
        let mut pairs = Vec::new();
        for server in &SERVERS {
            let spec = ContainerSpec::new(server.name, Image::Servers).command(server.command);
            let spec = match server.user {
                Some(user) => spec.user(user),
                None => spec,
            };
            let container = Container::run(&engine, &watched.cgroup, &spec).await?;
            let users = ContainerSpec::new("users", Image::Servers)
                .command(&["sleep", "infinity"])
                .network_of(&container);
            let users = Container::run(&engine, &watched.cgroup, &users).await?;
            pairs.push(Pair {
                server,
                container,
                users,
            });
        }
        let end = Instant::now() + length;
        let work = pairs.iter().map(|pair| pair.work(end));
        let rounds = futures::future::try_join_all(work).await?;
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
        let first = &pairs[0].container;
        first.exec(&["cat", "/etc/shadow"]).await?;
        watched.alert(SHADOW, first).await?;
        drop(pairs);
        watched.finish()?;
        ensure!(told.is_empty(), "\n{}", told.join("\n"));
        Ok(())
    })
}

impl Pair {
    /// Puts the server under load until then; how often.
    async fn work(&self, end: Instant) -> Result<usize> {
        let Server { name, health, .. } = self.server;
        let deadline = Instant::now() + START_LIMIT;
        while self.container.exec(health).await?.code != 0 {
            if Instant::now() >= deadline {
                let log = self.container.logs().await?;
                anyhow::bail!("{name} does not answer:\n{log}");
            }
            tokio::time::sleep(POLL).await;
        }
        self.users.shell(self.server.prepare).await?;
        let mut rounds = 0;
        while rounds == 0 || Instant::now() < end {
            self.users.shell(self.server.load).await?;
            self.do_well(self.server.upkeep).await?;
            self.do_well(health).await?;
            rounds += 1;
        }
        Ok(rounds)
    }

    async fn do_well(&self, command: &[&str]) -> Result<()> {
        let output = self.container.exec(command).await?;
        ensure!(output.code == 0, "{}: {output:?}", self.server.name);
        Ok(())
    }
}
