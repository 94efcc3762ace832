//! One container cannot blind the agent to the others.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gravlens::proto::loss::Reason;
use gravlens::proto::record::Body;
use gravlens::proto::{EventAccount, GetStatusResponse, LossAccount};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::client::rule_name;
use integration_test::container::{Container, ContainerSpec, Exec};
use integration_test::images::Image;
use integration_test::runtime::block_on;
use integration_test::{events, offenders, shortened, soak};

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "fairness::a_flood_of_one_container_costs_another_nothing",
    flood,
)];

/// How long the loud container opens files, in the long run and in the usual one.
const LONG_FLOOD: &str = "30s";
const SHORT_FLOOD: &str = "5s";
const QUIET_DEEDS: usize = 1_000;
/// Below what a debug build of the agent keeps up with on a busy machine.
const EVENTS_PER_SECOND: i64 = 5_000;
/// More than all that the quiet container does, however fast the machine is.
const BURST: i64 = 40_000;
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
        // Every open counts, also those that no rule can want.
        setup.set("sensor.approvers", false);
        setup.add_rules("suite.yaml", RULES)?;
        let watched = Watched::start_with(setup, cgroup).await?;
        let loud = ContainerSpec::new("loud", Image::Offenders);
        let loud = Container::run(&engine, &watched.cgroup, &loud).await?;
        let quiet = ContainerSpec::new("quiet", Image::Offenders);
        let quiet = Container::run(&engine, &watched.cgroup, &quiet).await?;

        let program = offenders::in_image("open_flood");
        let flood = Exec::new(&[&program, flood_length()]);
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
            println!("quiet: {QUIET_DEEDS} of {QUIET_DEEDS} told by {rule:?}");
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
    println!(
        "loud: {opened} opened; {} opens seen = {} delivered + {} cut; LOSS tells of {told} cut",
        opens.seen, opens.delivered, opens.rate_limited
    );
    Ok(())
}

fn flood_length() -> &'static str {
    if soak::asked() {
        return LONG_FLOOD;
    }
    shortened::note(&format!(
        "fairness: a flood of {SHORT_FLOOD} of {LONG_FLOOD} (`cargo xtask soak` runs all)"
    ));
    SHORT_FLOOD
}

/// The account of a container, of one hook or of all.
fn of(status: &GetStatusResponse, container: &Container, hook: Option<&str>) -> EventAccount {
    let counts = |account: &&LossAccount| {
        account.container_id == container.id() && hook.is_none_or(|hook| account.hook == hook)
    };
    events::total(status.losses.iter().filter(counts))
}

fn opened(said: &str) -> Result<u64> {
    let count = said.trim().strip_prefix("opened ");
    let count = count.context("the flood does not say how much it opened")?;
    Ok(count.parse()?)
}
