//! `demo` as a user runs it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_test::cgroup;
use integration_test::process::{ProcessId, find_by_variable};
use integration_test::state::{STATE_VARIABLE, run_folder};
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
        ensure_gone(&before, &folder, &demo)?;
        println!("{last}");
    }
    Ok(())
}

/// What a demo's output tells of what went wrong: its errors, and all of each alert that was not
/// expected, under the name of its scenario.
fn problems(text: &str) -> String {
    let mut told = Vec::new();
    let mut scenario = "";
    let mut alert = Vec::new();
    for line in text.lines() {
        let deeper = line.starts_with("      ");
        if line.starts_with("== ") {
            scenario = line;
        }
        if !deeper {
            alert.clear();
        }
        alert.push(line);
        if line.contains("UNEXPECTED") {
            told.push(scenario);
            told.append(&mut alert);
        } else if !deeper && ["MISSING", "failed"].iter().any(|mark| line.contains(mark)) {
            told.extend([scenario, line]);
        }
    }
    told.extend(text.lines().last());
    told.join("\n")
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
    // Else nothing is shown by finding nothing afterwards.
    let running = traces(&folder)?;
    for part in ["dockerd", "gravlens"] {
        let runs = running.iter().any(|trace| trace.starts_with(part));
        ensure!(runs, "{part} does not run, or cannot be found");
    }
    process.signal(Signal::INT);
    let code = wait(&mut demo, Duration::from_secs(60))?;
    ensure!(code == Some(130), "the demo ended with {code:?}");
    ensure_gone(&before, &folder, &demo)
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
    Ok(folder.canonicalize()?)
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

/// What a demo could leave anywhere: processes, mounts, network devices. All that it starts
/// inherits the variable that names its folder; processes of containers do not, but stand in its
/// cgroups.
fn traces(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    found.extend(names(Path::new("/sys/class/net"))?);
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    found.extend(mounts.lines().map(str::to_owned));
    let running = find_by_variable(STATE_VARIABLE, folder);
    found.extend(running.iter().map(ProcessId::to_string));
    Ok(found)
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.collect())
}

/// Checks that an ended demo left no trace, cgroup or folder of sockets. Other runs on this machine
/// have cgroups and folders too, so only those that bear the demo's own name count.
fn ensure_gone(before: &BTreeSet<String>, folder: &Path, demo: &Child) -> Result<()> {
    let after = traces(folder)?;
    let left: Vec<&String> = after.difference(before).collect();
    ensure!(left.is_empty(), "the demo left {left:?}");
    let mut cgroups = names(&cgroup::mount()?.mount_point)?;
    cgroups.retain(|name| name.starts_with(&format!("{}{}-", cgroup::PREFIX, demo.id())));
    ensure!(cgroups.is_empty(), "the demo left the cgroups {cgroups:?}");
    let run = run_folder(folder);
    ensure!(!run.exists(), "the demo left {}", run.display());
    Ok(())
}
