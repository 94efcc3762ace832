//! Whoever blinds the sensor or holds it up is told of within ten seconds.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gravlens::proto::Severity;
use integration_test::agent::{self, Agent, AgentSetup};
use integration_test::cgroup::TestCgroup;
use integration_test::client::{self, rule_name};
use integration_test::offenders;
use integration_test::runtime::block_on;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("tamper::a_detached_link_is_told", detached),
    ("tamper::a_disabled_perf_event_is_told", disabled),
    ("tamper::a_changed_map_is_told", overwritten),
    ("tamper::changed_approvers_are_told", approved),
    ("tamper::silenced_programs_are_told", silenced),
    ("tamper::a_reader_that_is_held_up_is_told", stalled),
    ("tamper::a_client_hears_of_an_agent_that_is_held_up", silent),
];

const TAMPERED: &str = "Sensor tampered";
const BLIND: &str = "Sensor blind";
const SEES: &str = "Sensor sees again";
/// How soon an alert must come.
const LIMIT: Duration = Duration::from_secs(10);
/// Until every hook has told of the canary for the first time.
const FIRST_ROUND: Duration = Duration::from_secs(2);
const RECOVERY: Duration = Duration::from_secs(20);

fn detached(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let watched = Watched::start(bench, &engine).await?;
        tokio::time::sleep(FIRST_ROUND).await;
        tamper(&watched.agent, "detach", "sendmsg4")?;
        let begin = Instant::now();
        let alert = watched.told(TAMPERED, LIMIT).await?;
        ensure!(alert.output.contains("sendmsg4"), "{}", alert.output);
        ensure!(alert.severity() == Severity::Critical, "{alert:?}");
        ensure!(
            alert.container.is_none() && alert.event.is_none(),
            "{alert:?}"
        );
        // The address of a datagram comes from that program alone.
        let rest = LIMIT.saturating_sub(begin.elapsed());
        let alert = watched.told(BLIND, rest).await?;
        ensure!(alert.output.contains("hook send"), "{}", alert.output);
        let status = client::status(watched.agent.socket()).await?;
        let integrity = status.integrity.unwrap_or_default();
        ensure!(
            integrity
                .faults
                .iter()
                .any(|fault| fault.contains("sendmsg4")),
            "{integrity:?}"
        );
        watched.finish()
    })
}

/// Nothing but its link leads to the perf event of a tracepoint: whoever is in the agent closes it.
fn disabled(bench: &Bench) -> Result<()> {
    let deed = ("close", "sys_exit_kill");
    blinds(bench, deed, "sys_exit_kill", "hook signal")
}

/// A deed that is told as tampering, and then as the blindness that it brings.
fn blinds(bench: &Bench, (deed, name): (&str, &str), fault: &str, blind: &str) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let watched = Watched::start(bench, &engine).await?;
        tokio::time::sleep(FIRST_ROUND).await;
        tamper(&watched.agent, deed, name)?;
        let begin = Instant::now();
        let alert = watched.told(TAMPERED, LIMIT).await?;
        ensure!(alert.output.contains(fault), "{}", alert.output);
        let rest = LIMIT.saturating_sub(begin.elapsed());
        let alert = watched.told(BLIND, rest).await?;
        ensure!(alert.output.contains(blind), "{}", alert.output);
        watched.finish()
    })
}

fn overwritten(bench: &Bench) -> Result<()> {
    told_of_map(bench, "ZERO_COUNTERS")
}

/// What no rule wants is dropped in the kernel: whoever changes the table blinds the sensor.
fn approved(bench: &Bench) -> Result<()> {
    told_of_map(bench, "APPROVERS")
}

fn told_of_map(bench: &Bench, map: &str) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let watched = Watched::start(bench, &engine).await?;
        tamper(&watched.agent, "overwrite", map)?;
        let alert = watched.told(TAMPERED, LIMIT).await?;
        ensure!(alert.output.contains(map), "{}", alert.output);
        watched.finish()
    })
}

/// The switch that ends all programs at once, in the hands of somebody else.
fn silenced(bench: &Bench) -> Result<()> {
    // Whichever hook is noticed first.
    blinds(bench, ("overwrite", "ENDED"), "map ENDED", "hook ")
}

fn stalled(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        let switch = setup.path("stall");
        setup.set_variable("GRAVLENS_DEBUG_STALL_READER", &switch);
        let watched = Watched::start_with(setup, cgroup).await?;
        tokio::time::sleep(FIRST_ROUND).await;
        File::create(&switch)?;
        watched.told(BLIND, LIMIT).await?;
        fs::remove_file(&switch)?;
        watched.told(SEES, RECOVERY).await?;
        watched.finish()
    })
}

fn silent(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let watched = Watched::start(bench, &engine).await?;
        let mut follower = Command::new(agent::binary()?)
            .args(["alerts", "--follow", "--socket"])
            .arg(watched.agent.socket())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        tokio::time::sleep(FIRST_ROUND).await;
        watched.agent.pause()?;
        // Twice the interval of the harness, which is a second, and what a busy machine takes.
        tokio::time::sleep(Duration::from_secs(4)).await;
        watched.agent.resume()?;
        watched.settle().await?;
        follower.kill()?;
        let mut said = String::new();
        if let Some(stderr) = &mut follower.stderr {
            stderr.read_to_string(&mut said)?;
        }
        follower.wait()?;
        ensure!(said.contains("no heartbeat"), "it said: {said:?}");
        // What waited in the rings meanwhile is no blindness.
        let alerts = watched.watcher.alerts();
        let blind = alerts.iter().find(|alert| rule_name(alert) == BLIND);
        ensure!(blind.is_none(), "{blind:?}");
        watched.finish()
    })
}

fn tamper(agent: &Agent, deed: &str, name: &str) -> Result<()> {
    let output = Command::new(offenders::binary("tamper")?)
        .arg(agent.pid().to_string())
        .args([deed, name])
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}
