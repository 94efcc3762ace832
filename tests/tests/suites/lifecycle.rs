//! The agent starts once, ends without a trace, and tells how long nobody watched.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use aya::maps::loaded_maps;
use aya::programs::loaded_programs;
use gravlens::proto::gap::Why;
use gravlens::proto::record::Body;
use gravlens::proto::watch_request::Start;
use gravlens::proto::{Gap, Heartbeat, Oldest, WatchRequest};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::client::{self, Watcher, container_id, rule_name};
use integration_test::container::{Container, ContainerSpec};
use integration_test::engine::Engine;
use integration_test::events::dropped;
use integration_test::images::Image;
use integration_test::offenders;
use integration_test::runtime::block_on;

use crate::watched::{ALERT_LIMIT, Watched};
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("lifecycle::a_second_agent_is_refused", second_agent),
    ("lifecycle::a_killed_agent_leaves_nothing", killed),
    (
        "lifecycle::a_gap_tells_how_long_nobody_watched",
        gap_after_kill,
    ),
    ("lifecycle::a_gap_tells_of_an_orderly_stop", gap_after_stop),
    (
        "lifecycle::what_happened_before_the_stop_is_told",
        told_before_stop,
    ),
    (
        "lifecycle::what_a_stop_has_no_time_for_is_counted",
        too_much_for_a_stop,
    ),
    ("lifecycle::a_closed_output_ends_the_agent", closed_output),
];

/// Exit code of the command line: see `gravlens --help`.
const ALREADY_RUNNING: i32 = 5;
const EXIT_LIMIT: Duration = Duration::from_secs(20);
/// Opens that still lie in the ring when the agent is told to stop.
const OPENS: u64 = 20_000;
/// More than a stop has time for, on a machine that is not fast; some find no room in the ring.
const MANY_OPENS: u64 = 600_000;
const LARGE_RING_BYTES: i64 = 64 << 20;
const DOWN: Duration = Duration::from_secs(3);

fn second_agent(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let watched = Watched::start(bench, &engine).await?;
        let mut second = watched.setup.spawn()?;
        let status = second.wait(EXIT_LIMIT)?;
        ensure!(
            status.code() == Some(ALREADY_RUNNING),
            "the second agent ended with {status}:\n{}",
            second.stderr()
        );
        let told = second.stderr();
        ensure!(
            told.contains("already"),
            "the second agent says only:\n{told}"
        );
        client::status(watched.agent.socket())
            .await
            .context("the first agent no longer answers")?;
        watched.finish()
    })
}

fn killed(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let watched = Watched::start(bench, &engine).await?;
        let pid = watched.agent.pid();
        let (programs, maps) = (held(pid, "prog_id")?, held(pid, "map_id")?);
        ensure!(
            !programs.is_empty() && !maps.is_empty(),
            "the agent holds no program"
        );
        watched.agent.kill()?;
        let left = || {
            let left_programs = loaded_programs()
                .filter_map(Result::ok)
                .filter(|program| programs.contains(&program.id()))
                .count();
            let left_maps = loaded_maps()
                .filter_map(Result::ok)
                .filter(|map| maps.contains(&map.id()))
                .count();
            (left_programs, left_maps)
        };
        let deadline = Instant::now() + EXIT_LIMIT;
        while left() != (0, 0) {
            ensure!(
                Instant::now() < deadline,
                "(programs, maps) left: {:?}",
                left()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ensure!(
            fs::read_to_string("/proc/self/mountinfo")? == mounts,
            "a mount is left"
        );
        Ok(())
    })
}

/// Ids of the kernel objects that a process holds through descriptors, by their kind.
fn held(pid: u32, kind: &str) -> Result<BTreeSet<u32>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let texts =
        fs::read_dir(folder)?.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    let ids = texts.flat_map(|text| {
        let of_kind = |line: &str| {
            line.strip_prefix(kind)?
                .trim_start_matches([':', '\t'])
                .parse()
                .ok()
        };
        text.lines().filter_map(of_kind).collect::<Vec<u32>>()
    });
    Ok(ids.collect())
}

fn gap_after_kill(bench: &Bench) -> Result<()> {
    gap(bench, Why::UncleanExit)
}

fn gap_after_stop(bench: &Bench) -> Result<()> {
    gap(bench, Why::AgentNotRunning)
}

fn gap(bench: &Bench, why: Why) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let Watched {
            watcher,
            agent,
            setup,
            cgroup,
        } = Watched::start(bench, &engine).await?;
        drop(watcher);
        // Long enough for a sign of life to have been stored.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let down = SystemTime::now();
        match why {
            Why::UncleanExit => agent.kill()?,
            _ => agent.stop()?,
        }
        let spec = ContainerSpec::new("unseen", Image::Busybox);
        let container = Container::run(&engine, &cgroup, &spec).await?;
        tokio::time::sleep(DOWN).await;

        let agent = setup.start().await?;
        let up = SystemTime::now();
        let request = WatchRequest {
            start: Some(Start::Oldest(Oldest {})),
            ..WatchRequest::default()
        };
        let watcher = Watcher::start(agent.socket(), request).await?;
        let gap = watcher
            .wait_until("a GAP", ALERT_LIMIT, |records| {
                records.iter().find_map(|record| match &record.body {
                    Some(Body::Gap(gap)) => Some(gap.clone()),
                    _ => None,
                })
            })
            .await?;
        ensure!(gap.why() == why, "{gap:?}");
        let (from, to) = span(&gap)?;
        ensure!(
            from <= down + Duration::from_secs(1),
            "{gap:?} begins after {down:?}"
        );
        ensure!(
            from + Duration::from_secs(30) > down,
            "{gap:?} begins long before {down:?}"
        );
        ensure!(
            to.duration_since(from)? >= DOWN && to <= up,
            "{gap:?} ends too early"
        );

        // What ran meanwhile is known again, and named.
        container.exec(&["cat", "/etc/shadow"]).await?;
        let rule = "Password file read in a container";
        watcher.wait_for(rule, container.id(), ALERT_LIMIT).await?;
        drop((container, watcher));
        agent.stop()
    })
}

