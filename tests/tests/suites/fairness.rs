//! One container cannot blind the agent to the others.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gravlens::proto::loss::Reason;
use gravlens::proto::record::Body;
use gravlens::proto::{EventAccount, GetStatusResponse};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::client::rule_name;
use integration_test::container::{Container, ContainerSpec, Exec};
use integration_test::images::Image;
use integration_test::offenders;
use integration_test::runtime::block_on;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "fairness::a_flood_of_one_container_costs_another_nothing",
    flood,
)];

/// Asks for a long run.
const SOAK_VARIABLE: &str = "GRAVLENS_SOAK";
const QUIET_DEEDS: usize = 1_000;
/// Below what a debug build of the agent keeps up with on a busy machine.
const EVENTS_PER_SECOND: i64 = 5_000;
const BURST: i64 = 10_000;
const SETTLE_LIMIT: Duration = Duration::from_secs(90);

const EXECS: &str = "Suite: quiet program";
const CONNECTS: &str = "Suite: quiet connection";
const RULES: &str = "\
- rule: 'Suite: quiet program'
  desc: Each program of the quiet container.
  condition: evt.type = execve and proc.name = connect_once
  output: ran
  priority: CRITICAL

- rule: 'Suite: quiet connection'
  desc: Each connection of the quiet container.
  condition: evt.type = connect and fd.rip = 127.0.0.1 and fd.rport = 4301
  output: connected
  priority: CRITICAL
";

fn flood(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Offenders.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        setup.set("limits.events_per_second", EVENTS_PER_SECOND);
        setup.set("limits.burst", BURST);
        setup.add_rules("suite.yaml", RULES)?;
        let watched = Watched::start_with(setup, cgroup).await?;
        let loud = ContainerSpec::new("loud", Image::Offenders);
        let loud = Container::run(&engine, &watched.cgroup, &loud).await?;
        let quiet = ContainerSpec::new("quiet", Image::Offenders);
        let quiet = Container::run(&engine, &watched.cgroup, &quiet).await?;

        let seconds = if std::env::var_os(SOAK_VARIABLE).is_some() {
            "30s"
        } else {
            "5s"
        };
        let program = offenders::in_image("open_flood");
        let flood = Exec::new(&[&program, seconds]);
        let connect = offenders::in_image("connect_once");
        let script = format!(
            "i=0; while [ $i -lt {QUIET_DEEDS} ]; do {connect} 127.0.0.1:4301; i=$((i+1)); done"
        );
        let deeds = ["sh", "-c", &script];
        let deeds = Exec::new(&deeds);
        let (flood, deeds) = tokio::join!(flood.run(&loud), deeds.run(&quiet));
        let (flood, deeds) = (flood?, deeds?);
        ensure!(flood.code == 0 && deeds.code == 0, "{flood:?} {deeds:?}");

        let status = watched.barrier().await?;
        check_loud(&watched, &status, &loud, opened(&flood.text)?).await?;
        let lost = of(&status, &quiet, None);
        ensure!(lost.delivered == lost.seen, "the quiet one lost: {lost:?}");
        for (rule, hook) in [(EXECS, "exec"), (CONNECTS, "connect")] {
            let alerts = watched.alerts_of(&quiet);
            let told = alerts.iter().filter(|alert| rule_name(alert) == rule);
            ensure!(told.count() == QUIET_DEEDS, "{rule}: not {QUIET_DEEDS}");
            let events = of(&status, &quiet, Some(hook));
            ensure!(events.delivered >= QUIET_DEEDS as u64, "{hook}: {events:?}");
        }
        drop((loud, quiet));
        watched.finish()
    })
}

/// Every open of the flood was seen, and each is told as delivered or as cut.
async fn check_loud(
    watched: &Watched,
    status: &GetStatusResponse,
    loud: &Container,
    opened: u64,
) -> Result<()> {
    /// Libraries and files that the programs of the container open at their start.
    const STARTS: u64 = 100;
    let opens = of(status, loud, Some("open"));
    ensure!(
        opens.seen >= opened && opens.seen <= opened + STARTS,
        "{opened} were opened: {opens:?}"
    );
    ensure!(opens.rate_limited > 0, "nothing was cut: {opens:?}");
    ensure!(
        opens.seen == opens.delivered + opens.rate_limited,
        "lost otherwise: {opens:?}"
    );
    watched.watcher.settle(SETTLE_LIMIT).await?;
    let records = watched.watcher.records();
    let told: u64 = records
        .iter()
        .filter_map(|record| match &record.body {
            Some(Body::Loss(loss)) => Some(loss),
            _ => None,
        })
        .filter(|loss| loss.container_id == loud.id() && loss.reason() == Reason::RateLimited)
        .map(|loss| loss.count)
        .sum();
    let cut = of(status, loud, None).rate_limited;
    ensure!(told == cut, "{cut} were cut, LOSS records tell of {told}");
    Ok(())
}

/// The account of a container, of one hook or of all.
fn of(status: &GetStatusResponse, container: &Container, hook: Option<&str>) -> EventAccount {
    let mut sum = EventAccount::default();
    let accounts = status.losses.iter().filter(|account| {
        account.container_id == container.id() && hook.is_none_or(|hook| account.hook == hook)
    });
    for events in accounts.filter_map(|account| account.events) {
        sum.seen += events.seen;
        sum.delivered += events.delivered;
        sum.ring_full += events.ring_full;
        sum.rate_limited += events.rate_limited;
        sum.scratch_busy += events.scratch_busy;
    }
    sum
}

fn opened(said: &str) -> Result<u64> {
    let count = said.trim().strip_prefix("opened ");
    let count = count.context("the flood does not say how much it opened")?;
    Ok(count.parse()?)
}
