//! What the kernel had to drop is counted and told.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gravlens::proto::loss::Reason;
use gravlens::proto::record::Body;
use gravlens::proto::{EventAccount, GetStatusResponse, Loss};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::client;
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
const RING_BYTES: i64 = 64 * 1024;
const BARRIER_LIMIT: Duration = Duration::from_secs(30);

fn flood(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Offenders.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        setup.set_bulk_ring_bytes(RING_BYTES);
        let watched = Watched::start_with(setup, cgroup).await?;
        let spec = ContainerSpec::new("flood", Image::Offenders);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        let program = offenders::in_image("open_flood");
        let count = OPENS.to_string();
        let opens = Exec::new(&[&program, &count]);
        let (one, two) = tokio::join!(opens.run(&container), opens.run(&container));
        ensure!(one?.code == 0 && two?.code == 0, "the flood failed");

        let status = barrier(&watched).await?;
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
        let status = barrier(&watched).await?;
        let events = status.events.context("no account")?;
        ensure!(events.seen > 0 && events.delivered > 0, "{events:?}");
        ensure!(events.ring_full == 0, "{events:?}");
        ensure!(losses(&watched, &container).is_empty(), "losses were told");
        drop(container);
        watched.finish()
    })
}

/// Waits until nothing is under way, and checks that then every account balances exactly.
pub(crate) async fn barrier(watched: &Watched) -> Result<GetStatusResponse> {
    let deadline = Instant::now() + BARRIER_LIMIT;
    loop {
        let status = client::status(watched.agent.socket()).await?;
        let total = status
            .events
            .as_ref()
            .context("the status has no account")?;
        if total.in_flight == 0 && sum(total) == total.seen {
            for account in &status.losses {
                let events = account.events.as_ref().context("an account is empty")?;
                ensure!(
                    events.seen == sum(events),
                    "{} in cgroup {} does not balance: {events:?}",
                    account.hook,
                    account.cgroup_path
                );
            }
            return Ok(status);
        }
        ensure!(Instant::now() < deadline, "no barrier: {total:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn sum(events: &EventAccount) -> u64 {
    events.delivered
        + events.suppressed
        + events.ring_full
        + events.rate_limited
        + events.scratch_busy
        + events.queue
        + events.decode
        + events.in_flight
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
