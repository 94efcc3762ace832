//! Recordings: what they keep when they are killed, and what a replay makes of them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_test::agent::{self, AgentSetup};
use integration_test::cgroup::TestCgroup;
use integration_test::client::rule_name;
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::runtime::block_on;
use serde_json::Value;

use crate::watched::{ALERT_LIMIT, Watched};
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "record::a_killed_recorder_leaves_what_a_live_agent_told",
        killed,
    ),
    ("record::parts_rotate_and_the_oldest_go", rotated),
    ("record::a_backtest_counts_what_new_rules_change", backtest),
    ("record::what_cannot_be_recorded_is_said", refused),
];

/// Exit codes of the command line: see `gravlens --help`.
const FAILURE: i32 = 1;
const USAGE: i32 = 2;
const DAMAGED: i32 = 8;

/// Longest time that an input stays in the recorder's memory, and some more.
const FLUSHED: Duration = Duration::from_secs(2);

/// One asks nothing, one needs the image's name, one never waits.
const RULES: &str = "\
- rule: 'Suite: marked'
  desc: Says that it was seen.
  condition: evt.type in (execve, execveat) and proc.args contains marked-by-the-suite
  output: ran %proc.cmdline of %proc.pname in %container.name number %evt.num
  priority: NOTICE

- rule: 'Suite: marked in busybox'
  desc: True of the busybox image.
  condition: >
    evt.type in (execve, execveat) and proc.args contains marked-by-the-suite
    and container.image.repository = gravlens-test/busybox
  output: ran in %container.image.repository
  priority: WARNING

- rule: 'Suite: shadow read'
  desc: Never waits for a name.
  condition: evt.type in (open, openat, openat2) and fd.name = /etc/shadow and container.id != host
  output: '%proc.name read %fd.name'
  priority: CRITICAL
";
const MARKED: &str = "Suite: marked";

