//! The agent proves that its hooks see, and nobody but the agent hears of how.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gravlens::proto::GetStatusResponse;
use gravlens::proto::record::Body;
use integration_test::client::{self, rule_name};
use integration_test::runtime::block_on;

use crate::image_rules::start_with_rules;
use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("canary::every_hook_sees_it_and_no_rule_does", unseen),
    (
        "canary::a_process_that_moves_into_its_cgroup_is_seen",
        intruder,
    ),
    ("canary::it_leaves_nothing_behind", leftovers),
    ("canary::without_it_the_status_says_so", disabled),
];

const ANYTHING: &str = "Suite: anything at all";
const RULES: &str = "\
- rule: 'Suite: anything at all'
  desc: Every event in scope.
  condition: >
    evt.type in (execve, execveat, clone, procexit, open, openat, openat2, creat, connect, sendto,
    sendmsg, dns, bind, listen, accept, accept4, setuid, cgroup_mkdir, cgroup_rmdir,
    cgroup_attach, unlink, unlinkat, umount2)
  output: proc=%proc.name
  priority: CRITICAL
";

/// Some of the hooks that it reaches.
const REACHED: [&str; 12] = [
    "dns",
    "exec",
    "exec_failed",
    "fork",
    "exit",
    "open",
    "file_change",
    "mount",
    "connect",
    "send",
    "accept",
    "memory",
];

const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(200);
const PREFIX: &str = "gravlens-canary-";

fn unseen(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let watched = start_with_rules(bench, engine.socket(), RULES).await?;
        let status = after_rounds(&watched).await?;
        let canary = status.canary.as_ref().context("no canary")?;
        for topic in REACHED {
            let hook = canary.hooks.iter().find(|hook| hook.hook == topic);
            let hook = hook.with_context(|| format!("{topic} is not reached"))?;
            ensure!(!hook.blind, "{hook:?}");
        }
        let alerts = watched.watcher.alerts();
        ensure!(alerts.is_empty(), "it was told of: {:?}", alerts.first());
        for account in &status.losses {
            let events = account.events.context("an account is empty")?;
            let own = account.cgroup_path == "canary" && account.container_id.is_empty();
            ensure!(own && events.seen == events.delivered, "{account:?}");
        }
        watched.settle().await?;
        let records = watched.watcher.records();
        let ages = records.iter().filter_map(|record| match &record.body {
            Some(Body::Heartbeat(heartbeat)) => heartbeat.canary_age_ms,
            _ => None,
        });
        ensure!(ages.count() > 0, "no heartbeat tells of the canary");
        watched.finish()
    })
}

/// Waits until every hook has told of the canary, and a barrier after that.
async fn after_rounds(watched: &Watched) -> Result<GetStatusResponse> {
    let deadline = Instant::now() + LIMIT;
    let started = Instant::now();
    loop {
        let status = watched.barrier().await?;
        let canary = status.canary.as_ref().context("no canary")?;
        ensure!(canary.off.is_empty(), "no canary: {}", canary.off);
        let age = canary.hooks.iter().map(|hook| hook.age_ms).max();
        let age = Duration::from_millis(age.context("it reaches no hook")?);
        let rounds = Duration::from_millis(2 * canary.interval_ms);
        if started.elapsed() > rounds && age < started.elapsed() && age < rounds {
            return Ok(status);
        }
        ensure!(Instant::now() < deadline, "a hook is blind: {canary:?}");
        tokio::time::sleep(POLL).await;
    }
}

fn intruder(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let watched = start_with_rules(bench, engine.socket(), RULES).await?;
        let cgroup = own_cgroup(watched.cgroup.directory())?;
        let shell = Command::new("sh")
            .args([
                "-c",
                "echo $$ > \"$0/cgroup.procs\" && exec cat /etc/hostname",
            ])
            .arg(&cgroup)
            .output()?;
        ensure!(shell.status.success(), "{shell:?}");
        let told = watched.watcher.wait_until("an alert", LIMIT, |records| {
            records.iter().find_map(|record| match &record.body {
                Some(Body::Alert(alert)) if alert.output == "proc=cat" => Some(()),
                _ => None,
            })
        });
        told.await?;
        let alerts = watched.watcher.alerts();
        let other = alerts.iter().find(|alert| rule_name(alert) != ANYTHING);
        ensure!(other.is_none(), "{other:?}");
        watched.finish()
    })
}

fn leftovers(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let watched = Watched::start(bench, &engine).await?;
        let Watched {
            watcher,
            agent,
            setup,
            cgroup,
        } = watched;
        drop(watcher);
        let first = own_cgroup(cgroup.directory())?;
        agent.kill()?;
        let deadline = Instant::now() + LIMIT;
        while !fs::read_to_string(first.join("cgroup.procs"))?.is_empty() {
            ensure!(Instant::now() < deadline, "the helper outlives the agent");
            tokio::time::sleep(POLL).await;
        }
        let agent = setup.start().await?;
        let second = own_cgroup(cgroup.directory())?;
        ensure!(
            first != second && !first.exists(),
            "{} stays",
            first.display()
        );
        agent.stop()?;
        ensure!(!second.exists(), "{} stays", second.display());
        Ok(())
    })
}

fn disabled(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let cgroup = integration_test::cgroup::TestCgroup::new()?;
        let mut setup =
            integration_test::agent::AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        setup.set("canary.enabled", false);
        let watched = Watched::start_with(setup, cgroup).await?;
        let status = client::status(watched.agent.socket()).await?;
        let off = status.canary.context("no word of it")?.off;
        ensure!(off == "canary.enabled is false", "{off}");
        let said = status.not_seen.iter().any(|spot| spot.contains("canary"));
        ensure!(said, "no blind spot: {:?}", status.not_seen);
        ensure!(
            own_cgroup(watched.cgroup.directory()).is_err(),
            "it has a cgroup"
        );
        watched.finish()
    })
}

fn own_cgroup(scope: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(scope)?.flatten();
    let mut own = entries.filter(|e| e.file_name().to_string_lossy().starts_with(PREFIX));
    Ok(own.next().context("the canary has no cgroup")?.path())
}
