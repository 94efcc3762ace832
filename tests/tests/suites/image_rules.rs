//! Containers are named, and rules about images decide rightly, however slow Docker is.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use gravlens::proto::{Alert, Identity};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::client::rule_name;
use integration_test::container::{Container, ContainerSpec};
use integration_test::docker_proxy::DockerProxy;
use integration_test::images::Image;
use integration_test::runtime::block_on;

use crate::watched::{ALERT_LIMIT, Watched, ensure_named};
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("identity::a_container_older_than_the_agent_is_named", older),
    (
        "identity::a_container_that_lives_20_ms_is_named",
        short_lived,
    ),
    (
        "identity::a_container_whose_path_was_cut_is_not_the_host",
        cut_path,
    ),
    ("identity::image_rules_decide_at_once", at_once),
    (
        "identity::image_rules_decide_when_docker_takes_200_ms",
        slow,
    ),
    (
        "identity::image_rules_decide_when_docker_takes_5_s",
        very_slow,
    ),
];

/// Longer than every wait for a name, `identity.decide_within_ms` apart.
const VERY_SLOW: Duration = Duration::from_secs(5);
const SHADOW: &str = "Password file read in a container";

/// Five rules about the same deed: one asks nothing about the image and is told at once, two are
/// true of the busybox image, two are not.
const RULES: &str = "\
- macro: marked
  condition: (evt.type in (execve, execveat) and proc.args contains marked-by-the-suite)

- rule: Marked anywhere
  desc: Shows that the deed was seen, and what was known then.
  condition: marked
  output: marked
  priority: CRITICAL

- rule: Marked in busybox
  desc: True of the busybox image.
  condition: marked and container.image.repository = gravlens-test/busybox
  output: marked
  priority: WARNING

- rule: Marked outside debian
  desc: True of the busybox image.
  condition: marked and not container.image.repository = gravlens-test/debian
  output: marked
  priority: WARNING

- rule: Marked in debian
  desc: False of the busybox image.
  condition: marked and container.image.repository = gravlens-test/debian
  output: marked
  priority: WARNING

- rule: Marked outside busybox
  desc: False of the busybox image.
  condition: marked and not container.image.repository = gravlens-test/busybox
  output: marked
  priority: WARNING
";
const SEEN: &str = "Marked anywhere";
const TRUE_RULES: [&str; 2] = ["Marked in busybox", "Marked outside debian"];

/// Starts an agent with rules of the suite's own beside the bundled ones.
pub(crate) async fn start_with_rules(bench: &Bench, docker: &Path, rules: &str) -> Result<Watched> {
    let cgroup = TestCgroup::new()?;
    let mut setup = AgentSetup::new(&bench.state, &cgroup, docker)?;
    setup.add_rules("suite.yaml", rules)?;
    Watched::start_with(setup, cgroup).await
}

fn older(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("older", Image::Busybox);
        let container = Container::run(&engine, &cgroup, &spec).await?;
        let setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        let watched = Watched::start_with(setup, cgroup).await?;
        container.exec(&["cat", "/etc/shadow"]).await?;
        let alert = watched.alert(SHADOW, &container).await?;
        ensure_named(&alert, &container)?;
        drop(container);
        watched.finish()
    })
}

/// The record of the creation does not hold a path this long; only a scan can tell the container.
fn cut_path(bench: &Bench) -> Result<()> {
    const RULES: &str = "\
- rule: Marked on the node
  desc: False of a container.
  condition: evt.type = execve and proc.args contains marked-by-the-suite and container.id = host
  output: marked
  priority: WARNING

- rule: Marked in a container
  desc: True of a container.
  condition: evt.type = execve and proc.args contains marked-by-the-suite and container.id != host
  output: marked
  priority: WARNING
";
    block_on(async {
        let engine = bench.engine.lock().await;
        let watched = start_with_rules(bench, engine.socket(), RULES).await?;
        let id = "c".repeat(64);
        let mut own = watched.cgroup.directory().to_owned();
        for level in ["d", "e", "f", "g"] {
            own.push(level.repeat(250));
        }
        own.push(&id);
        fs::create_dir_all(&own)?;
        let shell = Command::new("sh")
            .args([
                "-c",
                "echo $$ > \"$0/cgroup.procs\" && exec /bin/true marked-by-the-suite",
            ])
            .arg(&own)
            .status()?;
        ensure!(shell.success(), "the process did not get into its cgroup");
        let found = watched
            .watcher
            .wait_for("Marked in a container", &id, ALERT_LIMIT);
        let alert = found.await?;
        ensure!(alert.undecided.is_empty(), "{:?}", alert.undecided);
        watched.settle().await?;
        let alerts = watched.watcher.alerts();
        let wrong = alerts
            .iter()
            .find(|alert| rule_name(alert) == "Marked on the node");
        ensure!(wrong.is_none(), "it counted as the host: {wrong:?}");
        watched.finish()
    })
}

