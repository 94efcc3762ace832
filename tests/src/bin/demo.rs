//! The agent at work: attacks on real containers, and the alerts that a gRPC client receives.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use gravlens::proto::{Alert, Severity};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::client::{self, Watcher, container_id, rule_name};
use integration_test::engine::{ENGINE_VARIABLE, Engine};
use integration_test::events;
use integration_test::images::Image;
use integration_test::report;
use integration_test::runtime::block_on;
use integration_test::scenarios::{BENIGN, Scenario, Stage, attacks};
use integration_test::state::State;
use integration_test::undo;

const ALERT_LIMIT: Duration = Duration::from_secs(10);
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
const STRAGGLERS: Duration = Duration::from_millis(300);

/// Starts a Docker Engine and the agent, attacks containers and shows each alert.
///
/// The agent watches the demo's own containers and nothing else. Everything is gone at the end,
/// also after Ctrl-C. Exit code 0 if every expected alert came and no other of WARNING or above.
#[derive(Parser)]
struct Cli {
    /// Show only these scenarios
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// List the scenarios and end
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.list {
        for scenario in attacks().iter().chain(BENIGN) {
            println!("{:<16} {}", scenario.name, scenario.title);
        }
        return ExitCode::SUCCESS;
    }
    let result = run(&cli);
    undo::yield_to_interruption();
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<bool> {
    let (attacks, benign) = chosen(&cli.scenarios)?;
    let state = State::open()?;
    if std::env::var_os(ENGINE_VARIABLE).is_none() {
        println!("Starting a Docker Engine of our own ...");
    }
    let engine = Engine::start(&state)?;
    let tally = block_on(show(&state, &engine, &attacks, &benign))?;
    drop(engine);
    drop(state);
    println!("{}", tally.line());
    Ok(tally.is_good())
}

fn chosen(names: &[String]) -> Result<(Vec<Scenario>, Vec<Scenario>)> {
    let wanted =
        |scenario: &Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    let mut attacks = attacks();
    attacks.retain(wanted);
    let benign: Vec<Scenario> = BENIGN.iter().copied().filter(wanted).collect();
    let found: BTreeSet<&str> = attacks.iter().chain(&benign).map(|s| s.name).collect();
    if let Some(unknown) = names.iter().find(|name| !found.contains(name.as_str())) {
        bail!("there is no scenario {unknown:?}; --list shows them");
    }
    Ok((attacks, benign))
}

async fn show(
    state: &State,
    engine: &Engine,
    attacks: &[Scenario],
    benign: &[Scenario],
) -> Result<Tally> {
    for image in Image::ALL {
        if attacks.iter().chain(benign).any(|s| s.image == image) {
            image.ensure(engine, state).await?;
        }
    }
    let cgroup = TestCgroup::new()?;
    let setup = AgentSetup::new(state, &cgroup, engine.socket())?;
    println!("Starting the agent, scoped to cgroup {} ...", cgroup.path());
    let agent = setup.start().await?;
    let watcher = Watcher::live(agent.socket()).await?;
    let stage = Stage {
        engine,
        cgroup: &cgroup,
    };
    let mut tally = Tally::default();
    for scenario in attacks.iter().chain(benign) {
        tally.scenarios += 1;
        play(scenario, stage, &watcher, &mut tally)
            .await
            .with_context(|| format!("scenario {}", scenario.name))?;
    }
    watcher.settle(SETTLE_LIMIT).await?;
    watcher.check_account()?;
    tally.count_strays(&watcher.alerts());
    let account = client::status(agent.socket()).await?.events;
    tally.lost = account.as_ref().map_or(0, events::dropped);
    drop(watcher);
    agent.stop()?;
    Ok(tally)
}

/// Runs one scenario and shows what came of it.
async fn play(
    scenario: &Scenario,
    stage: Stage<'_>,
    watcher: &Watcher,
    tally: &mut Tally,
) -> Result<()> {
    println!("\n== {}: {}", scenario.name, scenario.title);
    let name = format!("demo-{}", scenario.name);
    let container = scenario.set_up(stage, &name).await?;
    scenario.run(&container).await?;
    for rule in scenario.expected {
        if let Err(error) = watcher.wait_for(rule, container.id(), ALERT_LIMIT).await {
            println!("  MISSING   {error:#}");
            tally.missing += 1;
        }
    }
    tokio::time::sleep(STRAGGLERS).await;
    let alerts = watcher.alerts();
    let alerts = alerts
        .iter()
        .filter(|alert| container_id(alert) == container.id());
    let mut none = true;
    for alert in alerts {
        none = false;
        print!("{}", report::describe(alert));
        tally.count(scenario, alert);
    }
    if none {
        println!("  no alert");
    }
    Ok(())
}

/// What came of the whole demo.
#[derive(Default)]
struct Tally {
    scenarios: usize,
    expected: usize,
    unexpected: usize,
    missing: usize,
    notices: usize,
    lost: u64,
}

impl Tally {
    fn count(&mut self, scenario: &Scenario, alert: &Alert) {
        if scenario.allows(rule_name(alert)) {
            self.expected += 1;
        } else if alert.severity() < Severity::Warning {
            self.notices += 1;
        } else {
            println!("      UNEXPECTED in this scenario");
            self.unexpected += 1;
        }
    }

    /// Alerts that came after their scenario was over, or that name none of its containers.
    fn count_strays(&mut self, alerts: &[Alert]) {
        let counted = self.expected + self.unexpected + self.notices;
        let strays = alerts.len().saturating_sub(counted);
        if strays > 0 {
            println!("\n{strays} alerts came late or belong to no scenario");
            self.unexpected += strays;
        }
    }

    fn is_good(&self) -> bool {
        self.missing == 0 && self.unexpected == 0
    }

    fn line(&self) -> String {
        format!(
            "\n{} scenarios: {} alerts expected and received, {} missing, {} unexpected, \
             {} below WARNING; {} events lost",
            self.scenarios, self.expected, self.missing, self.unexpected, self.notices, self.lost
        )
    }
}
