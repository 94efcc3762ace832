//! What the agent has taken from itself, and what it tells a service manager.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::runtime::block_on;
use rustix::thread::CapabilitySet;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "sandbox::every_thread_has_what_it_needs_and_no_more",
        threads,
    ),
    ("sandbox::a_service_manager_is_told", service_manager),
];

/// With these it does all that the other suites see it do.
pub(crate) const NEEDED: &[CapabilitySet] = &[
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::DAC_READ_SEARCH,
];
/// The start needs them; no execution can bring them back.
pub(crate) const OF_THE_START: &[CapabilitySet] = &[
    CapabilitySet::BPF,
    CapabilitySet::PERFMON,
    CapabilitySet::NET_ADMIN,
    CapabilitySet::SYS_RESOURCE,
];
/// Seccomp with a filter (`SECCOMP_MODE_FILTER`).
const FILTERED: &str = "2";
const PATIENCE: Duration = Duration::from_secs(10);

fn threads(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let watched = Watched::start(bench, &engine).await?;
        let bits = |of: &[CapabilitySet]| of.iter().fold(0, |all, one| all | one.bits());
        let needed = bits(NEEDED);
        let tasks = format!("/proc/{}/task", watched.agent.pid());
        let mut count = 0;
        for task in fs::read_dir(tasks)? {
            // A thread may have ended since.
            let Ok(status) = fs::read_to_string(task?.path().join("status")) else {
                continue;
            };
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                let value = line.and_then(|line| line.strip_prefix(':'));
                Ok::<_, anyhow::Error>(value.with_context(|| format!("no {name}"))?.trim())
            };
            for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
                let held = u64::from_str_radix(field(set)?, 16)?;
                ensure!(held & !needed == 0, "{set} has {held:x}:\n{status}");
            }
            let bounding = u64::from_str_radix(field("CapBnd")?, 16)?;
            let started = needed | bits(OF_THE_START);
            ensure!(
                bounding & !started == 0,
                "CapBnd has {bounding:x}:\n{status}"
            );
            ensure!(field("NoNewPrivs")? == "1", "{status}");
            ensure!(field("Seccomp")? == FILTERED, "{status}");
            count += 1;
        }
        ensure!(count > 1, "{count} threads");
        watched.finish()
    })
}

fn service_manager(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        let path = setup.path("notify.sock");
        let socket = UnixDatagram::bind(&path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        setup.set_variable("NOTIFY_SOCKET", &path);
        let watched = Watched::start_with(setup, cgroup).await?;
        heard(&socket, "READY=1")?;
        heard(&socket, "WATCHDOG=1")?;
        watched.finish()?;
        heard(&socket, "STOPPING=1")
    })
}

/// Waits for a message; others may come before it.
fn heard(socket: &UnixDatagram, wanted: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut message = [0; 256];
    while Instant::now() < deadline {
        let len = socket
            .recv(&mut message)
            .with_context(|| format!("{wanted} did not come"))?;
        if String::from_utf8_lossy(&message[..len]).contains(wanted) {
            return Ok(());
        }
    }
    anyhow::bail!("{wanted} did not come")
}
