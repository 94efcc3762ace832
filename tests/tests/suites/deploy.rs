//! The unit for systemd: that systemd finds no fault in it, that it says what the agent does, and that
//! the agent works under it.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use integration_test::agent::{self, AgentSetup};
use integration_test::cgroup::TestCgroup;
use integration_test::client;
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::offenders;
use integration_test::runtime::block_on;
use integration_test::undo::{self, Leftover};
use rustix::thread::CapabilitySet;
use serde_json::json;

use crate::sandbox::{NEEDED, OF_THE_START};
use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("deploy::systemd_finds_no_fault_in_the_unit", verify),
    ("deploy::the_unit_says_what_the_agent_does", agree),
    ("deploy::an_agent_under_the_unit_watches", restricted),
];

const UNIT: &str = include_str!("../../../deploy/systemd/gravlens.service");
/// The kernel's numbers of system calls.
const NUMBERS: &str = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
const PROGRAM: &str = "/usr/local/bin/gravlens";
/// What systemd finds open to an attacker, in tenths of its scale: most of it is what the agent is for.
const EXPOSURE: &str = "45";
const RULE: &str = "Password file read in a container";
/// Two rounds of the canary and some.
const CANARY_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(200);

/// The values of a directive.
fn values(directive: &str) -> Vec<&'static str> {
    let lines = UNIT.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| *name == directive)
        .flat_map(|(_, value)| value.split_whitespace())
        .collect()
}

fn verify(bench: &Bench) -> Result<()> {
    let folder = bench.state.run_path("unit");
    let _guard = undo::register(Leftover::Path(folder.clone()));
    fs::create_dir_all(&folder)?;
    let unit = folder.join("gravlens.service");
    // It has to name a program that is there.
    let program = agent::binary()?.to_string_lossy().into_owned();
    ensure!(UNIT.contains(PROGRAM), "the unit starts another program");
    fs::write(&unit, UNIT.replace(PROGRAM, &program))?;
    let said = analyze(&["verify", "--man=no"], &unit)?;
    ensure!(said.is_empty(), "{said}");
    let threshold = format!("--threshold={EXPOSURE}");
    analyze(
        &["security", "--offline=true", "--no-pager", &threshold],
        &unit,
    )?;
    Ok(())
}

/// What `systemd-analyze` says, which has to find all well.
fn analyze(arguments: &[&str], file: &Path) -> Result<String> {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(file)
        .output()
        .context("cannot run systemd-analyze: run `cargo xtask setup`")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "systemd-analyze: {said}");
    Ok(said)
}

fn agree(_: &Bench) -> Result<()> {
    let needed = NEEDED
        .iter()
        .chain(OF_THE_START)
        .fold(CapabilitySet::empty(), |all, one| all | *one);
    ensure!(capabilities()? == needed, "{:?}", capabilities()?);
    let output = Command::new(agent::binary()?)
        .args(["config", "defaults"])
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    let defaults: toml::Table = String::from_utf8(output.stdout)?.parse()?;
    let directory = |base: &str, directive: &str| -> PathBuf {
        Path::new(base).join(values(directive).concat())
    };
    let state = directory("/var/lib", "StateDirectory");
    let run = directory("/run", "RuntimeDirectory");
    let log = directory("/var/log", "LogsDirectory");
    for (setting, expected) in [
        ("state_dir", state),
        ("stream.socket", run.join("gravlens.sock")),
        ("outputs.file.path", log.join("alerts.json")),
    ] {
        let found = setting
            .split('.')
            .try_fold(&toml::Value::Table(defaults.clone()), |table, key| {
                table.get(key)
            })
            .and_then(|value| value.as_str().map(PathBuf::from));
        ensure!(found == Some(expected), "{setting} is {found:?}");
    }
    Ok(())
}

