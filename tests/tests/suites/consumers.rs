//! The consumers of `docs/stream.md`, at work.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::python;
use integration_test::runtime::block_on;
use integration_test::undo::{self, Leftover};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("consumers::rust_loses_and_repeats_nothing", rust),
    ("consumers::python_loses_and_repeats_nothing", in_python),
];

const LIMIT: Duration = Duration::from_secs(60);
const RULE: &str = "Password file read in a container";

fn rust(bench: &Bench) -> Result<()> {
    consume(bench, || Ok(Command::new(env!("CARGO_BIN_EXE_consumer"))))
}

fn in_python(bench: &Bench) -> Result<()> {
    let generated = bench.state.run_path("consumer-python");
    let _guard = undo::register(Leftover::Path(generated.clone()));
    generate(&generated)?;
    consume(bench, || {
        let mut command = Command::new(python::interpreter()?);
        command
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/consumers/consumer.py"
            ))
            .env("PYTHONPATH", &generated);
        Ok(command)
    })
}

/// Makes Python code of the agent's protocol files.
fn generate(out: &Path) -> Result<()> {
    std::fs::create_dir_all(out)?;
    let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let files = std::fs::read_dir(protos.join("gravlens/v1"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>>>()?;
    let status = std::process::Command::new(python::interpreter()?)
        .args(["-m", "grpc_tools.protoc", "-I"])
        .arg(&protos)
        .arg(format!("--python_out={}", out.display()))
        .arg(format!("--grpc_python_out={}", out.display()))
        .args(files)
        .status()?;
    ensure!(status.success(), "protoc ended with {status}");
    Ok(())
}

/// Has alerts raised before, during and after a run of the consumer, kills it in between, and
/// compares what its two runs print with what a client that stays received.
fn consume(bench: &Bench, command: impl Fn() -> Result<Command>) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let watched = Watched::start(bench, &engine).await?;
        let spec = ContainerSpec::new("consumer", Image::Busybox);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        let cursor = watched.setup.path("cursor");
        let start = || Consumer::start(command()?, watched.agent.socket(), &cursor);

        raise(&watched, &container, 2).await?;
        let mut first = start()?;
        first.read_until(&ids(&watched)).await?;
        raise(&watched, &container, 2).await?;
        let before = ids(&watched);
        first.read_until(&before).await?;
        let first = first.kill().await?;

        raise(&watched, &container, 2).await?;
        let mut second = start()?;
        second.read_until(&ids(&watched)).await?;
        let second = second.kill().await?;

        let all = ids(&watched);
        let told: HashSet<&String> = first.iter().chain(&second).collect();
        let lost: Vec<&String> = all.iter().filter(|id| !told.contains(id)).collect();
        ensure!(lost.is_empty(), "lost: {lost:?}");
        ensure!(first.ends_with(&before), "{first:?} is not {before:?}");
        // Who is killed between its print and its cursor prints that one again, and no other.
        let again = second.iter().filter(|id| first.contains(id)).count();
        ensure!(
            again <= 1,
            "{again} of {second:?} came before, in {first:?}"
        );
        let fresh = &all[before.len()..];
        ensure!(second[again..] == *fresh, "{second:?} is not {fresh:?}");
        drop(container);
        watched.finish()
    })
}

/// Has that many alerts raised, and waits until they are told.
async fn raise(watched: &Watched, container: &Container, count: usize) -> Result<()> {
    let wanted = watched.alerts_of(container).len() + count;
    for _ in 0..count {
        container.exec(&["cat", "/etc/shadow"]).await?;
    }
    watched.alert(RULE, container).await?;
    watched.settle().await?;
    let told = watched.alerts_of(container).len();
    ensure!(told >= wanted, "{told} alerts instead of {wanted}");
    Ok(())
}

fn ids(watched: &Watched) -> Vec<String> {
    let alerts = watched.watcher.alerts();
    alerts.into_iter().map(|alert| alert.id).collect()
}

/// A running consumer and the ids that it has printed.
struct Consumer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    ids: Vec<String>,
}

impl Consumer {
    fn start(mut command: Command, socket: &Path, cursor: &Path) -> Result<Self> {
        let mut child = command
            .args([socket, cursor])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        Ok(Self {
            child,
            lines: BufReader::new(output).lines(),
            ids: Vec::new(),
        })
    }

    /// Reads until the last of these alerts is printed.
    async fn read_until(&mut self, alerts: &[String]) -> Result<()> {
        let last = alerts.last().context("no alert was raised")?;
        while self.ids.last() != Some(last) {
            let line = timeout(LIMIT, self.lines.next_line()).await;
            let line = line.with_context(|| format!("{last} is not printed: {:?}", self.ids))??;
            self.keep(&line.context("the consumer ended")?)?;
        }
        Ok(())
    }

    /// Ends the consumer without warning; what it printed.
    async fn kill(mut self) -> Result<Vec<String>> {
        self.child.kill().await?;
        while let Some(line) = self.lines.next_line().await? {
            self.keep(&line)?;
        }
        Ok(self.ids)
    }

    fn keep(&mut self, line: &str) -> Result<()> {
        let (id, _) = line.split_once(' ').context("a line has no text")?;
        if id == "GAP" {
            bail!("{line}");
        }
        self.ids.push(id.to_owned());
        Ok(())
    }
}
