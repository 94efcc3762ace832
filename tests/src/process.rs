//! Processes that the harness started, told apart from others that have the same pid later.

use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

const POLL: Duration = Duration::from_millis(20);

/// A pid together with its start time: no other process ever has the same pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot.
    start_ticks: u64,
}

impl ProcessId {
    /// The process that has the pid now; `None` when there is none, or only a zombie.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command name may hold spaces and parentheses; the fields follow the last one.
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
        let (state, start_ticks) = (*fields.first()?, fields.get(19)?.parse().ok()?);
        (state != "Z" && state != "X").then_some(Self { pid, start_ticks })
    }

    /// This process.
    pub fn own() -> Self {
        let pid = i32::try_from(std::process::id()).expect("pids are below 2^22");
        Self::of(pid).expect("a running process has a stat file")
    }

    /// Still running.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal, unless the process is gone.
    pub fn signal(self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        // The descriptor pins the process: if it is still ours after opening, it is when signalled.
        if let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty())
            && self.is_alive()
        {
            let _ = pidfd_send_signal(&pidfd, signal);
        }
    }

    /// Waits until the process is gone. Whether it went in time.
    pub fn wait_gone(self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(POLL);
        }
        true
    }

    /// Ends the process: SIGTERM, and SIGKILL when it has not gone in time.
    pub fn terminate(self, grace: Duration) {
        self.signal(Signal::TERM);
        if !self.wait_gone(grace) {
            self.signal(Signal::KILL);
            self.wait_gone(Duration::from_secs(5));
        }
    }
}

/// Command name and pid, for people.
impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
        write!(f, "{} [{}]", name.trim(), self.pid)
    }
}

/// Running processes of a given program with a given text among their arguments. The text must
/// be one that only processes of this harness can have, such as a path in its own folder.
pub fn find(program: &str, argument: &str) -> Vec<ProcessId> {
    pids()
        .filter(|pid| runs(*pid, program, argument))
        .filter_map(ProcessId::of)
        .collect()
}

/// Running processes that started with a variable of this value: those of a run that was given
/// it, however deep, and the namespaces that they hold.
pub fn find_by_variable(name: &str, value: &Path) -> Vec<ProcessId> {
    let wanted = [name.as_bytes(), b"=", value.as_os_str().as_bytes()].concat();
    let carries = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == wanted)
    };
    pids().filter(carries).filter_map(ProcessId::of).collect()
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn runs(pid: i32, program: &str, argument: &str) -> bool {
    let Ok(command_line) = fs::read_to_string(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let mut arguments = command_line.split('\0');
    let name = arguments.next().map(Path::new).and_then(Path::file_name);
    name.is_some_and(|name| name == program) && arguments.any(|text| text.contains(argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_and_ended_and_nothing_else() {
        let mut child = std::process::Command::new("sleep")
            .arg("1000.25")
            .env("GRAVLENS_FIND", "/nowhere/1000.25")
            .spawn()
            .unwrap();
        let id = ProcessId::of(i32::try_from(child.id()).unwrap()).unwrap();
        let other = ProcessId {
            start_ticks: id.start_ticks + 1,
            ..id
        };
        other.signal(Signal::KILL);
        assert!(id.is_alive() && !other.is_alive());
        // The kernel lets the parent go on before the child's arguments are in place.
        let deadline = Instant::now() + Duration::from_secs(10);
        while find("sleep", "1000.25").is_empty() && Instant::now() < deadline {
            sleep(POLL);
        }
        assert_eq!(find("sleep", "1000.25"), [id]);
        let folder = Path::new("/nowhere/1000.25");
        assert_eq!(find_by_variable("GRAVLENS_FIND", folder), [id]);
        assert_eq!(find_by_variable("GRAVLENS_FIND", Path::new("/nowhere")), []);
        id.terminate(Duration::from_secs(5));
        assert!(!id.is_alive(), "a zombie counts as gone");
        child.wait().unwrap();
    }
}
