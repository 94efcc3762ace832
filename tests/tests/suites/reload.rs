//! Rules that change while the agent runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gravlens::proto::record::Body;
use gravlens::proto::reload_rules_response::Outcome;
use gravlens::proto::{Alert, RuleSetStatus};
use integration_test::agent::{self, AgentSetup};
use integration_test::cgroup::TestCgroup;
use integration_test::client::{self, rule_name};
use integration_test::container::{Container, ContainerSpec, Exec};
use integration_test::events::{dropped, total};
use integration_test::images::Image;
use integration_test::runtime::block_on;
use integration_test::{offenders, shortened, soak};

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("reload::under_load_no_event_meets_a_mixed_set", under_load),
    ("reload::the_command_says_what_came_of_it", command),
    ("reload::the_kernel_keeps_what_the_new_rules_want", kernel),
];

const LONG: u64 = 200;
const SHORT: u64 = 9;
/// Opens a second that no rule matches, and those that two rules of each set do.
const FLOOD: &str = "20000";
const MARKED: &str = "100";
const MARKED_FILE: &str = "/etc/passwd";
/// Longest that a reload may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
/// What is left of a set that was written in two steps stands that long.
const HALF: Duration = Duration::from_millis(100);

const RELOADED: &str = "Rules reloaded";
const NOT_RELOADED: &str = "Rules not reloaded";

/// The rules of the agent: a directory of links, as Kubernetes mounts a ConfigMap. One of two rules
/// stands in each file, and both name the set.
struct Rules {
    directory: PathBuf,
}

impl Rules {
    fn new(directory: PathBuf) -> Result<Self> {
        fs::create_dir(&directory)?;
        let rules = Self { directory };
        rules.swap(0, false)?;
        for name in ["a.yaml", "b.yaml"] {
            symlink(format!("..data/{name}"), rules.directory.join(name))?;
        }
        Ok(rules)
    }

    fn file(name: &str, number: u64) -> String {
        format!(
            "- rule: 'Suite: {name} {number}'\n  desc: One of two.\n  condition: evt.type in \
             (open, openat) and proc.name = open_flood and fd.name = {MARKED_FILE}\n  output: \
             set {number}\n  priority: NOTICE\n"
        )
    }

    fn last(number: u64, broken: bool) -> String {
        let file = Self::file("b", number);
        if broken {
            file.replace("fd.name =", "fd.nmae =")
        } else {
            file
        }
    }

    /// Replaces the set by one step, as the kubelet does.
    fn swap(&self, number: u64, broken: bool) -> Result<()> {
        let own = self.directory.join(format!("..v{number}"));
        fs::create_dir(&own)?;
        fs::write(own.join("a.yaml"), Self::file("a", number))?;
        fs::write(own.join("b.yaml"), Self::last(number, broken))?;
        let new = self.directory.join("..new");
        symlink(format!("..v{number}"), &new)?;
        fs::rename(&new, self.directory.join("..data"))?;
        Ok(())
    }

    /// Replaces it file by file, with a pause in which the set is a mixed one.
    async fn overwrite(&self, number: u64, broken: bool) -> Result<()> {
        fs::write(self.directory.join("a.yaml"), Self::file("a", number))?;
        tokio::time::sleep(HALF).await;
        fs::write(self.directory.join("b.yaml"), Self::last(number, broken))?;
        Ok(())
    }
}

/// Every third set cannot be loaded.
const fn is_broken(number: u64) -> bool {
    number.is_multiple_of(3)
}

fn rounds() -> u64 {
    if soak::asked() {
        return LONG;
    }
    shortened::note(&format!(
        "reload: {SHORT} reloads of {LONG} (`cargo xtask soak` runs all)"
    ));
    SHORT
}

fn under_load(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Offenders.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        let rules = Rules::new(setup.path("rules"))?;
        let directory = rules.directory.to_string_lossy().into_owned();
        setup.set("rules.paths", vec![directory]);
        setup.set("rules.bundled", false);
        // All of the flood is to come to the detection task.
        setup.set("sensor.approvers", false);
        let watched = Watched::start_with(setup, cgroup).await?;
        let spec = ContainerSpec::new("reloads", Image::Offenders).command(&["sleep", "7200"]);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;

        let ended = AtomicBool::new(false);
        let program = offenders::in_image("open_flood");
        let flood = ["5s", &program, FLOOD];
        let marked = ["1s", MARKED_FILE, MARKED];
        let begun = Instant::now();
        let reloads = async {
            let outcome = reload_all(&watched, &rules, rounds()).await;
            ended.store(true, Ordering::Relaxed);
            outcome
        };
        let (flooded, marked, set) = tokio::join!(
            repeat(&container, &flood, &ended),
            repeat(&container, &marked, &ended),
            reloads
        );
        let (flooded, marked, set) = (flooded?, marked?, set?);
        let rate = (flooded + marked) as f64 / begun.elapsed().as_secs_f64();
        println!("{} reloads beside {rate:.0} opens a second", rounds());

        watched.settle().await?;
        check_account(&watched, &container, flooded + marked).await?;
        check_alerts(&watched, marked, &set)?;
        drop(container);
        watched.finish()
    })
}

