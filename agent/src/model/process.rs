//! A process as the process table keeps it: one value per executed image.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Path;
use super::event::Endpoint;

/// Identity of one executed image, unique over the life of the kernel.
///
/// The pid alone is reused; the leader's start time tells apart two processes with the same pid,
/// and the kernel's `self_exec_id` tells apart two images that ran in the same process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecId {
    /// Thread group id in the initial pid namespace.
    pub tgid: u32,
    /// Boot time at which the thread group leader started, in nanoseconds.
    pub start_boottime_ns: u64,
    /// Low 32 bits of the kernel's `task_struct.self_exec_id`: how many images ran before.
    pub exec_seq: u32,
}

/// User and group ids, in the initial user namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Audit login user id; `None` when unset (the kernel's 4294967295).
    pub login_uid: Option<u32>,
}

/// Capability sets as bit masks, bit n being capability number n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Capabilities in force.
    pub effective: u64,
    /// Capabilities that may be made effective.
    pub permitted: u64,
    /// Capabilities kept over an exec.
    pub inheritable: u64,
}

/// Where an executable's inode lives on an overlay filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The image's own file.
    Lower,
    /// The image's file, copied to the upper layer by a change.
    CopiedUp,
    /// A file that exists in no image layer: dropped at run time.
    UpperOnly,
}

/// What is known of the executed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExeFile {
    /// Resolved path, relative to the container's root.
    pub path: Path<Box<[u8]>>,
    /// Inode number.
    pub inode: u64,
    /// Device number in the kernel's internal encoding (major << 20 | minor).
    pub device: u32,
    /// Overlay layer, `None` when not on overlayfs or when the kernel does not tell.
    pub layer: Option<Layer>,
    /// The file lives in memory only (`memfd_create`).
    pub memfd: bool,
    /// The file had no name left when it was executed.
    pub unlinked: bool,
}

/// Process group and session, by the pids of their leaders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Process group, in the initial pid namespace.
    pub group: u32,
    /// Session, in the initial pid namespace.
    pub session: u32,
    /// Process group in the process's own pid namespace; zero when its leader is outside of it.
    pub own_group: u32,
    /// Session in the process's own pid namespace; zero when its leader is outside of it.
    pub own_session: u32,
}

/// Controlling terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tty {
    /// Device major number.
    pub major: u32,
    /// Device minor number.
    pub minor: u32,
}

/// What one of the file descriptors 0 to 2 was at exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StdioKind {
    /// The descriptor is closed.
    Closed,
    /// Regular file or directory.
    File,
    /// Character device: a terminal, `/dev/null`.
    CharDevice,
    /// Pipe or fifo.
    Pipe,
    /// Socket with its two ends, as far as it has them.
    Socket(Box<Endpoint>),
    /// Anything else (eventfd, epoll, ...).
    Other,
}

/// One standard stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stdio {
    /// What the descriptor points to.
    pub kind: StdioKind,
    /// Inode number: two ends of one pipe share it. Zero only when closed.
    pub inode: u64,
}

/// The environment that a program was started with, as far as it was captured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The variables as `NAME=value`, joined by spaces.
    text: Box<[u8]>,
    /// Where each of them begins.
    starts: Box<[u16]>,
    /// There was more of it.
    pub truncated: bool,
}

impl Environment {
    /// Takes variables of which each has a zero behind it. What lies beyond 64 KiB is left out.
    pub fn new(bytes: &[u8], truncated: bool) -> Self {
        let kept = &bytes[..bytes.len().min(usize::from(u16::MAX))];
        let mut text = Vec::with_capacity(kept.len());
        let mut starts = Vec::new();
        for variable in kept.split(|byte| *byte == 0) {
            if variable.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push(b' ');
            }
            starts.push(u16::try_from(text.len()).expect("no text is longer than what is kept"));
            text.extend_from_slice(variable);
        }
        Self {
            text: text.into(),
            starts: starts.into(),
            truncated: truncated || kept.len() < bytes.len(),
        }
    }

    /// All variables, joined by spaces.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Value of the first variable of that name.
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let ends = self.starts.iter().skip(1).map(|start| start - 1);
        let ends = ends.map(usize::from).chain([self.text.len()]);
        self.starts
            .iter()
            .zip(ends)
            .map(|(&start, end)| &self.text[usize::from(start)..end])
            .find_map(|variable| variable.strip_prefix(name)?.strip_prefix(b"="))
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.starts)
    }
}