fn gravlens(arguments: &[&OsStr]) -> Result<Output> {
    Ok(Command::new(agent::binary()?).args(arguments).output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ensure_code(output: &Output, code: i32) -> Result<()> {
    ensure!(
        output.status.code() == Some(code),
        "{}: {}",
        output.status,
        said(output)
    );
    Ok(())
}

/// A replay with the suite's rules, as JSON.
fn replay(capture: &Path, rules: &Path) -> Result<Output> {
    gravlens(&[
        "replay".as_ref(),
        capture.as_ref(),
        "--rules".as_ref(),
        rules.as_ref(),
        "--output".as_ref(),
        "json".as_ref(),
    ])
}

/// Alerts and what was added to them, without what names the run: ids, places in its stream, and
/// when it made the record.
fn told(text: &str) -> Result<Vec<Value>> {
    let mut told = Vec::new();
    for line in text.lines() {
        let mut record: Value = serde_json::from_str(line)?;
        let kind = record["record"].as_str().unwrap_or_default().to_owned();
        if kind != "alert" && kind != "amend" {
            continue;
        }
        let fields = record.as_object_mut().context("a record is an object")?;
        for key in ["epoch", "sequence", "prev_sequence", "time"] {
            fields.remove(key);
        }
        let body = record[&kind].as_object_mut().context("it has a body")?;
        for key in ["id", "alert_id", "alert_sequence"] {
            body.remove(key);
        }
        told.push(record);
    }
    Ok(told)
}

fn names(told: &[Value]) -> Vec<String> {
    let name = |record: &Value| Some(record["alert"]["rule"]["name"].as_str()?.to_owned());
    let mut names: Vec<_> = told.iter().filter_map(name).collect();
    names.retain(|name| name.starts_with("Suite: "));
    names.sort();
    names
}

/// Waits until a file holds so many alerts of the first rule.
async fn wait_for(file: &Path, alerts: usize) -> Result<()> {
    let deadline = Instant::now() + ALERT_LIMIT;
    loop {
        let text = fs::read_to_string(file)?;
        // The last line may be half there.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let marked = names(&told(whole)?);
        if marked.iter().filter(|name| *name == MARKED).count() >= alerts {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "only these were told: {marked:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn do_deeds(container: &Container, count: usize) -> Result<()> {
    for _ in 0..count {
        container
            .exec(&["/bin/echo", "marked-by-the-suite"])
            .await?;
        container.exec(&["cat", "/etc/shadow"]).await?;
    }
    Ok(())
}

/// A setup with the suite's rules, and the file that they are in.
fn setup(bench: &Bench, cgroup: &TestCgroup, docker: &Path) -> Result<(AgentSetup, PathBuf)> {
    let mut setup = AgentSetup::new(&bench.state, cgroup, docker)?;
    setup.add_rules("suite.yaml", RULES)?;
    let rules = setup.path("suite.yaml");
    Ok((setup, rules))
}

fn killed(bench: &Bench) -> Result<()> {
    const DEEDS: usize = 5;
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        // An agent beside it, and a container that is older than both.
        let spec = ContainerSpec::new("older", Image::Busybox);
        let older = Container::run(&engine, &cgroup, &spec).await?;
        let (setup, rules) = setup(bench, &cgroup, engine.socket())?;
        let watched = Watched::start_with(setup, cgroup).await?;
        let capture = watched.setup.path("trace");
        let live = watched.setup.path("live.json");
        let recorder = watched
            .setup
            .record(
                &[capture.as_ref(), "--stdout".as_ref(), "json".as_ref()],
                File::create(&live)?,
            )
            .await?;
        ensure!(
            recorder.stderr().contains("an agent runs (pid"),
            "the agent beside it is not told: {}",
            recorder.stderr()
        );
        do_deeds(&older, DEEDS).await?;
        let spec = ContainerSpec::new("newer", Image::Busybox);
        let newer = Container::run(&engine, &watched.cgroup, &spec).await?;
        do_deeds(&newer, DEEDS).await?;
        wait_for(&live, 2 * DEEDS).await?;
        tokio::time::sleep(FLUSHED).await;
        recorder.kill()?;

        let replayed = replay(&capture, &rules)?;
        ensure_code(&replayed, DAMAGED)?;
        ensure!(said(&replayed).contains("cut off here"), "{replayed:?}");
        let again = replay(&capture, &rules)?;
        ensure!(again.stdout == replayed.stdout, "two replays differ");
        // All that the recorder told while it recorded.
        let live = told(&fs::read_to_string(&live)?)?;
        let replayed = told(&String::from_utf8(replayed.stdout)?)?;
        for (at, live) in live.iter().enumerate() {
            let found = replayed.get(at);
            ensure!(found == Some(live), "record {at}: {live} became {found:?}");
        }
        ensure!(names(&replayed) == names(&live), "the end differs");
        // The agent beside it has seen the same.
        watched.settle().await?;
        let alerts = watched.watcher.alerts();
        let mut beside: Vec<String> = alerts.iter().map(|it| rule_name(it).to_owned()).collect();
        beside.retain(|name| name.starts_with("Suite: "));
        beside.sort();
        ensure!(beside == names(&replayed), "the agent told {beside:?}");
        drop((older, newer));
        watched.finish()
    })
}

fn rotated(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("rotated", Image::Busybox);
        let container = Container::run(&engine, &cgroup, &spec).await?;
        let (setup, rules) = setup(bench, &cgroup, engine.socket())?;
        let capture = setup.path("trace");
        let live = setup.path("live.json");
        let arguments: [&OsStr; 7] = [
            capture.as_ref(),
            "--stdout".as_ref(),
            "json".as_ref(),
            "--part-bytes".as_ref(),
            "4096".as_ref(),
            "--keep".as_ref(),
            "3".as_ref(),
        ];
        let recorder = setup.record(&arguments, File::create(&live)?).await?;
        let part = |number: u32| setup.path(&format!("trace.{number}"));
        let deadline = Instant::now() + ALERT_LIMIT * 4;
        while !part(6).exists() {
            do_deeds(&container, 1).await?;
            ensure!(Instant::now() < deadline, "{}", recorder.stderr());
        }
        recorder.stop()?;
        ensure!(!capture.exists() && !part(2).exists(), "they are kept");
        let replayed = replay(&capture, &rules)?;
        ensure_code(&replayed, 0)?;
        ensure!(
            said(&replayed).contains("of the capture are gone"),
            "{}",
            said(&replayed)
        );
        // What is left begins with what ran: the container's alerts have its name.
        let told = told(&String::from_utf8(replayed.stdout)?)?;
        let marked = told
            .iter()
            .find(|record| record["alert"]["rule"]["name"] == MARKED)
            .context("no deed is left")?;
        ensure!(
            marked["alert"]["container"]["name"] == container.name(),
            "{marked}"
        );
        Ok(())
    })
}

