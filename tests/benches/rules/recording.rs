//! The mix that the benchmark records for itself: servers at work, and programs that start and open
//! files one after another.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::container::{Container, ContainerSpec};
use integration_test::engine::Engine;
use integration_test::images::Image;
use integration_test::runtime::block_on;
use integration_test::servers::Servers;
use integration_test::state::State;

/// How long it is recorded.
const LENGTH: Duration = Duration::from_secs(20);
/// Name of the capture in the folder that is kept.
const NAME: &str = "rules-mix";
/// A part as large as all of it.
const PART_BYTES: &str = "4294967296";
/// Starts a program for each of some files, and then has one open many.
const STORM: &str = "find /etc /usr/lib -type f | head -n 300 | \
    while read -r file; do cat \"$file\" > /dev/null; done; \
    find /etc /usr/lib /usr/share -type f -exec head --quiet --bytes=0 {} +";

/// The recording; made if there is none, or if it is asked for anew.
pub(crate) fn recording(anew: bool) -> Result<PathBuf> {
    let state = State::open()?;
    let file = state.cached(NAME);
    if anew || !file.is_file() {
        let draft = file.with_extension("new");
        if draft.exists() {
            fs::remove_file(&draft)?;
        }
        record(&state, &draft).context("cannot record the mix")?;
        fs::rename(&draft, &file)?;
    }
    Ok(file)
}

fn record(state: &State, file: &Path) -> Result<()> {
    eprintln!("recording {} s of servers under load", LENGTH.as_secs());
    let engine = Engine::start(state)?;
    block_on(async {
        Image::Servers.ensure(&engine, state).await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(state, &cgroup, engine.socket())?;
        setup.set("limits.events_per_second", 0);
        let arguments = [
            file.as_os_str(),
            "--part-bytes".as_ref(),
            PART_BYTES.as_ref(),
        ];
        let said = File::create(setup.path("stdout.log"))?;
        let recorder = setup.record(&arguments, said).await?;
        let servers = Servers::start(&engine, &cgroup).await?;
        let storm = ContainerSpec::new("storm", Image::Servers);
        let storm = Container::run(&engine, &cgroup, &storm).await?;
        let end = Instant::now() + LENGTH;
        tokio::try_join!(servers.work(end), storms(&storm, end))?;
        recorder.stop()?;
        Ok(())
    })
}

async fn storms(container: &Container, end: Instant) -> Result<()> {
    while Instant::now() < end {
        container.shell(STORM).await?;
    }
    Ok(())
}