fn span(gap: &Gap) -> Result<(SystemTime, SystemTime)> {
    let from = gap.from_time.context("the gap has no beginning")?;
    let to = gap.to_time.context("the gap has no end")?;
    Ok((from.try_into()?, to.try_into()?))
}

/// An agent to which every event comes, also those that no rule can want.
async fn start_with_every_event(bench: &Bench, engine: &Engine) -> Result<Watched> {
    let cgroup = TestCgroup::new()?;
    let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
    setup.set("sensor.approvers", false);
    Watched::start_with(setup, cgroup).await
}

/// The hooks see a burst and, behind it, a deed; then the agent is told to stop.
fn told_before_stop(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Offenders.ensure(&engine, &bench.state).await?;
        let watched = start_with_every_event(bench, &engine).await?;
        let spec = ContainerSpec::new("last-words", Image::Offenders);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        watched.settle().await?;

        let program = offenders::in_image("open_flood");
        let deeds = format!("{program} {OPENS} && exec cat /etc/shadow");
        // Paused, the agent reads nothing of it until it has been told to stop.
        watched.agent.pause()?;
        let done = container.exec(&["sh", "-c", &deeds]).await;
        watched.agent.terminate()?;
        watched.agent.resume()?;
        done?;

        let records = watched.watcher.wait_ended(EXIT_LIMIT).await?;
        watched.watcher.check_account()?;
        let rule = "Password file read in a container";
        let told = watched.watcher.alerts();
        ensure!(
            told.iter()
                .any(|alert| rule_name(alert) == rule && container_id(alert) == container.id()),
            "the last deed was not told"
        );
        let last = records.iter().rev().find_map(|record| match &record.body {
            Some(Body::Heartbeat(heartbeat)) => Some(*heartbeat),
            _ => None,
        });
        let last = last.context("no heartbeat came")?;
        check_final(&last)?;
        drop(container);
        let mut agent = watched.agent;
        let status = agent.wait(EXIT_LIMIT)?;
        ensure!(
            status.success(),
            "it ended with {status}:\n{}",
            agent.stderr()
        );
        Ok(())
    })
}

/// Every event and every alert is accounted for, and none is under way any more.
fn check_final(last: &Heartbeat) -> Result<()> {
    let events = last.events.context("no account of events")?;
    let dropped = dropped(&events);
    ensure!(
        events.seen == events.delivered + events.suppressed + dropped && events.in_flight == 0,
        "the last account does not balance: {events:?}"
    );
    ensure!(events.delivered >= OPENS, "too few arrived: {events:?}");
    ensure!(dropped == 0, "a ring with room lost events: {events:?}");
    let alerts = last.alerts.context("no account of alerts")?;
    ensure!(
        alerts.raised == alerts.stored && alerts.in_flight == 0,
        "the last alerts are not stored: {alerts:?}"
    );
    Ok(())
}

/// Whatever the end has no time for stands in the last account and in LOSS records.
fn too_much_for_a_stop(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Offenders.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        setup.set_bulk_ring_bytes(LARGE_RING_BYTES);
        setup.set("sensor.approvers", false);
        let watched = Watched::start_with(setup, cgroup).await?;
        let spec = ContainerSpec::new("too-much", Image::Offenders);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        watched.settle().await?;

        let program = offenders::in_image("open_flood");
        watched.agent.pause()?;
        let done = container.exec(&[&program, &MANY_OPENS.to_string()]).await;
        watched.agent.terminate()?;
        watched.agent.resume()?;
        done?;

        let records = watched.watcher.wait_ended(EXIT_LIMIT).await?;
        watched.watcher.check_account()?;
        let mut told = 0;
        let mut last = None;
        for record in &records {
            match &record.body {
                Some(Body::Loss(loss)) => told += loss.count,
                Some(Body::Heartbeat(heartbeat)) => last = heartbeat.events,
                _ => {}
            }
        }
        let events = last.context("no account of events")?;
        let dropped = dropped(&events);
        ensure!(
            events.seen >= MANY_OPENS && events.in_flight == 0,
            "{events:?}"
        );
        ensure!(events.seen == events.delivered + dropped, "{events:?}");
        ensure!(told == dropped, "LOSS tells of {told}: {events:?}");
        println!("    at the stop: {events:?}");
        drop(container);
        let mut agent = watched.agent;
        let status = agent.wait(EXIT_LIMIT)?;
        ensure!(status.success(), "{status}:\n{}", agent.stderr());
        Ok(())
    })
}

fn closed_output(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        setup.set("outputs.stdout.enabled", true);
        let mut agent = setup.start_with_closed_output().await?;
        let spec = ContainerSpec::new("unheard", Image::Busybox);
        let container = Container::run(&engine, &cgroup, &spec).await?;
        container.exec(&["cat", "/etc/shadow"]).await?;
        let status = agent.wait(EXIT_LIMIT)?;
        let said = agent.stderr();
        ensure!(status.code() == Some(1), "it ended with {status}:\n{said}");
        ensure!(said.contains("standard output"), "it says only:\n{said}");
        Ok(())
    })
}
