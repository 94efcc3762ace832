//! An agent at work, with a client that keeps every record.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gravlens::proto::record::Body;
use gravlens::proto::{Alert, EventAccount, GetStatusResponse, Severity};
use integration_test::agent::{Agent, AgentSetup};
use integration_test::cgroup::TestCgroup;
use integration_test::client::{self, Watcher, container_id, rule_name};
use integration_test::container::{Container, ContainerSpec, Exec};
use integration_test::engine::Engine;
use integration_test::events::dropped;
use integration_test::images::Image;
use integration_test::offenders;
use integration_test::runtime::block_on;
use integration_test::scenarios::Stage;

use crate::Bench;
use crate::image_rules::start_with_rules;

/// How long an alert may take on a busy machine.
pub(crate) const ALERT_LIMIT: Duration = Duration::from_secs(15);

const SETTLE_LIMIT: Duration = Duration::from_secs(60);
const BARRIER_LIMIT: Duration = Duration::from_secs(30);
const BARRIER_POLL: Duration = Duration::from_millis(200);

/// The agent, its client and the cgroup that both are about.
pub(crate) struct Watched {
    pub(crate) watcher: Watcher,
    pub(crate) agent: Agent,
    pub(crate) setup: AgentSetup,
    pub(crate) cgroup: TestCgroup,
}

impl Watched {
    /// Starts an agent in front of an engine.
    pub(crate) async fn start(bench: &Bench, engine: &Engine) -> Result<Self> {
        let cgroup = TestCgroup::new()?;
        let setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        Self::start_with(setup, cgroup).await
    }

    /// Starts an agent that was set up by the test.
    pub(crate) async fn start_with(setup: AgentSetup, cgroup: TestCgroup) -> Result<Self> {
        let agent = setup.start().await?;
        let watcher = Watcher::live(agent.socket()).await?;
        Ok(Self {
            watcher,
            agent,
            setup,
            cgroup,
        })
    }

    pub(crate) fn stage<'a>(&'a self, engine: &'a Engine) -> Stage<'a> {
        Stage {
            engine,
            cgroup: &self.cgroup,
        }
    }

    /// Waits for an alert about a container.
    pub(crate) async fn alert(&self, rule: &str, container: &Container) -> Result<Alert> {
        let wait = self.watcher.wait_for(rule, container.id(), ALERT_LIMIT);
        wait.await
    }

    /// Waits for an alert of a rule, whatever it is about.
    pub(crate) async fn told(&self, rule: &str, limit: Duration) -> Result<Alert> {
        let what = format!("an alert of {rule:?}");
        let search = self.watcher.wait_until(&what, limit, |records| {
            records.iter().find_map(|record| match &record.body {
                Some(Body::Alert(alert)) if rule_name(alert) == rule => Some(alert.clone()),
                _ => None,
            })
        });
        search.await
    }

    /// Waits until everything that has happened so far has been told.
    pub(crate) async fn settle(&self) -> Result<()> {
        self.watcher.settle(SETTLE_LIMIT).await
    }

    /// Waits until nothing is under way, and checks that then every account balances exactly.
    pub(crate) async fn barrier(&self) -> Result<GetStatusResponse> {
        let deadline = Instant::now() + BARRIER_LIMIT;
        loop {
            let status = client::status(self.agent.socket()).await?;
            let total = status.events.as_ref();
            let total = total.context("the status has no account")?;
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
            tokio::time::sleep(BARRIER_POLL).await;
        }
    }

    /// Alerts about a container.
    pub(crate) fn alerts_of(&self, container: &Container) -> Vec<Alert> {
        let mut alerts = self.watcher.alerts();
        alerts.retain(|alert| container_id(alert) == container.id());
        alerts
    }

    /// Checks that the stream is whole, and that the agent ends well.
    pub(crate) fn finish(self) -> Result<()> {
        self.watcher.check_account()?;
        drop(self.watcher);
        self.agent.stop()
    }
}

/// What every event that was seen has become.
fn sum(events: &EventAccount) -> u64 {
    events.delivered + events.suppressed + dropped(events) + events.in_flight
}

/// Checks that an alert names its container.
pub(crate) fn ensure_named(alert: &Alert, container: &Container) -> Result<()> {
    let named = alert.container.as_ref().is_some_and(|named| {
        named.id == container.id()
            && named.name == container.name()
            && named.image == container.image()
    });
    ensure!(
        named,
        "{:?} names {:?} instead of {} ({})",
        rule_name(alert),
        alert.container,
        container.name(),
        container.id()
    );
    Ok(())
}

/// Of WARNING or above.
pub(crate) fn is_grave(alert: &Alert) -> bool {
    alert.severity() >= Severity::Warning
}

/// Runs an offender alone in a container, under these rules, and returns what it said and the
/// alerts about the container. Nothing may be lost.
pub(crate) fn run_offender(
    bench: &Bench,
    rules: &str,
    offender: &[&str],
    spec: &ContainerSpec,
) -> Result<(String, Vec<Alert>)> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Offenders.ensure(&engine, &bench.state).await?;
        let watched = start_with_rules(bench, engine.socket(), rules).await?;
        let container = Container::run(&engine, &watched.cgroup, spec).await?;
        watched.settle().await?;
        let program = offenders::in_image(offender[0]);
        let command = [&[&*program], &offender[1..]].concat();
        let output = Exec::new(&command).run(&container).await?;
        ensure!(output.code == 0, "{output:?}");
        watched.settle().await?;
        let events = watched.barrier().await?.events.context("no account")?;
        ensure!(
            events.delivered + events.suppressed == events.seen,
            "lost: {events:?}"
        );
        let alerts = watched.alerts_of(&container);
        drop(container);
        watched.finish()?;
        Ok((output.text, alerts))
    })
}