fn backtest(bench: &Bench) -> Result<()> {
    const DEEDS: usize = 3;
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("backtest", Image::Busybox);
        let container = Container::run(&engine, &cgroup, &spec).await?;
        let (setup, rules) = setup(bench, &cgroup, engine.socket())?;
        let capture = setup.path("trace");
        let live = setup.path("live.json");
        let arguments: [&OsStr; 3] = [capture.as_ref(), "--stdout".as_ref(), "json".as_ref()];
        let recorder = setup.record(&arguments, File::create(&live)?).await?;
        do_deeds(&container, DEEDS).await?;
        wait_for(&live, DEEDS).await?;
        recorder.stop()?;
        let new = setup.path("new.yaml");
        let changed = RULES
            .replace("Suite: shadow read", "Suite: secret read")
            .replace("priority: NOTICE", "priority: ERROR");
        fs::write(&new, changed)?;
        let run = |max: &str| {
            gravlens(&[
                "rules".as_ref(),
                "backtest".as_ref(),
                capture.as_ref(),
                "--old".as_ref(),
                rules.as_ref(),
                "--new".as_ref(),
                new.as_ref(),
                "--max-new".as_ref(),
                max.as_ref(),
                "--output".as_ref(),
                "json".as_ref(),
            ])
        };
        let output = run("1000")?;
        ensure_code(&output, 0)?;
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let reads = report["gained"].as_u64().unwrap_or_default();
        ensure!(reads >= DEEDS as u64, "{report}");
        ensure!(report["lost"] == reads, "{report}");
        ensure!(report["changed"].as_u64() >= Some(DEEDS as u64), "{report}");
        let output = run("0")?;
        ensure_code(&output, FAILURE)?;
        ensure!(said(&output).contains("--max-new allows 0"), "{output:?}");
        Ok(())
    })
}

fn refused(bench: &Bench) -> Result<()> {
    block_on(async {
        let cgroup = TestCgroup::new()?;
        let absent = Path::new("/run/gravlens-absent.sock");
        let (setup, _) = setup(bench, &cgroup, absent)?;
        let there = setup.path("there");
        fs::write(&there, "mine")?;
        let record = |file: &Path, scope: &str| {
            gravlens(&[
                "record".as_ref(),
                file.as_ref(),
                "--for".as_ref(),
                "1".as_ref(),
                "--cgroup".as_ref(),
                scope.as_ref(),
            ])
        };
        let scope = cgroup.path();
        let output = record(&there, &scope)?;
        ensure_code(&output, USAGE)?;
        ensure!(said(&output).contains("exists already"), "{output:?}");
        ensure!(fs::read_to_string(&there)? == "mine", "it was written over");
        let output = record(&setup.path("absent/trace"), &scope)?;
        ensure_code(&output, FAILURE)?;
        ensure!(said(&output).contains("No such file"), "{output:?}");
        // The time that it was given ends it in order.
        let timed = setup.path("timed");
        ensure_code(&record(&timed, &scope)?, 0)?;
        let output = gravlens(&["replay".as_ref(), timed.as_ref()])?;
        ensure_code(&output, 0)
    })
}
