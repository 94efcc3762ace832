//! What the kernel had to drop is counted and told.

use anyhow::{Context, Result, ensure};
use gravlens::proto::loss::Reason;
use gravlens::proto::record::Body;
use gravlens::proto::{EventAccount, GetStatusResponse, Loss};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::container::{Container, ContainerSpec, Exec};
use integration_test::images::Image;
use integration_test::offenders;
use integration_test::runtime::block_on;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("loss::a_flood_is_accounted_for_exactly", flood),
    ("loss::a_quiet_container_loses_nothing", quiet),
];

const OPENS: u64 = 200_000;
/// The least that a ring can have: some fifty opens, fewer than come until its reader has woken.
const RING_BYTES: i64 = 4 * 1024;

fn flood(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Offenders.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        setup.set_bulk_ring_bytes(RING_BYTES);
        // Every open is to be put into the ring, also those that no rule can want.
        setup.set("sensor.approvers", false);
        let watched = Watched::start_with(setup, cgroup).await?;
        let spec = ContainerSpec::new("flood", Image::Offenders);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        let program = offenders::in_image("open_flood");
        let count = OPENS.to_string();
        let opens = Exec::new(&[&program, &count]);
        let (one, two) = tokio::join!(opens.run(&container), opens.run(&container));
        ensure!(one?.code == 0 && two?.code == 0, "the flood failed");

        let status = watched.barrier().await?;
        let ours: Vec<_> = status
            .losses
            .iter()
            .filter(|account| account.container_id == container.id())
            .collect();
        let opened: u64 = ours
            .iter()
            .filter_map(|a| a.events.as_ref())
            .map(|e| e.seen)
            .sum();
        ensure!(opened >= 2 * OPENS, "only {opened} events were counted");
        let dropped: u64 = ours
            .iter()
            .filter_map(|a| a.events.as_ref())
            .map(ring_full)
            .sum();
        ensure!(dropped > 0, "a ring of {RING_BYTES} bytes lost nothing");

        watched.settle().await?;
        let told: u64 = losses(&watched, &container)
            .iter()
            .map(|loss| loss.count)
            .sum();
        ensure!(
            told == dropped,
            "{dropped} events were lost, LOSS records tell of {told}"
        );
        drop(container);
        watched.finish()
    })
}

fn quiet(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let watched = Watched::start(bench, &engine).await?;
        let spec = ContainerSpec::new("quiet", Image::Busybox);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        container
            .shell("for i in 1 2 3 4 5; do /bin/cat /etc/passwd; done")
            .await?;
        let status = watched.barrier().await?;
        let events = status.events.context("no account")?;
        ensure!(events.seen > 0 && events.delivered > 0, "{events:?}");
        ensure!(events.ring_full == 0, "{events:?}");
        check_queues(&status)?;
        ensure!(losses(&watched, &container).is_empty(), "losses were told");
        drop(container);
        watched.finish()
    })
}

/// The status names every ring and queue on the path of an event.
fn check_queues(status: &GetStatusResponse) -> Result<()> {
    let rings: Vec<_> = status.rings.iter().map(|ring| ring.name.as_str()).collect();
    ensure!(rings == ["critical", "bulk"], "{rings:?}");
    for ring in &status.rings {
        ensure!(
            ring.capacity_bytes > 0 && ring.used_bytes < ring.capacity_bytes,
            "{ring:?}"
        );
    }
    for name in ["batches", "messages", "requests", "pending", "alerts"] {
        let queue = status.queues.iter().find(|queue| queue.name == name);
        let queue = queue.with_context(|| format!("no queue {name}"))?;
        ensure!(
            queue.capacity >= queue.depth && queue.capacity > 0,
            "{queue:?}"
        );
    }
    ensure!(status.cgroups.is_some(), "no account of cgroups");
    Ok(())
}

fn ring_full(events: &EventAccount) -> u64 {
    events.ring_full
}

fn losses(watched: &Watched, container: &Container) -> Vec<Loss> {
    let records = watched.watcher.records();
    records
        .into_iter()
        .filter_map(|record| match record.body {
            Some(Body::Loss(loss)) => Some(loss),
            _ => None,
        })
        .filter(|loss| loss.container_id == container.id() && loss.reason() == Reason::RingFull)
        .collect()
}