fn capabilities() -> Result<CapabilitySet> {
    let mut all = CapabilitySet::empty();
    for name in values("CapabilityBoundingSet") {
        let known = name.strip_prefix("CAP_").and_then(CapabilitySet::from_name);
        all |= known.with_context(|| format!("{name} is not known"))?;
    }
    Ok(all)
}

/// The numbers of the system calls that the unit allows. Names that this machine's architecture does
/// not have are left out, as systemd does.
fn numbers() -> Result<Vec<i64>> {
    let header = fs::read_to_string(NUMBERS).with_context(|| format!("reading {NUMBERS}"))?;
    let known: HashMap<&str, i64> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define __NR_")?.split_once(' '))
        .filter_map(|(name, number)| Some((name, number.trim().parse().ok()?)))
        .collect();
    let calls = calls()?;
    let numbers = calls.iter().filter_map(|name| known.get(&**name).copied());
    let numbers: Vec<i64> = numbers.collect();
    ensure!(!numbers.is_empty(), "{NUMBERS} has no numbers");
    Ok(numbers)
}

/// The system calls that the unit allows.
fn calls() -> Result<BTreeSet<String>> {
    let mut calls = BTreeSet::new();
    let mut open: Vec<String> = values("SystemCallFilter")
        .into_iter()
        .map(str::to_owned)
        .collect();
    while let Some(name) = open.pop() {
        if !name.starts_with('@') {
            calls.insert(name);
            continue;
        }
        let output = Command::new("systemd-analyze")
            .args(["syscall-filter", "--no-pager", &name])
            .output()?;
        ensure!(output.status.success(), "{name}: {output:?}");
        let text = String::from_utf8(output.stdout)?;
        // The first line is the set's own name.
        let members = text.lines().skip(1).map(str::trim);
        open.extend(
            members
                .filter(|member| !member.is_empty() && !member.starts_with('#'))
                .map(str::to_owned),
        );
    }
    Ok(calls)
}

fn restricted(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        let file = setup.path("restrictions.json");
        let mut writable: Vec<PathBuf> = values("ReadWritePaths").iter().map(Into::into).collect();
        writable.push(setup.folder().to_owned());
        let restrictions = json!({
            "capabilities": capabilities()?.bits(),
            "calls": numbers()?,
            "writable": writable,
        });
        fs::write(&file, restrictions.to_string())?;
        let launcher = offenders::binary("as_unit")?;
        setup.launch_with(vec![launcher, file]);
        let watched = Watched::start_with(setup, cgroup).await?;

        let spec = ContainerSpec::new("as-unit", Image::Busybox);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        container.exec(&["cat", "/etc/shadow"]).await?;
        let alert = watched.alert(RULE, &container).await?;
        ensure!(alert.container.is_some_and(|c| c.name == container.name()));
        every_hook_sees(&watched).await?;
        let status = client::status(watched.agent.socket()).await?;
        let durable = status.stream.context("no stream")?.not_durable;
        ensure!(durable.is_empty(), "{durable}");
        let errors = watched.agent.errors();
        ensure!(errors.is_empty(), "{errors}");
        drop(container);
        watched.finish()
    })
}

/// Waits until each hook has told of the canary, twice.
async fn every_hook_sees(watched: &Watched) -> Result<()> {
    let begin = Instant::now();
    let deadline = begin + CANARY_LIMIT;
    loop {
        let status = client::status(watched.agent.socket()).await?;
        let canary = status.canary.context("no canary")?;
        ensure!(canary.off.is_empty(), "no canary: {}", canary.off);
        let round = canary.interval_ms;
        let blind: Vec<_> = canary
            .hooks
            .iter()
            .filter(|hook| hook.blind || hook.age_ms > 2 * round)
            .collect();
        let long_enough = begin.elapsed() > Duration::from_millis(2 * round);
        if long_enough && blind.is_empty() && !canary.hooks.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("hooks do not see: {blind:?}");
        }
        tokio::time::sleep(POLL).await;
    }
}