fn short_lived(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let watched = Watched::start(bench, &engine).await?;
        for number in 0..5 {
            let label = format!("brief-{number}");
            let spec = ContainerSpec::new(&label, Image::Busybox);
            let spec = spec.command(&["sh", "-c", "/bin/cat /etc/shadow; /bin/sleep 0.02"]);
            let container = Container::run(&engine, &watched.cgroup, &spec).await?;
            container.wait().await?;
            let alert = watched.alert(SHADOW, &container).await?;
            ensure_named(&alert, &container)?;
        }
        watched.finish()
    })
}

fn at_once(bench: &Bench) -> Result<()> {
    decide(bench, None)
}

fn slow(bench: &Bench) -> Result<()> {
    decide(bench, Some(Duration::from_millis(200)))
}

fn very_slow(bench: &Bench) -> Result<()> {
    decide(bench, Some(VERY_SLOW))
}

/// Runs the deed before an engine that answers at once, or only that long after the deed.
fn decide(bench: &Bench, late: Option<Duration>) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let socket = bench.state.run_path("slow-docker.sock");
        let proxy = match late {
            None => DockerProxy::start(&socket, engine.socket(), Duration::ZERO).await?,
            Some(_) => DockerProxy::closed(&socket, engine.socket()).await?,
        };
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, proxy.socket())?;
        setup.add_rules("suite.yaml", RULES)?;
        let spec = ContainerSpec::new("marked", Image::Busybox)
            .command(&["/bin/echo", "marked-by-the-suite"]);
        let container = Container::create(&engine, &cgroup, &spec).await?;
        let watched = Watched::start_with(setup, cgroup).await?;
        container.start().await?;
        container.wait().await?;
        let seen = watched.alert(SEEN, &container).await?;
        if let Some(late) = late {
            ensure_pending(&seen)?;
            tokio::time::sleep(late).await;
            ensure!(
                marked(&watched, &container) == [SEEN],
                "a rule about the image was decided without the image"
            );
            proxy.open();
        }
        for rule in TRUE_RULES {
            let alert = watched.alert(rule, &container).await?;
            ensure!(alert.undecided.is_empty(), "{rule:?} is undecided");
            ensure_named(&alert, &container)?;
            let told_late = identity(&alert) == Identity::Late;
            ensure!(told_late || late != Some(VERY_SLOW), "{alert:?}");
        }
        watched.settle().await?;
        let fired = marked(&watched, &container);
        ensure!(
            fired.len() == 1 + TRUE_RULES.len(),
            "these fired: {fired:?}"
        );
        ensure!(proxy.delayed() > 0, "the agent never asked");
        drop(container);
        watched.finish()
    })
}

/// Names of the suite's rules that have fired about a container.
fn marked(watched: &Watched, container: &Container) -> Vec<String> {
    let alerts = watched.alerts_of(container);
    let names = alerts.iter().map(|alert| rule_name(alert).to_owned());
    names.filter(|name| name.starts_with("Marked")).collect()
}

/// Checks that an alert left before Docker had described its container.
fn ensure_pending(alert: &Alert) -> Result<()> {
    ensure!(
        identity(alert) == Identity::CgroupOnly,
        "the container was known already: {:?}",
        alert.container
    );
    Ok(())
}

fn identity(alert: &Alert) -> Identity {
    let container = alert.container.as_ref();
    container.map_or(Identity::Unspecified, |container| container.identity())
}
