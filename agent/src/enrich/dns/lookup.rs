//! Reads the resolvers of a container from its own root, off the data path.
//!
//! The file is written by whoever may write in the container, so nothing of it is trusted: links
//! are resolved inside its root, only a regular file is opened, a bounded part of it is read, and
//! a file system that does not answer takes one of a few places.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::resolv_conf::{name_servers, uses_systemd_resolved};
use super::{Owner, ResolverMessage, ResolverRequest};
use crate::telemetry::{Counter, Failure};

const FILE: &str = "etc/resolv.conf";
/// The servers that systemd-resolved itself asks.
const UPSTREAM_FILE: &str = "run/systemd/resolve/resolv.conf";
/// Bytes of a file that are read.
const MAX_BYTES: u64 = 64 * 1024;
/// Look-ups at a time.
const PLACES: usize = 8;
/// Longest wait for one; its place stays taken until it ends.
const LIMIT: Duration = Duration::from_secs(2);
/// cgroups below the container's own that are searched for a process.
const MAX_CGROUPS: usize = 256;
/// Processes among which the oldest is looked for.
const MAX_PROCESSES: usize = 4096;
/// Place of the start time in `/proc/PID/stat`, counted from the state, which follows the name.
const START_TIME: usize = 19;

struct LookUpFailed {
    owner: Owner,
    error: io::Error,
}

impl Failure for LookUpFailed {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("resolver_lookup_failed");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "The resolvers of a container are not known: its addresses get no names.",
            owner = ?self.owner,
            error = %self.error,
            total
        );
    }
}

/// Answers requests until nobody asks any more. `cgroups` is the mount point of the hierarchy.
pub async fn run(
    cgroups: PathBuf,
    mut requests: mpsc::Receiver<ResolverRequest>,
    messages: mpsc::Sender<ResolverMessage>,
) {
    let places = Arc::new(Semaphore::new(PLACES));
    while let Some(request) = requests.recv().await {
        let (cgroups, places, messages) = (cgroups.clone(), places.clone(), messages.clone());
        tokio::spawn(async move {
            let owner = request.owner;
            let servers = match look_up(cgroups, request, places).await {
                Ok(servers) => Some(servers),
                Err(error) => {
                    LookUpFailed { owner, error }.emit();
                    None
                }
            };
            // Detection has ended when nobody receives.
            let _ = messages.send(ResolverMessage { owner, servers }).await;
        });
    }
}

async fn look_up(
    cgroups: PathBuf,
    request: ResolverRequest,
    places: Arc<Semaphore>,
) -> io::Result<Vec<IpAddr>> {
    let found = async {
        let place = places.acquire_owned().await.map_err(io::Error::other)?;
        let found = tokio::task::spawn_blocking(move || {
            let _place = place;
            read(&cgroups, &request)
        });
        found.await.map_err(io::Error::other)?
    };
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    timeout(LIMIT, found).await.map_err(late)?
}

fn read(cgroups: &Path, request: &ResolverRequest) -> io::Result<Vec<IpAddr>> {
    let pid = match &request.cgroup_path {
        // The node's first process.
        None => 1,
        Some(path) => oldest_process(&cgroups.join(path.trim_start_matches('/')))?,
    };
    let root = format!("/proc/{pid}/root");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, root, flags, Mode::empty())?;
    configured(&root)
}

/// The resolvers that are configured below a root.
fn configured(root: &OwnedFd) -> io::Result<Vec<IpAddr>> {
    let mut servers = name_servers(&contents(root, FILE)?);
    if uses_systemd_resolved(&servers)
        && let Ok(upstream) = contents(root, UPSTREAM_FILE)
    {
        servers.extend(name_servers(&upstream));
    }
    Ok(servers)
}

