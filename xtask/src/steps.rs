//! A run of steps, each with a header and a deadline, and the table at its end.

mod failures;
mod follow;
mod processes;
mod supervise;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::run::{shown, workspace_root};
use follow::Follower;
use supervise::supervise;

pub(crate) use supervise::Outcome;

/// Names a file to which a suite appends a line for each thing that it ran in a shorter form.
const SHORTENED: &str = "GRAVLENS_SHORTENED";

/// One step: commands that run one after the other until one fails.
pub(crate) struct Step {
    /// What the step is called, on the command line too.
    pub(crate) name: &'static str,
    /// What it runs.
    pub(crate) commands: Vec<Command>,
    /// When it is ended, whatever it does.
    pub(crate) deadline: Duration,
    /// Steps without which it says nothing.
    pub(crate) needs: &'static [&'static str],
    /// Where its output is kept; it is shown all the same.
    pub(crate) log: Option<PathBuf>,
}

/// What became of a step.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
    log: Option<PathBuf>,
}

/// Runs all steps, the later ones too if one fails, within `total`; fails if any failed.
/// `left_out` says what the caller did not even ask for.
pub(crate) fn run_all(steps: Vec<Step>, total: Duration, left_out: &[String]) -> Result<()> {
    run_each(steps, total, left_out, |_| Ok(()))
}

/// Like [`run_all`]; calls `ran` after each step that was run.
pub(crate) fn run_each(
    steps: Vec<Step>,
    total: Duration,
    left_out: &[String],
    mut ran: impl FnMut(&Row) -> Result<()>,
) -> Result<()> {
    let started = Instant::now();
    let notes = fresh_notes()?;
    let mut rows: Vec<Row> = Vec::new();
    for step in steps {
        let row = match blocker(&step, &rows) {
            Some(name) => Row {
                name: step.name,
                outcome: Outcome::Failed(format!("not run: {name} failed")),
                seconds: 0.0,
                log: None,
            },
            None => {
                let row = run_step(step, total.saturating_sub(started.elapsed()), &notes)?;
                ran(&row)?;
                row
            }
        };
        rows.push(row);
    }
    print_shortened(left_out, &fs::read_to_string(&notes).unwrap_or_default());
    print_failures(&rows);
    conclude(&rows, started.elapsed())
}

fn blocker(step: &Step, rows: &[Row]) -> Option<&'static str> {
    let failed = |name: &str| {
        rows.iter()
            .any(|row| row.name == name && row.outcome != Outcome::Passed)
    };
    step.needs.iter().copied().find(|name| failed(name))
}

fn run_step(step: Step, left: Duration, notes: &PathBuf) -> Result<Row> {
    let deadline = step.deadline.min(left);
    println!(
        "\n===== {} (at most {} s) =====",
        step.name,
        deadline.as_secs()
    );
    let log = step.log.as_deref().map(fresh_log).transpose()?;
    let _shown = match &step.log {
        Some(path) => Some(Follower::start(File::open(path)?, step.name)),
        None => None,
    };
    let started = Instant::now();
    let mut outcome = Outcome::Passed;
    for mut command in step.commands {
        println!("+ {}", shown(&command));
        command.env(SHORTENED, notes);
        if let Some(log) = &log {
            command.stdout(log.try_clone()?).stderr(log.try_clone()?);
        }
        outcome = supervise(&mut command, deadline.saturating_sub(started.elapsed()))
            .with_context(|| format!("step {}", step.name))?;
        if outcome != Outcome::Passed {
            break;
        }
    }
    Ok(Row {
        name: step.name,
        outcome,
        seconds: started.elapsed().as_secs_f64(),
        log: step.log,
    })
}

fn fresh_log(path: &Path) -> Result<File> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| File::create(path))
        .with_context(|| format!("writing {}", path.display()))
}

fn fresh_notes() -> Result<PathBuf> {
    let folder = workspace_root().join("target/xtask");
    let notes = folder.join("shortened.txt");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&notes, ""))
        .with_context(|| format!("writing {}", notes.display()))?;
    Ok(notes)
}

