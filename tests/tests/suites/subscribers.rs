//! Many alerts, and subscribers that take them at their own pace.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gravlens::proto::alert_service_client::AlertServiceClient;
use gravlens::proto::gap::Why;
use gravlens::proto::record::Body;
use gravlens::proto::{Alert, AlertAccount, Record, WatchRequest};
use integration_test::agent::AgentSetup;
use integration_test::client::{self, rule_name};
use integration_test::container::{Container, Exec};
use integration_test::engine::Engine;
use integration_test::events::dropped;
use integration_test::runtime::{block_on, runtime};
use integration_test::{offenders, shortened, soak};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Endpoint;

use crate::flood::{self, RULE};
use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "subscribers::a_stalled_and_a_slow_one_cost_a_fast_one_nothing",
        paces,
    ),
    (
        "subscribers::equal_alerts_are_told_once_and_counted",
        roll_up,
    ),
    ("subscribers::a_rule_tells_no_more_than_it_may", throttle),
];

/// Alerts a second, and for how long.
const RATE: &str = "5000";
const LONG: u64 = 60;
const SHORT: u64 = 10;
/// A few seconds of alerts: who does not read falls behind it.
const SPOOL: i64 = 32 << 20;
const MEMORY: i64 = 8 << 20;
/// What the agent's memory may grow by under the load, beyond the stream's: queues, decoder, the
/// windows of three connections.
const GROWTH_KIB: u64 = 96 << 10;
/// A slow reader rests so long after so many records.
const SLOW: (usize, Duration) = (100, Duration::from_millis(100));
const END_LIMIT: Duration = Duration::from_secs(60);

/// The agent in front of a container with offenders.
struct Flooded {
    watched: Watched,
    container: Container,
}

impl Flooded {
    async fn start(
        bench: &Bench,
        engine: &Engine,
        edit: impl FnOnce(&mut AgentSetup),
    ) -> Result<Self> {
        let (watched, container) = flood::start(bench, engine, edit).await?;
        Ok(Self { watched, container })
    }

    /// Runs the offender, and says how many files it opened.
    async fn open(&self, arguments: &[&str]) -> Result<u64> {
        let program = offenders::in_image("open_flood");
        let command = [&[program.as_str()], arguments].concat();
        let run = Exec::new(&command).run(&self.container).await?;
        ensure!(run.code == 0, "{run:?}");
        let opened = run.text.trim().strip_prefix("opened ");
        opened.context("no count")?.parse().context("no number")
    }

    /// Alerts of the flood, records that tell of others like them, and the account of all.
    async fn told(self) -> Result<(Vec<Alert>, Vec<Record>, AlertAccount)> {
        self.watched.settle().await?;
        self.watched.agent.terminate()?;
        let records = self.watched.watcher.wait_ended(END_LIMIT).await?;
        client::check_account(&records)?;
        let mut alerts = self.watched.watcher.alerts();
        alerts.retain(|alert| rule_name(alert) == RULE);
        let account = last_account(&records)?;
        Ok((alerts, records, account))
    }
}

fn last_account(records: &[Record]) -> Result<AlertAccount> {
    let accounts = records.iter().rev().find_map(|record| match &record.body {
        Some(Body::Heartbeat(heartbeat)) => heartbeat.alerts,
        _ => None,
    });
    accounts.context("no heartbeat")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Fast,
    /// Until the load has ended.
    Slow,
    /// Likewise.
    Stalled,
}

/// A subscriber of its own pace, which keeps every record without its content.
struct Reader {
    pace: Pace,
    task: JoinHandle<Result<Vec<Record>>>,
}

impl Reader {
    async fn start(socket: &Path, pace: Pace, ended: watch::Receiver<bool>) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))?;
        let mut client = AlertServiceClient::new(endpoint.connect().await?);
        let mut stream = client.watch(WatchRequest::default()).await?.into_inner();
        let hello = stream.message().await?.context("no HELLO")?;
        let task = runtime().spawn(async move {
            let mut ended = ended;
            let mut records = vec![hello];
            if pace == Pace::Stalled {
                ended.wait_for(|ended| *ended).await?;
            }
            // The agent ends the stream with an error, which says that it is stopping.
            while let Ok(Some(mut record)) = stream.message().await {
                if let Some(Body::Alert(alert)) = &mut record.body {
                    *alert = Alert::default();
                }
                records.push(record);
                let rests = records.len().is_multiple_of(SLOW.0) && !*ended.borrow();
                if pace == Pace::Slow && rests {
                    tokio::time::sleep(SLOW.1).await;
                }
            }
            Ok(records)
        });
        Ok(Self { pace, task })
    }

    /// What came, and how many alerts, whole or gone.
    async fn finish(self) -> Result<(Pace, u64, u64)> {
        let records = self.task.await??;
        client::check_account(&records)?;
        let (mut alerts, mut gone) = (0, 0);
        for record in &records {
            match &record.body {
                Some(Body::Alert(_)) => alerts += 1,
                Some(Body::Gap(gap)) => {
                    ensure!(gap.why() == Why::ClientTooSlow, "{gap:?}");
                    let count = gap.to_sequence - gap.from_sequence + 1;
                    ensure!(gap.count == Some(count), "{gap:?}");
                    gone += count;
                }
                Some(Body::Loss(loss)) => anyhow::bail!("{loss:?}"),
                _ => {}
            }
        }
        Ok((self.pace, alerts, gone))
    }
}

