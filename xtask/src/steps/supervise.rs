//! One command under a deadline.

use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal};

use super::processes::{self, Marker};
use crate::run::shown;

const POLL: Duration = Duration::from_millis(50);
/// Between asking processes to end and ending them.
const GRACE: Duration = Duration::from_secs(10);
/// What ends by itself within this after its step is ending, not left behind.
const ENDING: Duration = Duration::from_secs(2);

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
}

/// Runs a command with its output untouched. Ends it, and all that it started, at the deadline;
/// what it left running when it ended by itself is ended too and makes it fail.
pub(super) fn supervise(command: &mut Command, deadline: Duration) -> Result<Outcome> {
    static RUN: AtomicU32 = AtomicU32::new(0);
    let run = RUN.fetch_add(1, Ordering::Relaxed);
    let marker = Marker::new(&format!("{}.{run}", process::id()));
    let started = Instant::now();
    let mut child = command
        .env(Marker::VARIABLE, marker.value())
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("could not start `{}`", shown(command)))?;
    while started.elapsed() < deadline {
        if let Some(status) = child.try_wait()? {
            let left = end_leftovers(&marker);
            return Ok(match (status.success(), left) {
                (true, None) => Outcome::Passed,
                (true, Some(left)) => Outcome::Failed(left),
                (false, None) => Outcome::Failed(status.to_string()),
                (false, Some(left)) => Outcome::Failed(format!("{status}; {left}")),
            });
        }
        thread::sleep(POLL);
    }
    let root = Pid::from_child(&child);
    end_all(|| {
        let _ = child.try_wait(); // reaps it, so that it counts as gone
        processes::marked(&marker, Some(root))
    });
    child.wait()?;
    Ok(Outcome::Failed(format!(
        "ended after {:.0} s: deadline",
        started.elapsed().as_secs_f64()
    )))
}

/// Ends what outlived its step, and says what it was.
fn end_leftovers(marker: &Marker) -> Option<String> {
    let ended = Instant::now();
    let mut left = leaks(marker);
    while !left.is_empty() && ended.elapsed() < ENDING {
        thread::sleep(POLL);
        left = leaks(marker);
    }
    let names: Vec<String> = left
        .into_iter()
        .map(|pid| format!("{} ({})", processes::name(pid), pid.as_raw_nonzero()))
        .collect();
    if names.is_empty() {
        return None;
    }
    end_all(|| leaks(marker));
    Some(format!("left running: {}", names.join(", ")))
}

/// A compiler cache serves later builds; everything else that outlives its step is a leak.
fn leaks(marker: &Marker) -> Vec<Pid> {
    let mut left = processes::marked(marker, None);
    left.retain(|pid| !processes::name(*pid).starts_with("sccache"));
    left
}

fn end_all(mut living: impl FnMut() -> Vec<Pid>) {
    for signal in [Signal::TERM, Signal::KILL] {
        let asked = Instant::now();
        for pid in living() {
            let _ = rustix::process::kill_process(pid, signal); // it may be gone by now
        }
        while asked.elapsed() < GRACE {
            if living().is_empty() {
                return;
            }
            thread::sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_ends_orphans_too() {
        let mut command = Command::new("sh");
        // The inner shell's parent ends at once, so nothing but the marker ties it to the step.
        command.args(["-c", "(sh -c 'sleep 60; true' &); sleep 60; true"]);
        let started = Instant::now();
        let outcome = supervise(&mut command, Duration::from_millis(400)).unwrap();
        assert!(matches!(outcome, Outcome::Failed(why) if why.contains("deadline")));
        assert!(started.elapsed() < Duration::from_secs(9));
    }

    #[test]
    fn what_a_command_leaves_behind_is_ended_and_fails_it() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 61 &"]);
        let outcome = supervise(&mut command, Duration::from_secs(20)).unwrap();
        let Outcome::Failed(why) = outcome else {
            panic!("passed, with a process left running");
        };
        let pid = why.strip_prefix("left running: sleep (").unwrap();
        let pid = pid.strip_suffix(')').unwrap();
        let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!command_line.starts_with(b"sleep"), "{why}");
    }

    #[test]
    fn what_is_just_ending_is_not_left_behind() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 0.3 &"]);
        let outcome = supervise(&mut command, Duration::from_secs(20)).unwrap();
        assert_eq!(outcome, Outcome::Passed);
    }
}
