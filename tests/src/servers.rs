//! nginx, redis and PostgreSQL in containers, and those who use them.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use futures::future::try_join_all;

use crate::cgroup::TestCgroup;
use crate::container::{Container, ContainerSpec};
use crate::engine::Engine;
use crate::images::Image;

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(500);

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

/// The servers, running.
pub struct Servers {
    pairs: Vec<Pair>,
}

impl Servers {
    /// Starts them, each with its users beside it, in containers below the cgroup. The engine has
    /// [`Image::Servers`].
    ///
    /// # Errors
    /// A container cannot be started.
    pub async fn start(engine: &Engine, cgroup: &TestCgroup) -> Result<Self> {
        let mut pairs = Vec::new();
        for server in &SERVERS {
            let spec = ContainerSpec::new(server.name, Image::Servers).command(server.command);
            let spec = match server.user {
                Some(user) => spec.user(user),
                None => spec,
            };
            let container = Container::run(engine, cgroup, &spec).await?;
            let users = ContainerSpec::new("users", Image::Servers)
                .command(&["sleep", "infinity"])
                .network_of(&container);
            let users = Container::run(engine, cgroup, &users).await?;
            pairs.push(Pair {
                server,
                container,
                users,
            });
        }
        Ok(Self { pairs })
    }

    /// Puts all of them under load until then, each at least once; how often.
    ///
    /// # Errors
    /// A server does not answer, or a command fails.
    pub async fn work(&self, end: Instant) -> Result<Vec<usize>> {
        try_join_all(self.pairs.iter().map(|pair| pair.work(end))).await
    }

    /// The container of one of them.
    pub fn one(&self) -> &Container {
        &self.pairs[0].container
    }
}

impl Pair {
    /// Puts the server under load until then; how often.
    async fn work(&self, end: Instant) -> Result<usize> {
        let Server { name, health, .. } = self.server;
        let deadline = Instant::now() + START_LIMIT;
        while self.container.exec(health).await?.code != 0 {
            if Instant::now() >= deadline {
                let log = self.container.logs().await?;
                bail!("{name} does not answer:\n{log}");
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