/// The program that a process runs, as it was started. Processes that fork share it.
#[derive(Debug, Default)]
pub struct Image {
    /// It was told by an exec, a fork or the task iterator. False for a stand-in, which is empty
    /// but for the command name.
    pub known: bool,
    /// Executed file; `None` for kernel threads and when it could not be read.
    pub exe: Option<ExeFile>,
    /// The name passed to execve; for scripts the script's own path.
    pub filename: Box<[u8]>,
    /// Interpreter when it differs from `filename`.
    pub interpreter: Option<Box<[u8]>>,
    /// Arguments, the program's own name first.
    pub argv: Vec<Box<[u8]>>,
    /// More arguments existed than were captured (32 KiB) or kept.
    pub argv_truncated: bool,
    /// Command name at exec and the arguments after `argv[0]`, joined by spaces: Falco's
    /// `proc.cmdline`.
    pub cmdline: Box<[u8]>,
    /// Where the arguments begin in `cmdline`.
    pub args_start: usize,
    /// Working directory at exec.
    pub cwd: Path<Box<[u8]>>,
    /// Environment at exec; `None` when no rule asked for it, and for processes that started before
    /// the agent.
    pub environment: Option<Environment>,
    /// File descriptors 0, 1 and 2 at exec; `None` when not captured (processes that started
    /// before the agent).
    pub stdio: Option<[Stdio; 3]>,
    /// What keeping it costs; `None` while nobody counts.
    pub charge: Option<Charge>,
}

impl Image {
    /// Argument bytes after `argv[0]`, joined by spaces: Falco's `proc.args`.
    pub fn args(&self) -> &[u8] {
        self.cmdline.get(self.args_start..).unwrap_or_default()
    }
}

/// Bytes that count against a budget until they are dropped, whoever holds them last.
#[derive(Debug)]
pub struct Charge {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Charge {
    /// Adds the bytes to what is in use.
    pub fn new(used: &Arc<AtomicUsize>, bytes: usize) -> Self {
        used.fetch_add(bytes, Ordering::Relaxed);
        Self {
            used: Arc::clone(used),
            bytes,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// One process that runs one image. Shared by reference between the process table, its children's
/// ancestry and events under way, so it is immutable: a credential change makes a new version.
#[derive(Clone, Debug)]
pub struct Process {
    /// Identity.
    pub exec_id: ExecId,
    /// The parent as it was when this process was forked; `None` at the top of the tree, when the
    /// parent is not known, and where the table cuts a long ancestry.
    pub parent: Option<Arc<Process>>,
    /// Number of ancestors behind `parent`, itself included.
    pub depth: u16,
    /// Parent's thread group id, known even where `parent` is not.
    pub parent_tgid: u32,
    /// Process id inside its own pid namespace.
    pub vpid: Option<u32>,
    /// cgroup v2 id.
    pub cgroup_id: u64,
    /// Command name: at most 15 bytes, Falco's `proc.name`.
    pub comm: Box<[u8]>,
    /// The program that it runs.
    pub image: Arc<Image>,
    /// Process group and session, as of the last exec, fork or change of credentials; `None` when
    /// not known.
    pub groups: Option<Groups>,
    /// Controlling terminal.
    pub tty: Option<Tty>,
    /// Current credentials; `None` when not known.
    pub ids: Option<Ids>,
    /// Current capabilities; `None` when not known.
    pub capabilities: Option<Capabilities>,
    /// Inode number of the pid namespace, zero when not known.
    pub pid_namespace: u32,
    /// Inode number of the mount namespace, zero when not known.
    pub mount_namespace: u32,
    /// Found by the task iterator, not by its own exec event.
    pub seen_late: bool,
}

impl Process {
    /// The process is known by its exec id. False for the stand-in of a process of which nothing
    /// but a thread and a cgroup is known: its exec id holds the thread.
    pub fn is_identified(&self) -> bool {
        self.exec_id.start_boottime_ns != 0
    }

    /// Ancestors, nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = &Process> {
        std::iter::successors(self.parent.as_deref(), |process| process.parent.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_by_their_whole_name() {
        let environment = Environment::new(b"PATH=/bin\0\0A=x y\0AB=\0A=second\0odd\0CUT=", true);
        assert_eq!(environment.text(), b"PATH=/bin A=x y AB= A=second odd CUT=");
        for (name, value) in [
            ("PATH", Some("/bin")),
            ("A", Some("x y")),
            ("AB", Some("")),
            ("CUT", Some("")),
            ("odd", None),
            ("y", None),
            ("", None),
        ] {
            let found = environment.value(name.as_bytes());
            assert_eq!(found, value.map(str::as_bytes), "{name}");
        }
        assert!(environment.truncated);
        assert!(!Environment::new(b"A=b\0", false).truncated);
        assert_eq!(Environment::new(b"", false), Environment::default());
    }

    #[test]
    fn an_environment_beyond_all_bounds_is_cut() {
        let environment = Environment::new(&[b'x'; 70_000], false);
        assert!(environment.truncated);
        assert_eq!(environment.text().len(), usize::from(u16::MAX));
    }
}