fn paces(bench: &Bench) -> Result<()> {
    let seconds = if soak::asked() {
        LONG
    } else {
        shortened::note("subscribers: 10 s of alerts in place of 60 (`cargo xtask soak` runs all)");
        SHORT
    };
    block_on(async {
        let engine = bench.engine.lock().await;
        let flooded = Flooded::start(bench, &engine, |setup| {
            setup.set("stream.spool_bytes", SPOOL);
            setup.set("stream.memory_bytes", MEMORY);
        })
        .await?;
        let agent = &flooded.watched.agent;
        let (end, ended) = watch::channel(false);
        let mut readers = Vec::new();
        for pace in [Pace::Fast, Pace::Slow, Pace::Stalled] {
            readers.push(Reader::start(agent.socket(), pace, ended.clone()).await?);
        }
        let before = resident_kib(agent.pid())?;
        let opened = flooded
            .open(&[&format!("{seconds}s"), "/etc/passwd", RATE])
            .await?;
        let status = flooded.watched.barrier().await?;
        let grown = resident_kib(agent.pid())?.saturating_sub(before);
        let lost = dropped(status.events.as_ref().context("no account")?);
        ensure!(lost == 0, "{lost} events were lost: {:?}", status.events);
        ensure!(grown <= GROWTH_KIB, "the agent grew by {grown} KiB");
        end.send(true)?;
        flooded.watched.settle().await?;
        agent.terminate()?;
        let mut told = Vec::new();
        for reader in readers {
            told.push(reader.finish().await?);
        }
        for (pace, alerts, gone) in &told {
            ensure!(
                alerts + gone == opened,
                "{opened} were raised; {alerts} came and {gone} are told as gone"
            );
            ensure!(
                (*gone == 0) == (*pace == Pace::Fast),
                "{gone} of {opened} are gone"
            );
        }
        println!(
            "{opened} alerts in {seconds} s, 0 events lost, the agent grew by {} MiB; came + gone: \
             fast {} + {}, slow {} + {}, stalled {} + {}",
            grown >> 10,
            told[0].1,
            told[0].2,
            told[1].1,
            told[1].2,
            told[2].1,
            told[2].2
        );
        Ok(())
    })
}

/// Resident memory of a process.
fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no VmRSS")?.parse()?)
}

fn roll_up(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let flooded = Flooded::start(bench, &engine, |setup| {
            setup.set("alerts.dedup_seconds", 2);
        })
        .await?;
        let opened = flooded.open(&["500"]).await?;
        let (alerts, records, account) = flooded.told().await?;
        ensure!(alerts.len() == 1, "{} alerts", alerts.len());
        let mut told = 0;
        for record in &records {
            if let Some(Body::Amend(amend)) = &record.body
                && let Some(news) = &amend.roll_up
            {
                ensure!(amend.alert_id == alerts[0].id, "{amend:?}");
                ensure!(news.samples == ["file=/etc/passwd"], "{news:?}");
                told += news.count;
            }
        }
        ensure!(told + 1 == opened, "{opened} raised, {told} rolled up");
        ensure!(account.rolled_up == told, "{account:?}");
        ensure!(account.in_flight == 0, "{account:?}");
        Ok(())
    })
}

fn throttle(bench: &Bench) -> Result<()> {
    const LIMIT: i64 = 10;
    block_on(async {
        let engine = bench.engine.lock().await;
        let flooded = Flooded::start(bench, &engine, |setup| {
            setup.set("alerts.rule_per_minute", LIMIT);
        })
        .await?;
        let opened = flooded.open(&["200"]).await?;
        let (alerts, records, account) = flooded.told().await?;
        let mut kept_back = 0;
        for record in &records {
            if let Some(Body::Throttle(throttle)) = &record.body {
                let rule = throttle.rule.as_ref().context("no rule")?;
                ensure!(rule.name == RULE, "{throttle:?}");
                ensure!(
                    i64::from(throttle.limit_per_minute) == LIMIT,
                    "{throttle:?}"
                );
                kept_back += throttle.count;
            }
        }
        // Some come back while it floods.
        let told = alerts.len() as u64;
        ensure!((10..=14).contains(&told), "{told} alerts");
        ensure!(
            told + kept_back == opened,
            "{opened} raised, {told} told, {kept_back} throttled"
        );
        ensure!(account.throttled == kept_back, "{account:?}");
        Ok(())
    })
}
