//! One command under a deadline.

use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use super::processes::{self, Marker};
use crate::run::shown;

const POLL: Duration = Duration::from_millis(50);
/// Between asking processes to end and ending them.
const GRACE: Duration = Duration::from_secs(10);

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed(String),
}

/// Runs a command with its output untouched. Ends it, and all that it started, at the deadline;
/// what it left running when it ended by itself is named and ended too.
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
            end_leftovers(&marker, &mut child);
            return Ok(if status.success() {
                Outcome::Passed
            } else {
                Outcome::Failed(status.to_string())
            });
        }
        thread::sleep(POLL);
    }
    end_all(&marker, &mut child);
    child.wait()?;
    Ok(Outcome::Failed(format!(
        "ended after {:.0} s: deadline",
        started.elapsed().as_secs_f64()
    )))
}

/// A compiler cache serves later builds; everything else that outlives its step is a leak.
fn end_leftovers(marker: &Marker, child: &mut Child) {
    let left: Vec<String> = processes::marked(marker, None)
        .into_iter()
        .map(|pid| format!("{} ({})", processes::name(pid), pid.as_raw_nonzero()))
        .filter(|name| !name.starts_with("sccache"))
        .collect();
    if left.is_empty() {
        return;
    }
    println!("left running, now ended: {}", left.join(", "));
    end_all(marker, child);
}

fn end_all(marker: &Marker, child: &mut Child) {
    let root = rustix::process::Pid::from_child(child);
    for signal in [Signal::TERM, Signal::KILL] {
        let asked = Instant::now();
        for pid in processes::marked(marker, Some(root)) {
            let _ = rustix::process::kill_process(pid, signal); // it may be gone by now
        }
        while asked.elapsed() < GRACE {
            let _ = child.try_wait(); // reaps it, so that it counts as gone
            if processes::marked(marker, Some(root)).is_empty() {
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
    fn what_a_command_leaves_behind_is_ended() {
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'sleep 61; true' &"]);
        let outcome = supervise(&mut command, Duration::from_secs(20)).unwrap();
        assert_eq!(outcome, Outcome::Passed);
        let own = Marker::new(&format!("{}.", process::id()));
        assert!(processes::marked(&own, None).is_empty());
    }
}
