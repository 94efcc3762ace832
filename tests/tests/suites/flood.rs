//! A container in front of an agent that makes an alert of every file that the offender opens.

use anyhow::{Result, bail};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::container::{Container, ContainerSpec, Exec};
use integration_test::engine::Engine;
use integration_test::images::Image;
use integration_test::offenders;

use crate::Bench;
use crate::watched::Watched;

/// The only rule.
pub(crate) const RULE: &str = "Suite: an open of the flood";
const RULES: &str = "\
- rule: 'Suite: an open of the flood'
  desc: Every open that the offender makes.
  condition: evt.type in (open, openat) and proc.name=open_flood and fd.name=/etc/passwd
  output: file=%fd.name
  priority: NOTICE
";

/// Starts both; the container outlives the longest test.
pub(crate) async fn start(
    bench: &Bench,
    engine: &Engine,
    edit: impl FnOnce(&mut AgentSetup),
) -> Result<(Watched, Container)> {
    Image::Offenders.ensure(engine, &bench.state).await?;
    let cgroup = TestCgroup::new()?;
    let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
    setup.add_rules("flood.yaml", RULES)?;
    setup.set("rules.bundled", false);
    edit(&mut setup);
    let watched = Watched::start_with(setup, cgroup).await?;
    let spec = ContainerSpec::new("load", Image::Offenders).command(&["sleep", "7200"]);
    let container = Container::run(engine, &watched.cgroup, &spec).await?;
    Ok((watched, container))
}

/// Runs a test beside a container that makes so many alerts a second, until the test has ended.
pub(crate) async fn under_load<T>(
    bench: &Bench,
    rate: &str,
    edit: impl FnOnce(&mut AgentSetup),
    test: impl AsyncFnOnce(Watched) -> Result<T>,
) -> Result<T> {
    let engine = bench.engine.lock().await;
    let (watched, container) = start(bench, &engine, edit).await?;
    let program = offenders::in_image("open_flood");
    let load = Exec::new(&[&program, "3600s", "/etc/passwd", rate]);
    tokio::select! {
        load = load.run(&container) => bail!("the load ended: {load:?}"),
        result = test(watched) => result,
    }
}