/// The beginning of a regular file below a root.
fn contents(root: &OwnedFd, path: &str) -> io::Result<Vec<u8>> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    // Opening a device or a pipe may do something or wait for somebody; looking at it does not.
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let seen = openat2(root, path, flags, Mode::empty(), resolve)?;
    if FileType::from_raw_mode(fstat(&seen)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = File::open(format!("/proc/self/fd/{}", seen.as_raw_fd()))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The container's oldest process, which its runtime has started: a later one may have made a file
/// system of its own.
fn oldest_process(cgroup: &Path) -> io::Result<u32> {
    let mut oldest: Option<(u64, u32)> = None;
    let mut searched = 0;
    let mut seen = 0;
    let mut level = vec![cgroup.to_owned()];
    while oldest.is_none() && !level.is_empty() {
        let mut below = Vec::new();
        for cgroup in level {
            searched += 1;
            if searched > MAX_CGROUPS || seen > MAX_PROCESSES {
                break;
            }
            let processes = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
            for pid in processes.lines().filter_map(|line| line.parse().ok()) {
                seen += 1;
                let found = start_time(pid).map(|start| (start, pid));
                oldest = [oldest, found].into_iter().flatten().min();
            }
            below.extend(directories(&cgroup));
        }
        level = below;
    }
    let (_, pid) = oldest.ok_or_else(|| io::Error::other("it has no process"))?;
    Ok(pid)
}

fn directories(cgroup: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(cgroup).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .take(MAX_CGROUPS)
}

/// When a process started, in clock ticks since boot.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold any byte.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let value = rest.split_ascii_whitespace().nth(START_TIME)?;
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root(directory: &Path) -> OwnedFd {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(CWD, directory, flags, Mode::empty()).unwrap()
    }

    fn put(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn links_stay_inside_the_root() {
        let outer = tempfile::tempdir().unwrap();
        put(&outer.path().join("evil"), "nameserver 6.6.6.6\n");
        let inner = outer.path().join("inner");
        put(&inner.join("run/resolv.conf"), "nameserver 10.0.0.1\n");
        fs::create_dir_all(inner.join("etc")).unwrap();
        let link = inner.join(FILE);
        symlink("../run/resolv.conf", &link).unwrap();
        let servers = configured(&root(&inner)).unwrap();
        assert_eq!(servers, ["10.0.0.1".parse::<IpAddr>().unwrap()]);

        for target in ["../../evil", "/proc/self/root/etc/hostname"] {
            fs::remove_file(&link).unwrap();
            symlink(target, &link).unwrap();
            assert!(configured(&root(&inner)).is_err(), "{target}");
        }
    }

    #[test]
    fn only_a_regular_file_is_opened_and_a_part_of_it_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        fs::create_dir_all(&file).unwrap();
        assert!(configured(&root(directory.path())).is_err());
        fs::remove_dir(&file).unwrap();
        rustix::fs::mkfifoat(CWD, &file, Mode::RUSR).unwrap();
        assert!(configured(&root(directory.path())).is_err());
        fs::remove_file(&file).unwrap();
        put(&file, &"#".repeat(MAX_BYTES as usize * 2));
        let bytes = contents(&root(directory.path()), FILE).unwrap();
        assert_eq!(bytes.len() as u64, MAX_BYTES);
    }

    #[test]
    fn the_servers_behind_systemd_resolved_are_configured_too() {
        let directory = tempfile::tempdir().unwrap();
        put(&directory.path().join(FILE), "nameserver 127.0.0.53\n");
        put(
            &directory.path().join(UPSTREAM_FILE),
            "nameserver 192.0.2.1\n",
        );
        let servers = configured(&root(directory.path())).unwrap();
        let expected: [IpAddr; 2] = ["127.0.0.53", "192.0.2.1"].map(|ip| ip.parse().unwrap());
        assert_eq!(servers, expected);
    }

    #[test]
    fn the_start_of_a_process_is_known() {
        assert!(start_time(std::process::id()).unwrap() >= start_time(1).unwrap());
        assert!(start_time(u32::MAX).is_none());
    }
}
