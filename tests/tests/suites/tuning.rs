//! From an alert to an exception, and what the exception hides then.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Result, ensure};
use integration_test::agent;
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::runtime::block_on;
use serde_json::Value;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "tuning::an_exception_hides_what_its_proposal_says",
    exception,
)];

const RULE: &str = "Password file read in a container";
const RELOADED: &str = "Rules reloaded";
const RELOAD_LIMIT: Duration = Duration::from_secs(30);
const USAGE: i32 = 2;

fn tune(watched: &Watched, arguments: &[&str]) -> Result<Output> {
    let output = Command::new(agent::binary()?)
        .arg("tune")
        .args(arguments)
        .arg("--config")
        .arg(watched.setup.config_file())
        .args(["--output", "json"])
        .output()?;
    Ok(output)
}

fn exception(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let watched = Watched::start(bench, &engine).await?;
        let spec = ContainerSpec::new("tuning", Image::Busybox);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        container.exec(&["cat", "/etc/shadow"]).await?;
        let alert = watched.alert(RULE, &container).await?;
        watched.settle().await?;

        let refused = tune(&watched, &[&alert.id, "--level", "9"])?;
        ensure!(refused.status.code() == Some(USAGE), "{refused:?}");
        let write = ["--write", "--owner", "suite", "--reason", "it is a test"];
        let output = tune(&watched, &[&[alert.id.as_str()][..], &write].concat())?;
        ensure!(output.status.success(), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(report["file"]["written"] == true, "{report}");
        ensure!(report["proposals"][0]["hidden"] == 1, "{report}");
        ensure!(report["file"]["loaded"] == true, "{report}");

        // The same deed again, once the agent has taken over the exception by itself: only what was
        // to be raised is raised.
        watched.told(RELOADED, RELOAD_LIMIT).await?;
        container.exec(&["cat", "/etc/shadow"]).await?;
        container.exec(&["head", "/etc/shadow"]).await?;
        watched.settle().await?;
        let lines: Vec<_> = watched
            .alerts_of(&container)
            .into_iter()
            .filter(|alert| alert.rule.as_ref().is_some_and(|rule| rule.name == RULE))
            .filter_map(|alert| Some(alert.process?.command_line))
            .collect();
        ensure!(
            lines == ["cat /etc/shadow", "head /etc/shadow"],
            "{lines:?}"
        );
        drop(container);
        watched.finish()
    })
}
