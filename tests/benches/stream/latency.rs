//! From the kernel's time of an event to a client that has its alert.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use gravlens::proto::alert_service_client::AlertServiceClient;
use gravlens::proto::record::Body;
use gravlens::proto::{Alert, WatchRequest};
use integration_test::runtime::{block_on, runtime};
use tokio::sync::mpsc;
use tonic::transport::Endpoint;

use crate::{Bench, Cli};

/// Between two executions: nothing else is under way.
const PAUSE: Duration = Duration::from_millis(25);
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Latency {
    /// Executions, which wake the agent at once.
    pub(crate) critical: Times,
    /// Opens, which may wait for a timer.
    pub(crate) bulk: Times,
}

pub(crate) struct Times {
    pub(crate) count: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

/// With the spool's files on.
pub(crate) fn measure(bench: &Bench, cli: &Cli) -> Result<Latency> {
    let setup = bench.setup(true, 1_000_000)?;
    let agent = block_on(setup.start())?;
    let socket = agent.socket().to_owned();
    let (sender, mut received) = mpsc::unbounded_channel();
    let reader = runtime().spawn(async move {
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))?;
        let mut client = AlertServiceClient::new(endpoint.connect().await?);
        let mut stream = client.watch(WatchRequest::default()).await?.into_inner();
        while let Some(record) = stream.message().await? {
            let now = SystemTime::now();
            let told = match record.body {
                Some(Body::Hello(_)) => None,
                Some(Body::Alert(alert)) => Some((alert, now)),
                _ => continue,
            };
            if sender.send(told).is_err() {
                break;
            }
        }
        Ok::<_, anyhow::Error>(())
    });
    let mut next = || {
        block_on(async { tokio::time::timeout(PATIENCE, received.recv()).await })
            .context("no alert came")?
            .context("the stream ended")
    };
    ensure!(next()?.is_none(), "an alert before HELLO");
    let (mut critical, mut bulk) = (Vec::new(), Vec::new());
    for _ in 0..cli.events {
        ensure!(bench.opens(1).status()?.success(), "the load failed");
        std::thread::sleep(PAUSE);
        for _ in 0..2 {
            let (alert, now) = next()?.context("a second HELLO")?;
            let times = match alert.rule.as_ref().map(|rule| rule.name.as_str()) {
                Some("Bench: executed") => &mut critical,
                _ => &mut bulk,
            };
            times.push(age(&alert, now)?);
        }
    }
    reader.abort();
    agent.stop()?;
    Ok(Latency {
        critical: Times::of(critical)?,
        bulk: Times::of(bulk)?,
    })
}

fn age(alert: &Alert, now: SystemTime) -> Result<Duration> {
    let time = alert.time.context("an alert without a time")?;
    // The agent derives it from the boot clock: it may come out some microseconds ahead.
    Ok(now
        .duration_since(SystemTime::try_from(time)?)
        .unwrap_or_default())
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Result<Self> {
        ensure!(!times.is_empty(), "nothing was timed");
        times.sort();
        let at = |share: f64| {
            let place = (times.len() as f64 * share) as usize;
            times[place.min(times.len() - 1)].as_secs_f64() * 1e3
        };
        Ok(Self {
            count: times.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        })
    }
}
