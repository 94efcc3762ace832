//! A gRPC client of the agent, as an analyst's tools would be one.

mod account;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gravlens::proto::alert_service_client::AlertServiceClient;
use gravlens::proto::container_service_client::ContainerServiceClient;
use gravlens::proto::record::Body;
use gravlens::proto::rule_service_client::RuleServiceClient;
use gravlens::proto::status_service_client::StatusServiceClient;
use gravlens::proto::{
    Alert, Container, GetStatusRequest, GetStatusResponse, ListContainersRequest, Record,
    ReloadRulesRequest, ReloadRulesResponse, WatchRequest,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::runtime::runtime;

pub use account::check_account;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Most kinds of alerts that an error lists.
const SUMMARY_LINES: usize = 30;

/// Whether the agent at a socket says that it serves.
pub async fn is_serving(socket: &Path) -> bool {
    let Ok(channel) = connect(socket).await else {
        return false;
    };
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let answer = HealthClient::new(channel).check(request).await;
    answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
}

/// The agent about itself.
pub async fn status(socket: &Path) -> Result<GetStatusResponse> {
    let mut client = StatusServiceClient::new(connect(socket).await?);
    Ok(client.get(GetStatusRequest {}).await?.into_inner())
}

/// The containers that the agent knows.
pub async fn containers(socket: &Path) -> Result<Vec<Container>> {
    let mut client = ContainerServiceClient::new(connect(socket).await?);
    let answer = client.list(ListContainersRequest {}).await?;
    Ok(answer.into_inner().containers)
}

/// Has the agent read its rules anew.
pub async fn reload_rules(socket: &Path) -> Result<ReloadRulesResponse> {
    let mut client = RuleServiceClient::new(connect(socket).await?);
    Ok(client.reload(ReloadRulesRequest {}).await?.into_inner())
}

async fn connect(socket: &Path) -> Result<Channel> {
    if !socket.exists() {
        bail!("{} is not there", socket.display());
    }
    let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))?;
    Ok(endpoint.connect_timeout(CONNECT_LIMIT).connect().await?)
}

/// A subscription that keeps every record it receives.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Received>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Received {
    records: Vec<Record>,
    ended: Option<String>,
}

impl Watcher {
    /// Subscribes to what happens from now on; returns when the agent has said HELLO.
    pub async fn live(socket: &Path) -> Result<Self> {
        Self::start(socket, WatchRequest::default()).await
    }

    /// Subscribes; returns when the agent has said HELLO.
    pub async fn start(socket: &Path, request: WatchRequest) -> Result<Self> {
        let mut client = AlertServiceClient::new(connect(socket).await?);
        let mut stream = client.watch(request).await?.into_inner();
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        let task = runtime().spawn(async move {
            loop {
                let next = stream.message().await;
                let mut received = writer.inner.lock().unwrap_or_else(PoisonError::into_inner);
                match next {
                    Ok(Some(record)) => received.records.push(record),
                    Ok(None) => received.ended = Some("the agent closed the stream".to_owned()),
                    Err(status) => received.ended = Some(status.to_string()),
                }
                let ended = received.ended.is_some();
                drop(received);
                writer.changed.notify_waiters();
                if ended {
                    return;
                }
            }
        });
        let watcher = Self { shared, task };
        let hello = |records: &[Record]| (!records.is_empty()).then_some(());
        watcher.wait_until("a HELLO", CONNECT_LIMIT, hello).await?;
        Ok(watcher)
    }

    /// Every record so far.
    pub fn records(&self) -> Vec<Record> {
        self.records_from(0)
    }

    /// Every record so far but the first ones.
    pub fn records_from(&self, begin: usize) -> Vec<Record> {
        self.with(|received| received.records.get(begin..).unwrap_or_default().to_vec())
    }

    /// Number of records so far.
    pub fn count(&self) -> usize {
        self.with(|received| received.records.len())
    }

    /// Every alert so far.
    pub fn alerts(&self) -> Vec<Alert> {
        let records = self.records();
        records.into_iter().filter_map(into_alert).collect()
    }

