//! Logs of OTLP, taken by a receiver that somebody else would write.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gravlens::proto::Alert;
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::python;
use integration_test::runtime::block_on;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] =
    &[("otlp::a_receiver_from_pypi_takes_every_record", from_pypi)];

const LIMIT: Duration = Duration::from_secs(60);
const RULE: &str = "Password file read in a container";
const ALERTS: usize = 5;

fn from_pypi(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let mut receiver = Receiver::start().await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        setup.set("outputs.otlp.endpoint", receiver.endpoint());
        let watched = Watched::start_with(setup, cgroup).await?;
        let spec = ContainerSpec::new("otlp", Image::Busybox);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        for _ in 0..ALERTS {
            container.exec(&["cat", "/etc/shadow"]).await?;
        }
        let alert = watched.alert(RULE, &container).await?;
        watched.settle().await?;
        let records = watched.watcher.records();
        let placed = records.iter().filter(|record| record.sequence > 0);
        let wanted: BTreeSet<u64> = placed.map(|record| record.sequence).collect();
        ensure!(wanted.len() >= ALERTS, "{wanted:?}");
        receiver.read_until(&wanted).await?;
        receiver.check_order()?;
        let log = receiver.log(&alert.id)?;
        check(log, &alert, &container)?;
        drop(container);
        watched.finish()
    })
}

fn check(log: &Value, alert: &Alert, container: &Container) -> Result<()> {
    let attributes = &log["attributes"];
    let whole = log["event"] == "gravlens.alert"
        && log["body"] == *alert.output
        && log["severity_text"] == *alert.priority
        && log["resource"]["service.name"] == "gravlens"
        && attributes["security_rule.name"] == RULE
        && attributes["container.id"] == container.id()
        && attributes["container.name"] == container.name()
        && attributes["process.command_line"] == "cat /etc/shadow"
        && attributes["file.path"] == "/etc/shadow";
    ensure!(whole, "{log}");
    let at = alert.time.context("the alert has no time")?;
    let nanos = at.seconds * 1_000_000_000 + i64::from(at.nanos);
    ensure!(log["time"] == nanos, "{log} at {at}");
    Ok(())
}

/// A receiver at work, and every log that it took.
struct Receiver {
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
    logs: Vec<Value>,
    _child: Child,
}

impl Receiver {
    async fn start() -> Result<Self> {
        let mut child = Command::new(python::interpreter()?)
            .arg(python::sources().join("otlp_receiver.py"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(output).lines();
        let first = timeout(LIMIT, lines.next_line()).await??;
        Ok(Self {
            lines,
            port: first.context("the receiver ended")?.parse()?,
            logs: Vec::new(),
            _child: child,
        })
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Reads until every one of these records has come.
    async fn read_until(&mut self, wanted: &BTreeSet<u64>) -> Result<()> {
        let mut missing = wanted.clone();
        while !missing.is_empty() {
            let line = timeout(LIMIT, self.lines.next_line()).await;
            let line = line.with_context(|| format!("{missing:?} do not come"))??;
            let log: Value = serde_json::from_str(&line.context("the receiver ended")?)?;
            missing.remove(&sequence(&log)?);
            self.logs.push(log);
        }
        Ok(())
    }

    /// Checks that nothing is missing, comes twice or too early.
    fn check_order(&self) -> Result<()> {
        let numbers = self.logs.iter().map(sequence);
        let numbers = numbers.collect::<Result<Vec<u64>>>()?;
        let whole = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
        ensure!(whole, "{numbers:?}");
        Ok(())
    }

    fn log(&self, id: &str) -> Result<&Value> {
        let mut logs = self.logs.iter();
        let found = logs.find(|log| log["attributes"]["log.record.uid"] == id);
        found.with_context(|| format!("{id} did not come"))
    }
}

fn sequence(log: &Value) -> Result<u64> {
    let number = &log["attributes"]["gravlens.stream.sequence"];
    number
        .as_u64()
        .with_context(|| format!("{log} has no number"))
}
