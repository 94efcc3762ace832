//! What a run leaves behind, and how each of it is undone.
//!
//! A [`Leftover`] is data, not code, and is written to a journal before the thing exists. Its
//! guard undoes it when dropped; SIGINT, SIGTERM and SIGHUP undo all, newest first; and the next
//! run undoes what the journal of a killed run still lists.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::process::ProcessId;
use crate::{cgroup, container, engine, runtime};

/// Something that must not outlive the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leftover {
    /// A process.
    Process(ProcessId),
    /// A Docker Engine with all that it started.
    Engine {
        /// dockerd.
        dockerd: ProcessId,
        /// Folder of its sockets and run-time state.
        run_dir: PathBuf,
    },
    /// A container.
    Container {
        /// Socket of its engine.
        socket: PathBuf,
        /// Its name or id.
        id: String,
    },
    /// A cgroup with all below it and all processes in it.
    Cgroup(PathBuf),
    /// A file or a folder.
    Path(PathBuf),
    /// A mount.
    Mount(PathBuf),
}

impl Leftover {
    fn undo(&self) {
        let result = match self {
            Self::Process(process) => {
                process.terminate(Duration::from_secs(5));
                Ok(())
            }
            Self::Engine { dockerd, run_dir } => engine::take_down(*dockerd, run_dir),
            Self::Container { socket, id } => container::remove(socket, id),
            Self::Cgroup(path) => cgroup::remove_tree(path),
            Self::Path(path) => remove_path(path),
            Self::Mount(path) => unmount(path),
        };
        if let Err(error) = result {
            eprintln!("cannot undo {self:?}: {error:#}");
        }
    }
}

fn unmount(path: &Path) -> Result<()> {
    match rustix::mount::unmount(path, UnmountFlags::DETACH) {
        // It is no mount, or not there.
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn remove_path(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[derive(Default)]
struct Registry {
    open: Vec<(u64, Leftover)>,
    next_key: u64,
    journal: Option<PathBuf>,
    interrupted: bool,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    open: Vec::new(),
    next_key: 0,
    journal: None,
    interrupted: false,
});

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    fn write_journal(&self) {
        let Some(journal) = &self.journal else {
            return;
        };
        if self.open.is_empty() {
            let _ = fs::remove_file(journal);
            return;
        }
        let open: Vec<&Leftover> = self.open.iter().map(|(_, leftover)| leftover).collect();
        let text = serde_json::to_vec(&open).unwrap_or_default();
        let draft = journal.with_extension("new");
        if let Err(error) = fs::write(&draft, text).and_then(|()| fs::rename(&draft, journal)) {
            eprintln!("cannot write {}: {error}", journal.display());
        }
    }
}

/// Undoes one leftover when dropped.
#[derive(Debug)]
#[must_use = "dropping the guard undoes at once"]
pub struct Guard(u64);

impl Guard {
    /// The thing is already gone: nothing is left to undo.
    pub fn forget(self) {
        let mut registry = registry();
        registry.open.retain(|(key, _)| *key != self.0);
        registry.write_journal();
        drop(registry);
        std::mem::forget(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let leftover = {
            let registry = registry();
            if registry.interrupted {
                return; // the interruption undoes all
            }
            let at = registry.open.iter().position(|(key, _)| *key == self.0);
            at.map(|at| registry.open[at].1.clone())
        };
        if let Some(leftover) = leftover {
            leftover.undo();
            let mut registry = registry();
            registry.open.retain(|(key, _)| *key != self.0);
            registry.write_journal();
        }
    }
}

/// Registers what is about to exist.
pub fn register(leftover: Leftover) -> Guard {
    let mut registry = registry();
    if registry.interrupted {
        drop(registry);
        leftover.undo();
        wait_for_exit();
    }
    registry.next_key += 1;
    let key = registry.next_key;
    registry.open.push((key, leftover));
    registry.write_journal();
    Guard(key)
}

/// Called before a program ends by itself: if it was interrupted, what it worked with is being
/// taken away from it, and it is the interruption that ends it.
pub fn yield_to_interruption() {
    if registry().interrupted {
        wait_for_exit();
    }
}

fn wait_for_exit() -> ! {
    loop {
        std::thread::park();
    }
}

/// Undoes what killed runs left, and starts this run's journal, in the folder given.
pub fn open_journal(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    reap(folder);
    let own = serde_json::to_string(&ProcessId::own())?;
    registry().journal = Some(folder.join(format!("{}.json", encode(&own))));
    watch_signals();
    Ok(())
}

/// A file name that holds the owner's process id.
fn encode(own: &str) -> String {
    own.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(name: &str) -> Option<ProcessId> {
    let bytes: Option<Vec<u8>> = (0..name.len() / 2)
        .map(|i| u8::from_str_radix(name.get(2 * i..2 * i + 2)?, 16).ok())
        .collect();
    serde_json::from_slice(&bytes?).ok()
}

fn reap(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(io::Result::ok) {
        let path = entry.path();
        let owner = path.file_stem().and_then(|stem| decode(stem.to_str()?));
        if owner.is_some_and(ProcessId::is_alive) {
            continue;
        }
        let text = fs::read(&path).unwrap_or_default();
        let left: Vec<Leftover> = serde_json::from_slice(&text).unwrap_or_default();
        if !left.is_empty() {
            eprintln!("undoing what a killed run left ({} things)", left.len());
        }
        left.iter().rev().for_each(Leftover::undo);
        let _ = fs::remove_file(&path);
    }
}

/// Undoes everything on the usual signals, then exits as the shell expects.
fn watch_signals() {
    for (kind, number) in [
        (SignalKind::interrupt(), 2),
        (SignalKind::terminate(), 15),
        (SignalKind::hangup(), 1),
    ] {
        runtime::runtime().spawn(async move {
            let Ok(mut signals) = signal(kind) else {
                return;
            };
            signals.recv().await;
            let _ = tokio::task::spawn_blocking(undo_all).await;
            std::process::exit(128 + number);
        });
    }
}

fn undo_all() {
    let open = {
        let mut registry = registry();
        if std::mem::replace(&mut registry.interrupted, true) {
            return;
        }
        registry.open.clone()
    };
    eprintln!("interrupted: cleaning up");
    for (_, leftover) in open.iter().rev() {
        leftover.undo();
    }
    let mut registry = registry();
    registry.open.clear();
    registry.write_journal();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_undoes_what_a_killed_one_left() {
        let folder = std::env::temp_dir().join(format!("gravlens-undo-{}", std::process::id()));
        fs::create_dir_all(folder.join("journal")).unwrap();
        fs::write(folder.join("left"), "x").unwrap();
        fs::write(folder.join("kept"), "x").unwrap();
        let mut dead = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let owner = ProcessId::of(i32::try_from(dead.id()).unwrap()).unwrap();
        dead.kill().unwrap();
        dead.wait().unwrap();
        let entry = |process: &ProcessId, name: &str| {
            let file = encode(&serde_json::to_string(process).unwrap());
            let left = vec![Leftover::Path(folder.join(name))];
            let text = serde_json::to_vec(&left).unwrap();
            fs::write(folder.join(format!("journal/{file}.json")), text).unwrap();
        };
        entry(&owner, "left");
        entry(&ProcessId::own(), "kept");
        reap(&folder.join("journal"));
        assert!(!folder.join("left").exists());
        assert!(folder.join("kept").exists(), "its run still lives");
        assert_eq!(fs::read_dir(folder.join("journal")).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
