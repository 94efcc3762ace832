//! `demo` as a user runs it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_test::cgroup;
use integration_test::process::{ProcessId, find};
use integration_test::state::STATE_VARIABLE;
use rustix::process::Signal;

use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("demo::ends_well_twice_and_leaves_nothing", twice),
    ("demo::cleans_up_on_ctrl_c", interrupted),
];

const LIMIT: Duration = Duration::from_secs(240);

fn twice(bench: &Bench) -> Result<()> {
    let folder = folder(bench)?;
    let before = traces(&folder)?;
    for run in ["first", "second"] {
        let log = folder.join(format!("{run}.log"));
        let mut demo = start(&folder, &log)?;
        let code = wait(&mut demo, LIMIT)?;
        let text = fs::read_to_string(&log)?;
        ensure!(
            code == Some(0),
            "the {run} demo ended with {code:?}; see {}:\n{}",
            log.display(),
            problems(&text)
        );
        let last = text.lines().last().unwrap_or_default();
        ensure!(last.contains(" 0 missing, 0 unexpected"), "{last}");
        ensure_same(&before, &traces(&folder)?)?;
        println!("{last}");
    }
    Ok(())
}

/// The lines of a demo's output that tell what went wrong.
fn problems(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len().saturating_sub(1);
    let telling = lines.iter().enumerate().filter(|(number, line)| {
        let marked = ["== ", "MISSING", "UNEXPECTED", "failed"].iter();
        *number == last || marked.copied().any(|mark| line.contains(mark))
    });
    telling
        .map(|(_, line)| *line)
        .collect::<Vec<_>>()
        .join("\n")
}

fn interrupted(bench: &Bench) -> Result<()> {
    let folder = folder(bench)?;
    let before = traces(&folder)?;
    let log = folder.join("interrupted.log");
    let mut demo = start(&folder, &log)?;
    let deadline = Instant::now() + LIMIT;
    // The third scenario is on: an engine, an agent and a container run.
    while fs::read_to_string(&log)?.matches("\n== ").count() < 3 {
        ensure!(Instant::now() < deadline, "the demo does not get on");
        std::thread::sleep(Duration::from_millis(100));
    }
    let process = ProcessId::of(i32::try_from(demo.id())?).context("the demo has ended")?;
    process.signal(Signal::INT);
    let code = wait(&mut demo, Duration::from_secs(60))?;
    ensure!(code == Some(130), "the demo ended with {code:?}");
    ensure_same(&before, &traces(&folder)?)
}

/// A state folder of the demo's own, for this program holds the usual one. The image archives are
/// the same files.
fn folder(bench: &Bench) -> Result<PathBuf> {
    let folder = bench.state.cached("demo");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(bench.state.cached(""))? {
        let archive = entry?.path();
        let copy = folder.join(archive.file_name().unwrap_or_default());
        if archive.extension().is_some_and(|kind| kind == "tar") && !copy.exists() {
            fs::hard_link(&archive, &copy)?;
        }
    }
    Ok(folder)
}

fn start(folder: &Path, log: &Path) -> Result<Child> {
    let output = fs::File::create(log)?;
    Ok(Command::new(env!("CARGO_BIN_EXE_demo"))
        .env(STATE_VARIABLE, folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()?)
}

fn wait(demo: &mut Child, limit: Duration) -> Result<Option<i32>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = demo.try_wait()? {
            return Ok(status.code());
        }
        if Instant::now() >= deadline {
            if let Some(process) = ProcessId::of(i32::try_from(demo.id())?) {
                process.terminate(Duration::from_secs(30));
            }
            demo.wait()?;
            anyhow::bail!("the demo takes longer than {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What a demo could leave: cgroups, mounts, processes that belong to its folder, folders of
/// sockets, network devices.
fn traces(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let names = |path: &Path, prefix: &'static str| -> Result<Vec<String>> {
        let entries = fs::read_dir(path)?.filter_map(|e| e.ok()?.file_name().into_string().ok());
        Ok(entries.filter(|name| name.starts_with(prefix)).collect())
    };
    found.extend(names(&cgroup::mount()?.mount_point, cgroup::PREFIX)?);
    found.extend(names(&std::env::temp_dir(), "gravlens-")?);
    found.extend(names(Path::new("/sys/class/net"), "")?);
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    found.extend(mounts.lines().map(str::to_owned));
    for program in [
        "dockerd",
        "containerd",
        "containerd-shim-runc-v2",
        "gravlens",
    ] {
        let running = find(program, &folder.to_string_lossy());
        found.extend(
            running
                .iter()
                .map(|process| format!("{program} {}", process.pid)),
        );
    }
    Ok(found)
}

fn ensure_same(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Result<()> {
    let left: Vec<&String> = after.difference(before).collect();
    ensure!(left.is_empty(), "the demo left {left:?}");
    Ok(())
}
