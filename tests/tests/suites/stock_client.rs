//! A client that somebody else would write, in another language.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::python;
use integration_test::runtime::block_on;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "stock_client::python_uses_health_reflection_and_alerts",
    in_python,
)];

const LIMIT: Duration = Duration::from_secs(60);
const RULE: &str = "Password file read in a container";

fn in_python(bench: &Bench) -> Result<()> {
    let interpreter = python::interpreter()?;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let watched = Watched::start(bench, &engine).await?;
        let spec = ContainerSpec::new("python", Image::Busybox);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        let mut client = Command::new(interpreter)
            .arg(python::sources().join("stock_client.py"))
            .arg(watched.agent.socket())
            .arg(sources.join("../proto"))
            .args([RULE, container.id()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = client.stdout.take().context("no output")?;
        let mut lines = BufReader::new(output).lines();
        let mut next = async || {
            timeout(LIMIT, lines.next_line())
                .await?
                .map_err(anyhow::Error::from)
        };
        let ready = next().await?;
        ensure!(
            ready.as_deref() == Some("ready"),
            "the client says {ready:?}"
        );
        container.exec(&["cat", "/etc/shadow"]).await?;
        let told = next().await?.context("the client tells of no alert")?;
        let record: serde_json::Value = serde_json::from_str(&told)?;
        let alert = &record["alert"];
        ensure!(alert["container"]["name"] == container.name(), "{told}");
        ensure!(alert["container"]["image"] == container.image(), "{told}");
        ensure!(
            alert["process"]["commandLine"] == "cat /etc/shadow",
            "{told}"
        );
        ensure!(client.wait().await?.success());
        drop(container);
        watched.finish()
    })
}
