//! Alerts in a second: to a subscriber from memory, and into the files of the spool.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gravlens::proto::AlertAccount;
use gravlens::proto::record::Body;
use integration_test::agent::Agent;
use integration_test::client::Watcher;
use integration_test::runtime::block_on;

use crate::{Bench, Cli, reader};

const POLL: Duration = Duration::from_millis(20);
/// All alerts have come when none did for so long.
const QUIET: Duration = Duration::from_secs(2);

pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) raised: u64,
    pub(crate) alerts: u64,
    /// Mean length of one in memory.
    pub(crate) bytes: f64,
}

/// One subscriber reads all that is in memory, again and again.
pub(crate) fn from_memory(bench: &Bench, cli: &Cli) -> Result<Rate> {
    let setup = bench.setup(false, cli.alerts * 4)?;
    let agent = block_on(setup.start())?;
    // In parts that fit the queue of alerts, so that none is dropped before it is in memory.
    const PART: u64 = 10_000;
    let mut account = AlertAccount::default();
    while account.stored < cli.alerts {
        ensure!(bench.opens(PART).status()?.success(), "the load failed");
        account = settled(&agent)?.1;
        ensure!(
            account.queue_full == 0,
            "dropped before memory: {account:?}"
        );
    }
    let mut rates = Vec::new();
    let mut records = 0;
    for _ in 0..cli.runs {
        let read = block_on(reader::read_all(agent.socket()))?;
        ensure!(
            read.records >= account.stored,
            "{} of {} were read",
            read.records,
            account.stored
        );
        records = read.records;
        rates.push(read.records as f64 / read.time.as_secs_f64());
    }
    let bytes = bytes_of(&agent)?;
    agent.stop()?;
    rates.sort_by(f64::total_cmp);
    Ok(Rate {
        per_second: rates[rates.len() / 2],
        low: rates[0],
        high: rates[rates.len() - 1],
        raised: account.raised,
        alerts: records,
        bytes,
    })
}

/// More alerts than can be stored: how many of them are, in a second.
pub(crate) fn durable(bench: &Bench, cli: &Cli) -> Result<Rate> {
    let setup = bench.setup(true, cli.alerts * 4)?;
    let agent = block_on(setup.start())?;
    let begin = Instant::now();
    let mut load = bench.opens(cli.alerts).spawn()?;
    let settled = settled(&agent);
    ensure!(load.wait()?.success(), "the load failed");
    let (last, account) = settled?;
    let bytes = bytes_of(&agent)?;
    agent.stop()?;
    let per_second = account.stored as f64 / (last - begin).as_secs_f64();
    Ok(Rate {
        per_second,
        low: per_second,
        high: per_second,
        raised: account.raised,
        alerts: account.stored,
        bytes,
    })
}

/// The account of alerts once no more come, and when the last one was stored.
fn settled(agent: &Agent) -> Result<(Instant, AlertAccount)> {
    block_on(async {
        let mut last = (Instant::now(), AlertAccount::default());
        while last.0.elapsed() < QUIET {
            let now = account(agent).await?;
            if now.stored != last.1.stored || now.in_flight > 0 {
                last.0 = Instant::now();
            }
            last.1 = now;
            tokio::time::sleep(POLL).await;
        }
        Ok(last)
    })
}

/// The account as the heartbeat of a subscription tells it.
async fn account(agent: &Agent) -> Result<AlertAccount> {
    let request = gravlens::proto::WatchRequest {
        until_now: true,
        ..gravlens::proto::WatchRequest::default()
    };
    let watcher = Watcher::start(agent.socket(), request).await?;
    let records = watcher.wait_ended(QUIET * 5).await?;
    let mut accounts = records.into_iter().filter_map(|record| match record.body {
        Some(Body::Heartbeat(heartbeat)) => heartbeat.alerts,
        _ => None,
    });
    accounts.next_back().context("no heartbeat")
}

/// Mean length of the newest alerts.
fn bytes_of(agent: &Agent) -> Result<f64> {
    let usage = block_on(integration_test::client::status(agent.socket()))?;
    let spool = usage.stream.context("no account of the spool")?;
    ensure!(spool.records > 0, "no alert is kept");
    Ok(spool.bytes as f64 / spool.records as f64)
}