/// Adds to what this run lists as shortened, for a process whose tests cannot write there.
pub(crate) fn note_shortened(line: &str) {
    let Some(notes) = std::env::var_os(SHORTENED) else {
        return;
    };
    let file = File::options().append(true).create(true).open(notes);
    if let Err(error) = file.and_then(|mut file| writeln!(file, "{line}")) {
        eprintln!("cannot note what was shortened: {error}");
    }
}

fn print_shortened(left_out: &[String], notes: &str) {
    println!("\nShortened in this run:");
    let lines: Vec<&str> = left_out
        .iter()
        .map(String::as_str)
        .chain(notes.lines())
        .collect();
    for line in &lines {
        println!("  {line}");
    }
    if lines.is_empty() {
        println!("  nothing");
    }
}

/// Repeats what failed: the step itself may stand thousands of lines above.
fn print_failures(rows: &[Row]) {
    let failed = rows.iter().filter(|row| row.outcome != Outcome::Passed);
    for (row, log) in failed.filter_map(|row| Some((row, row.log.as_ref()?))) {
        println!(
            "\n----- {} failed; all of it: {} -----",
            row.name,
            log.display()
        );
        let output = fs::read(log).unwrap_or_default();
        for line in failures::of(&String::from_utf8_lossy(&output)) {
            println!("{line}");
        }
    }
}

fn conclude(rows: &[Row], total: Duration) -> Result<()> {
    println!("\n{:<16} {:<6} {:>9}", "step", "result", "seconds");
    for row in rows {
        let (result, why) = match &row.outcome {
            Outcome::Passed => ("pass", ""),
            Outcome::Failed(why) => ("FAIL", why.as_str()),
        };
        let line = format!("{:<16} {result:<6} {:>9.1}  {why}", row.name, row.seconds);
        println!("{}", line.trim_end());
    }
    println!("{:<16} {:<6} {:>9.1}\n", "total", "", total.as_secs_f64());
    let failed: Vec<&str> = rows
        .iter()
        .filter(|row| row.outcome != Outcome::Passed)
        .map(|row| row.name)
        .collect();
    println!(
        "steps: {} passed, {} failed",
        rows.len() - failed.len(),
        failed.len()
    );
    if !failed.is_empty() {
        bail!(
            "failed: {}; each step's command stands under its header",
            failed.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &'static str, script: &str, needs: &'static [&'static str]) -> Step {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Step {
            name,
            commands: vec![command],
            deadline: Duration::from_secs(20),
            needs,
            log: None,
        }
    }

    #[test]
    fn what_a_step_prints_is_kept() {
        let folder = std::env::temp_dir().join(format!("gravlens-log-{}", std::process::id()));
        let log = folder.join("step.log");
        let mut step = step("say", "echo one; echo two", &[]);
        step.log = Some(log.clone());
        let row = run_step(step, Duration::MAX, &folder.join("notes")).unwrap();
        assert_eq!(row.outcome, Outcome::Passed);
        assert_eq!(fs::read_to_string(&log).unwrap(), "one\ntwo\n");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_failed_step_blocks_only_those_that_need_it() {
        let notes = std::env::temp_dir().join("gravlens-xtask-steps-test");
        let rows = vec![
            run_step(step("build", "exit 3", &[]), Duration::MAX, &notes).unwrap(),
            run_step(step("lint", "exit 0", &[]), Duration::MAX, &notes).unwrap(),
        ];
        assert_eq!(
            rows[0].outcome,
            Outcome::Failed("exit status: 3".to_owned())
        );
        assert_eq!(
            blocker(&step("suite", "", &["lint", "build"]), &rows),
            Some("build")
        );
        assert_eq!(blocker(&step("suite", "", &["lint"]), &rows), None);
        assert!(conclude(&rows, Duration::ZERO).is_err());
    }
}