    /// Waits until the records tell what `wanted` looks for.
    pub async fn wait_until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&[Record]) -> Option<T>,
    ) -> Result<T> {
        let search = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable(); // before the look, so that no record slips between
                if let Some(found) = self.with(|received| wanted(&received.records)) {
                    return Ok(found);
                }
                if let Some(why) = self.with(|received| received.ended.clone()) {
                    bail!("{why}, before {what} came");
                }
                changed.await;
            }
        };
        match timeout(limit, search).await {
            Ok(found) => found,
            Err(_) => bail!(
                "{what} did not come in {limit:?}; what came: {}",
                self.summary()
            ),
        }
    }

    /// Waits for an alert of a rule about a container.
    pub async fn wait_for(&self, rule: &str, container: &str, limit: Duration) -> Result<Alert> {
        let what = format!("an alert of {rule:?}");
        self.wait_until(&what, limit, |records| {
            let alerts = records.iter().filter_map(alert_of);
            let mut matching = alerts.filter(|alert| rule_name(alert) == rule);
            matching
                .find(|alert| container_id(alert) == container)
                .cloned()
        })
        .await
    }

    /// Waits for a heartbeat that was made after this call: what happened before is then complete.
    pub async fn settle(&self, limit: Duration) -> Result<()> {
        let begin = self.with(|received| received.records.len());
        self.wait_until("two heartbeats", limit, |records| {
            let fresh = records.get(begin..).unwrap_or_default();
            let beats = fresh
                .iter()
                .filter(|r| matches!(r.body, Some(Body::Heartbeat(_))));
            (beats.count() >= 2).then_some(())
        })
        .await
    }

    /// Waits until the agent has ended the stream, and returns every record of it.
    pub async fn wait_ended(&self, limit: Duration) -> Result<Vec<Record>> {
        let end = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable(); // before the look, so that the end does not slip between
                if self.with(|received| received.ended.is_some()) {
                    return;
                }
                changed.await;
            }
        };
        if timeout(limit, end).await.is_err() {
            bail!("the stream did not end in {limit:?}");
        }
        Ok(self.records())
    }

    /// Checks that nothing is missing from the records.
    pub fn check_account(&self) -> Result<()> {
        check_account(&self.records()).context("the stream's account does not balance")
    }

    fn with<T>(&self, look: impl FnOnce(&Received) -> T) -> T {
        look(
            &self
                .shared
                .inner
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// What came, as counts: an agent that watches everything tells much.
    fn summary(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for alert in self.alerts() {
            let rule = rule_name(&alert);
            let place = alert.container.as_ref().map_or("host", |c| &c.name);
            let deed = alert.event.as_ref().map_or("", |event| &event.r#type);
            let who = alert.process.as_ref().map_or("", |process| &process.name);
            let kind = format!("{rule:?} in {place} ({deed} by {who})");
            *counts.entry(kind).or_default() += 1;
        }
        let mut lines: Vec<(String, usize)> = counts.into_iter().collect();
        lines.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let kinds = lines.len();
        let lines = lines.into_iter().take(SUMMARY_LINES);
        let lines: Vec<String> = lines.map(|(kind, n)| format!("{n} x {kind}")).collect();
        format!(
            "{} records, {kinds} kinds of alerts: [{}]",
            self.records().len(),
            lines.join(", ")
        )
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Name of the rule that raised an alert.
pub fn rule_name(alert: &Alert) -> &str {
    alert.rule.as_ref().map_or("", |rule| &rule.name)
}

/// Id of the container that an alert is about, empty for the node.
pub fn container_id(alert: &Alert) -> &str {
    alert.container.as_ref().map_or("", |c| &c.id)
}

fn alert_of(record: &Record) -> Option<&Alert> {
    match &record.body {
        Some(Body::Alert(alert)) => Some(alert),
        _ => None,
    }
}

fn into_alert(record: Record) -> Option<Alert> {
    match record.body {
        Some(Body::Alert(alert)) => Some(alert),
        _ => None,
    }
}
