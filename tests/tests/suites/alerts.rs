//! Attacks raise the alerts they should, honest workloads none.

use anyhow::{Context, Result, ensure};
use gravlens::proto::Alert;
use integration_test::client::{container_id, rule_name};
use integration_test::container::Container;
use integration_test::images::Image;
use integration_test::report::describe;
use integration_test::runtime::block_on;
use integration_test::scenarios::{BENIGN, Scenario, attacks, send_datagram};

use crate::watched::{Watched, ensure_named, is_grave};
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("alerts::every_attack_is_told", every_attack),
    ("alerts::honest_workloads_raise_nothing", honest_workloads),
    ("alerts::an_alert_tells_the_ancestry", ancestry),
    ("alerts::a_datagram_is_seen", datagram),
];

fn every_attack(bench: &Bench) -> Result<()> {
    play_all(bench, &attacks(), Account::Unchecked)
}

/// Silence counts only if everything was seen.
fn honest_workloads(bench: &Bench) -> Result<()> {
    play_all(bench, BENIGN, Account::Whole)
}

/// What is asked of the agent's account of events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    Unchecked,
    Whole,
}

/// Plays all scenarios before one agent and tells of all that failed.
fn play_all(bench: &Bench, scenarios: &[Scenario], account: Account) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        for image in Image::ALL {
            image.ensure(&engine, &bench.state).await?;
        }
        let watched = Watched::start(bench, &engine).await?;
        let mut played = Vec::new();
        let mut failures = Vec::new();
        for scenario in scenarios {
            let name = format!("suite-{}", scenario.name);
            let container = scenario.set_up(watched.stage(&engine), &name).await?;
            if let Err(error) = play(scenario, &container, &watched).await {
                failures.push(format!("{}: {error:#}", scenario.name));
            }
            played.push((scenario, container));
        }
        watched.settle().await?;
        failures.extend(surprises(&played, &watched));
        if account == Account::Whole {
            ensure_whole(&watched).await?;
        }
        drop(played);
        watched.finish()?;
        ensure!(failures.is_empty(), "\n{}", failures.join("\n"));
        Ok(())
    })
}

async fn play(scenario: &Scenario, container: &Container, watched: &Watched) -> Result<()> {
    scenario.run(container).await?;
    for rule in scenario.expected {
        let alert = watched.alert(rule, container).await?;
        ensure_named(&alert, container)?;
        ensure!(
            !alert.evidence.is_empty(),
            "{rule:?} comes without evidence"
        );
        ensure!(alert.undecided.is_empty(), "{rule:?} is undecided");
        let process = alert.process.as_ref().context("the alert has no process")?;
        ensure!(
            process.pid != 0 && !process.command_line.is_empty(),
            "{process:?}"
        );
        // A command of `docker exec` has its parent outside the container, and so out of scope.
        ensure!(process.parent_pid != 0, "{rule:?} comes without a parent");
    }
    Ok(())
}

/// Grave alerts that no scenario accounts for. Nothing but the scenarios runs in the agent's
/// scope, so an alert about anything else is false or names the wrong container.
fn surprises(played: &[(&Scenario, Container)], watched: &Watched) -> Vec<String> {
    let mut alerts = watched.watcher.alerts();
    alerts.retain(is_grave);
    let surprise = |alert: &Alert| {
        let scenario = played
            .iter()
            .find(|(_, container)| container.id() == container_id(alert))
            .map(|(scenario, _)| scenario);
        match scenario {
            Some(scenario) if scenario.allows(rule_name(alert)) => None,
            Some(scenario) => Some(format!(
                "{}: unexpected\n{}",
                scenario.name,
                describe(alert)
            )),
            None => Some(format!("about no scenario\n{}", describe(alert))),
        }
    };
    alerts.iter().filter_map(surprise).collect()
}

/// Checks that events were seen and none was lost.
async fn ensure_whole(watched: &Watched) -> Result<()> {
    let events = watched.barrier().await?.events.context("no account")?;
    ensure!(events.seen > 0, "no event was seen");
    ensure!(
        events.delivered + events.suppressed == events.seen,
        "events were lost: {events:?}"
    );
    Ok(())
}

/// The whole line from the injected shell up to the container's first process.
fn ancestry(bench: &Bench) -> Result<()> {
    let all = attacks();
    let scenario = all.iter().find(|s| s.name == "web-injection");
    let scenario = scenario.context("there is no such scenario")?;
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let watched = Watched::start(bench, &engine).await?;
        let container = scenario
            .set_up(watched.stage(&engine), "suite-line")
            .await?;
        scenario.run(&container).await?;
        let alert = watched.alert(scenario.expected[0], &container).await?;
        let names: Vec<&str> = alert.ancestors.iter().map(|p| p.name.as_str()).collect();
        ensure!(
            names.starts_with(&["ping.cgi", "httpd", "httpd"]),
            "{names:?}"
        );
        let first = &alert.ancestors[2];
        ensure!(
            i32::try_from(first.pid)? == container.init_pid().await?,
            "{first:?}"
        );
        ensure!(first.container_pid == Some(1), "{first:?}");
        drop(container);
        watched.finish()
    })
}

/// A datagram that was sent without connecting is an outbound event like any other.
fn datagram(bench: &Bench) -> Result<()> {
    const RULE: &str = "\
- rule: Datagram to the test machine
  desc: For this suite.
  condition: evt.type in (sendto, sendmsg) and fd.rip = 203.0.113.7 and fd.rport = 5353
  output: sent
  priority: WARNING
";
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Offenders.ensure(&engine, &bench.state).await?;
        let watched = crate::image_rules::start_with_rules(bench, engine.socket(), RULE).await?;
        let spec = integration_test::container::ContainerSpec::new("datagram", Image::Offenders);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        send_datagram(&container).await?;
        watched
            .alert("Datagram to the test machine", &container)
            .await?;
        drop(container);
        watched.finish()
    })
}