/// Runs the offender until the end was told. How much it opened in all.
async fn repeat(container: &Container, arguments: &[&str], ended: &AtomicBool) -> Result<u64> {
    let program = offenders::in_image("open_flood");
    let command = [&[program.as_str()], arguments].concat();
    let mut sum = 0;
    while !ended.load(Ordering::Relaxed) {
        let run = Exec::new(&command).run(container).await?;
        ensure!(run.code == 0, "{run:?}");
        let opened = run.text.trim().strip_prefix("opened ");
        sum += opened.context("no count")?.parse::<u64>()?;
    }
    Ok(sum)
}

/// Replaces the rules so many times, in every way in turn, and waits each time for what comes of it.
async fn reload_all(watched: &Watched, rules: &Rules, rounds: u64) -> Result<RuleSetStatus> {
    let mut generation = 1;
    for number in 1..=rounds {
        let broken = is_broken(number);
        // Every other set is written file by file.
        if number % 2 == 1 {
            rules.overwrite(number, broken).await?;
        } else {
            rules.swap(number, broken)?;
        }
        if number % 2 == 0 {
            watched.agent.hangup()?;
        } else if number % 5 == 0 {
            let answer = client::reload_rules(watched.agent.socket()).await?;
            let fits = match answer.outcome() {
                Outcome::Refused => broken,
                // The watch may have been faster.
                Outcome::Reloaded | Outcome::Unchanged => !broken,
                _ => false,
            };
            ensure!(fits, "set {number}: {answer:?}");
        }
        generation += u64::from(!broken);
        let deadline = Instant::now() + LIMIT;
        loop {
            let status = client::status(watched.agent.socket()).await?;
            let set = status.rules.context("no rules")?;
            let failed = set.failed_reload.as_ref();
            let refused = failed.is_some_and(|failed| {
                failed.standing && failed.reasons.iter().any(|why| names(why, number))
            });
            if set.generation == generation && refused == broken {
                break;
            }
            ensure!(Instant::now() < deadline, "set {number}: {set:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let status = client::status(watched.agent.socket()).await?;
    status.rules.context("no rules")
}

fn names(reason: &str, number: u64) -> bool {
    reason.contains(&format!("'Suite: b {number}'"))
}

/// Nothing was lost, and every account balances.
async fn check_account(watched: &Watched, container: &Container, opened: u64) -> Result<()> {
    let status = watched.barrier().await?;
    let own = status.losses.iter();
    let opens = total(own.filter(|it| it.container_id == container.id() && it.hook == "open"));
    ensure!(
        opens.seen >= opened,
        "{opened} were opened, seen: {opens:?}"
    );
    let events = status.events.context("no account")?;
    ensure!(dropped(&events) == 0, "lost: {events:?}");
    println!("{opened} opened, {} opens seen, none lost", opens.seen);
    Ok(())
}

/// Every alert names its set, every marked open met both rules of one set, and each set was told.
fn check_alerts(watched: &Watched, marked: u64, set: &RuleSetStatus) -> Result<()> {
    let mut digests: BTreeMap<u64, String> = BTreeMap::new();
    let mut events: BTreeMap<u64, Vec<Alert>> = BTreeMap::new();
    let (mut reloaded, mut refused) = (0, 0);
    for alert in watched.watcher.alerts() {
        let rule = alert.rule.as_ref().context("an alert without a rule")?;
        ensure!(
            !rule.set_digest.is_empty() && rule.set_generation > 0,
            "an alert without its set: {alert:?}"
        );
        let known = digests
            .entry(rule.set_generation)
            .or_insert_with(|| rule.set_digest.clone());
        ensure!(*known == rule.set_digest, "two sets of one generation");
        match &*rule.name {
            RELOADED => reloaded += 1,
            NOT_RELOADED => refused += 1,
            _ => {
                let event = alert.event.as_ref().context("no event")?;
                events.entry(event.number).or_default().push(alert);
            }
        }
    }
    for alerts in events.values() {
        let [one, other] = alerts.as_slice() else {
            let names: Vec<_> = alerts.iter().map(rule_name).collect();
            anyhow::bail!("an event met {names:?}");
        };
        let numbers = [one, other].map(|alert| &alert.output);
        ensure!(numbers[0] == numbers[1], "a mixed set: {numbers:?}");
        let rules = [one, other].map(|alert| alert.rule.clone().unwrap_or_default());
        ensure!(
            rules[0].set_generation == rules[1].set_generation,
            "two generations: {rules:?}"
        );
        let kinds: BTreeSet<_> = rules.iter().map(|rule| &rule.name[..8]).collect();
        ensure!(kinds.len() == 2, "{rules:?}");
        let number = numbers[0].trim_start_matches("set ").parse::<u64>()?;
        ensure!(
            number == 0 || !is_broken(number),
            "broken set {number} was in force"
        );
    }
    ensure!(
        events.len() as u64 == marked,
        "{marked} were opened, {} were told",
        events.len()
    );
    let broken = rounds() / 3;
    ensure!(
        (reloaded, refused) == (rounds() - broken, broken),
        "told: {reloaded} reloaded and {refused} not"
    );
    ensure!(set.generation == 1 + reloaded, "{set:?}");
    let last = digests.last_key_value().context("no alert")?;
    ensure!(
        (*last.0, last.1) == (set.generation, &set.digest),
        "{last:?} and {set:?}"
    );
    println!(
        "{} events met two rules of one set each; {} generations",
        events.len(),
        set.generation
    );
    Ok(())
}

fn command(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        let rules = setup.path("rules");
        fs::create_dir(&rules)?;
        let file = rules.join("a.yaml");
        fs::write(&file, Rules::file("a", 1))?;
        setup.set("rules.paths", vec![rules.to_string_lossy().into_owned()]);
        setup.set("rules.bundled", false);
        setup.set("rules.watch", false);
        let local = setup.path("local.yaml");
        setup.set("rules.local", local.to_string_lossy().into_owned());
        let watched = Watched::start_with(setup, cgroup).await?;
        let expect = |code: i32, outcome: &str| {
            let came = reload(watched.agent.socket())?;
            ensure!(came == (code, outcome.to_owned()), "{came:?}");
            Ok(())
        };

        expect(0, "unchanged")?;
        fs::write(&file, Rules::last(2, true))?;
        expect(7, "refused")?;
        watched.told(NOT_RELOADED, LIMIT).await?;
        fs::remove_file(&file)?;
        expect(2, "unreadable")?;
        fs::write(&file, Rules::file("a", 3))?;
        fs::write(&local, Rules::file("own", 3))?;
        expect(0, "reloaded")?;
        let told = watched.told(RELOADED, LIMIT).await?;
        ensure!(
            told.output
                .contains("now active: 'Suite: a 3', 'Suite: own 3'"),
            "{}",
            told.output
        );
        let status = client::status(watched.agent.socket()).await?;
        let set = status.rules.context("no rules")?;
        ensure!((set.generation, set.active) == (2, 2), "{set:?}");
        watched.finish()
    })
}

fn kernel(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        setup.set("rules.bundled", false);
        setup.set("rules.watch", false);
        let write = |setup: &AgentSetup, file: &str| {
            let text = format!(
                "- rule: 'Suite: opened {file}'\n  desc: d\n  condition: evt.type in (open, \
                 openat) and fd.name = {file}\n  output: o\n  priority: NOTICE\n"
            );
            fs::write(setup.path("rules.local.yaml"), text)
        };
        write(&setup, "/etc/passwd")?;
        let watched = Watched::start_with(setup, cgroup).await?;
        let spec = ContainerSpec::new("approvers", Image::Busybox);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        let suppressed = async || -> Result<u64> {
            let events = watched.barrier().await?.events;
            Ok(events.context("no account")?.suppressed)
        };
        for (generation, file) in (2..).zip(["/etc/group", "/etc/hostname", "/etc/group"]) {
            // Nobody wants the file yet.
            let before = suppressed().await?;
            container.exec(&["cat", file]).await?;
            ensure!(suppressed().await? > before, "{file} was not dropped");
            write(&watched.setup, file)?;
            let came = reload(watched.agent.socket())?;
            ensure!(came == (0, "reloaded".to_owned()), "{came:?}");
            container.exec(&["cat", file]).await?;
            let rule = format!("Suite: opened {file}");
            let told = watched.watcher.wait_until(&rule, LIMIT, |records| {
                let mut alerts = records.iter().filter_map(|record| match &record.body {
                    Some(Body::Alert(alert)) => alert.rule.as_ref(),
                    _ => None,
                });
                alerts
                    .any(|found| found.name == rule && found.set_generation == generation)
                    .then_some(())
            });
            told.await?;
        }
        drop(container);
        watched.finish()
    })
}

/// Has the agent reload by command: its exit code and what came of it.
fn reload(socket: &Path) -> Result<(i32, String)> {
    let output = Command::new(agent::binary()?)
        .args(["rules", "reload", "--output", "json", "--socket"])
        .arg(socket)
        .output()?;
    let code = output.status.code().context("it was killed")?;
    let document: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no document: {output:?}"))?;
    let outcome = document["outcome"].as_str().context("no outcome")?;
    Ok((code, outcome.to_owned()))
}
