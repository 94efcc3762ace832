//! The kernel ends what is known: two agents watch the same workload, one with and one without, and
//! learn and tell the same, while their rules are reloaded.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gravlens::proto::LossAccount;
use gravlens::proto::record::Body;
use integration_test::agent::{self, AgentSetup};
use integration_test::cgroup::TestCgroup;
use integration_test::client::{self, Watcher, container_id};
use integration_test::container::{Container, ContainerSpec};
use integration_test::engine::Engine;
use integration_test::events;
use integration_test::images::Image;
use integration_test::runtime::block_on;
use integration_test::{shortened, soak};

use crate::baseline::ROUTINE;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "baseline::the_kernel_cache_changes_nothing",
    changes_nothing,
)];

const WORKLOAD: &str = "image gravlens-test/busybox";
/// Reloads come in bursts: in between, there is time to know something.
const BURSTS: usize = 4;
/// Bursts of a soak.
const SOAK_BURSTS: usize = 20;
const RELOADS: usize = 10;
const PAUSE: Duration = Duration::from_millis(1_500);
const ALERT_LIMIT: Duration = Duration::from_secs(20);
/// How long it is watched without reloads: some windows of five seconds.
const QUIET: Duration = Duration::from_secs(16);
/// The one rule: reloads take no time, and it wants something of what the workload opens.
const RULES: &str = "\
- rule: 'Suite: the password file is read'
  desc: An open of the workload that the kernel must not keep to itself.
  condition: evt.type in (open, openat) and evt.is_open_read=true and fd.name=/etc/passwd and proc.name=nobody
  output: file=%fd.name
  priority: NOTICE
- rule: 'Suite: a file is made below /etc'
  desc: A step of the attack.
  condition: evt.type in (open, openat) and evt.is_open_write=true and fd.name startswith /etc/
  output: file=%fd.name
  priority: NOTICE
";
/// How long the last events and windows take.
const SETTLE: Duration = Duration::from_secs(4);
/// Opens the same files again and again, in one process.
const READS: &str = "while true; do for i in 1 2 3 4 5; do read a < /etc/hostname; \
    read a < /etc/group; read a < /etc/hosts; done; read a < /etc/passwd; usleep 20000; done";

fn changes_nothing(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let mut told = Vec::new();
        let mut setups = Vec::new();
        let mut agents = Vec::new();
        for cached in [true, false] {
            let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
            setup.add_rules("suite.yaml", RULES)?;
            setup.set("rules.bundled", false);
            setup.set("baselines.enabled", true);
            setup.set("baselines.kernel_cache", cached);
            setup.set("baselines.window_seconds", 5);
            setup.set("baselines.start_seconds", 1);
            setup.set("baselines.horizon_hours", 0);
            setup.set("baselines.arm_per_day", 40_000);
            setup.set("baselines.waive_starts", true);
            agents.push(setup.start().await?);
            told.push(Watcher::live(&setup.socket()).await?);
            setups.push(setup);
        }
        let container = work(&engine, &cgroup, &setups, &told).await?;
        tokio::time::sleep(SETTLE).await;

        let [cached, plain] = [0, 1].map(|place| &setups[place]);
        ensure!(account(&plain.socket()).await?.0 == 0, "there is no cache");
        ensure!(
            profile(cached)? == profile(plain)?,
            "they have learnt otherwise"
        );
        let [one, other] = [0, 1].map(|place| alerts(&told[place], &container));
        ensure!(!one.is_empty(), "nothing was told");
        ensure!(one == other, "told with it: {one:#?}\nwithout: {other:#?}");
        println!("{} alerts and the profile are the same", one.len());
        agents.into_iter().try_for_each(agent::Agent::stop)
    })
}

/// Ordinary work and reloads, then an attack; the container's id.
async fn work(
    engine: &Engine,
    cgroup: &TestCgroup,
    setups: &[AgentSetup],
    told: &[Watcher],
) -> Result<String> {
    let routine = format!("({READS}) & {ROUTINE}");
    let spec = ContainerSpec::new("cached", Image::Busybox).command(&["sh", "-c", &routine]);
    let container = Container::run(engine, cgroup, &spec).await?;
    tokio::time::sleep(PAUSE).await;
    let (before, of) = account(&setups[0].socket()).await?;
    tokio::time::sleep(QUIET).await;
    let (suppressed, seen) = account(&setups[0].socket()).await?;
    let (suppressed, seen) = (suppressed - before, seen - of);
    println!("{suppressed} of {seen} opens ended in the kernel");
    // What a rule may want and what new processes open is told: a tenth of it.
    ensure!(suppressed * 5 > seen * 4, "hardly anything was known");
    for _ in 0..bursts() {
        tokio::time::sleep(PAUSE).await;
        for _ in 0..RELOADS {
            for setup in setups {
                client::reload_rules(&setup.socket()).await?;
            }
        }
    }
    container.shell("touch /tmp/attack").await?;
    for watcher in told {
        watcher
            .wait_until("the last step", ALERT_LIMIT, |records| {
                let mut alerts = records.iter().filter_map(|record| match &record.body {
                    Some(Body::Alert(alert)) => alert.baseline.as_ref(),
                    _ => None,
                });
                alerts.find_map(|evidence| (evidence.class == "net_out").then_some(()))
            })
            .await?;
    }
    let id = container.id().to_owned();
    container.kill().await?;
    Ok(id)
}

fn bursts() -> usize {
    if soak::asked() {
        return SOAK_BURSTS;
    }
    let (some, all) = (BURSTS * RELOADS, SOAK_BURSTS * RELOADS);
    shortened::note(&format!(
        "kernel cache: {some} reloads of {all} (`cargo xtask soak` runs all)"
    ));
    BURSTS
}

/// Opens of containers that ended in the kernel, and all.
async fn account(socket: &Path) -> Result<(u64, u64)> {
    let losses = client::status(socket).await?.losses;
    let opens = |account: &&LossAccount| account.hook == "open" && !account.container_id.is_empty();
    let opens = events::total(losses.iter().filter(opens));
    Ok((opens.suppressed, opens.seen))
}

/// What was learnt, without the name of who did.
fn profile(setup: &AgentSetup) -> Result<String> {
    let mut command = Command::new(agent::binary()?);
    command.arg("--socket").arg(setup.socket());
    let output = command
        .args(["baseline", "export", "--workload", WORKLOAD])
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    let node = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("node="));
    let node = node.with_context(|| format!("no node in\n{text}"))?;
    Ok(text.replace(node, "0"))
}

/// What was told of the container.
fn alerts(watcher: &Watcher, container: &str) -> BTreeSet<String> {
    let records = watcher.records();
    let alerts = records.iter().filter_map(|record| match &record.body {
        Some(Body::Alert(alert)) if container_id(alert) == container => Some(alert),
        _ => None,
    });
    alerts
        .map(|alert| match &alert.baseline {
            Some(it) => format!("{} {} {} {}", it.class, it.role, it.object, alert.output),
            None => format!(
                "{} {}",
                alert.rule.clone().unwrap_or_default().name,
                alert.output
            ),
        })
        .collect()
}
