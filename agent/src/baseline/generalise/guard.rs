//! Objects that are never generalised.
//!
//! What an attacker is after, and what gives a way out of a container or back into it: that one of
//! them was used says nothing of the next, however many there were. Types that the form alone tells
//! (the process in `/proc/{pid}/mem`) are types here too; values stay as they are.

mod list;

use self::list::{ANYWHERE, BELOW, Entry, HIDDEN, OTHER_PROCESS, SOCKETS};

/// Why an object is never generalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardReason {
    /// The entry of the list. `*` is any segment or the rest of one, `**` any number of segments
    /// from one on.
    pub pattern: &'static str,
    /// The reason, for people.
    pub why: &'static str,
}

/// The entry for a path, raw or in the text of [`super::path::Segments`]. The pid of another
/// process is one that is neither `self` nor 1: whose it is, the path does not tell.
pub fn of(path: &[u8]) -> Option<GuardReason> {
    let below_root = path.strip_prefix(b"/");
    // The one is a link to the other.
    let below_root = below_root.map(|path| match path.strip_prefix(b"var/run/") {
        Some(_) => &path[b"var/".len()..],
        None => path,
    });
    below_root
        .and_then(in_directory)
        .or_else(|| floating(path))
        .or_else(|| socket(path))
}

/// Every entry.
pub fn entries() -> impl Iterator<Item = GuardReason> {
    let below = BELOW.iter().flat_map(|(_, entries)| *entries);
    below
        .chain(OTHER_PROCESS)
        .chain(HIDDEN)
        .chain(ANYWHERE)
        .chain(SOCKETS)
        .map(Entry::reason)
}

fn in_directory(path: &[u8]) -> Option<GuardReason> {
    let (rest, entries) = BELOW.iter().find_map(|(directory, entries)| {
        let rest = path.strip_prefix(directory.as_bytes())?;
        Some((rest.strip_prefix(b"/")?, *entries))
    })?;
    first(entries, rest).or_else(|| {
        let in_process = rest.iter().position(|byte| *byte == b'/')?;
        let other = path.starts_with(b"proc/") && is_other(&rest[..in_process]);
        other.then(|| first(OTHER_PROCESS, &rest[in_process + 1..]))?
    })
}

/// An entry that may begin with any segment: with a hidden name, or with one of few letters.
fn floating(path: &[u8]) -> Option<GuardReason> {
    let mut rest = path;
    loop {
        let found = match rest.first()? {
            b'.' => first(HIDDEN, rest),
            b'k' | b'r' => first(ANYWHERE, rest),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        let slash = rest.iter().position(|byte| *byte == b'/')?;
        rest = &rest[slash + 1..];
    }
}

fn socket(path: &[u8]) -> Option<GuardReason> {
    if !path.ends_with(b".sock") {
        return None;
    }
    first(SOCKETS, path.rsplit(|byte| *byte == b'/').next()?)
}

/// Whether that is the pid of a process that is not the first.
fn is_other(segment: &[u8]) -> bool {
    segment == b"{pid}"
        || (segment != b"1" && !segment.is_empty() && segment.iter().all(u8::is_ascii_digit))
}

fn first(entries: &'static [Entry], path: &[u8]) -> Option<GuardReason> {
    entries
        .iter()
        .find(|entry| path.starts_with(entry.literal.as_bytes()) && fits(entry.below, path))
        .map(Entry::reason)
}

/// Whether a path fits an entry.
fn fits(pattern: &str, path: &[u8]) -> bool {
    let mut segments = path.split(|byte| *byte == b'/');
    for wanted in pattern.split('/') {
        let Some(segment) = segments.next() else {
            return false;
        };
        let fits = match wanted {
            "**" => return !segment.is_empty(),
            _ => match wanted.strip_suffix('*') {
                Some(start) => segment.starts_with(start.as_bytes()),
                None => segment == wanted.as_bytes(),
            },
        };
        if !fits {
            return false;
        }
    }
    segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guarded(path: &str) -> bool {
        of(path.as_bytes()).is_some()
    }

    #[test]
    fn what_an_attacker_is_after_is_on_the_list() {
        for path in [
            "/etc/shadow",
            "/etc/gshadow-",
            "/etc/sudoers",
            "/etc/sudoers.d/90-cloud",
            "/etc/ssh/ssh_host_ed25519_key",
            "/root/.ssh/id_ed25519",
            "/home/user1/.ssh/authorized_keys",
            "/srv/git/.ssh/authorized_keys2",
            "/root/.aws/credentials",
            "/root/.config/gcloud/credentials.db",
            "/home/a/.azure/accessTokens.json",
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "/run/secrets/kubernetes.io/serviceaccount/ca.crt",
            "/run/secrets/db_password",
            "/root/.docker/config.json",
            "/home/a/.netrc",
            "/home/a/.pgpass",
            "/home/a/.kube/config",
            "/proc/1/environ",
            "/proc/1/root/etc/hostname",
            "/proc/4242/mem",
            "/proc/{pid}/environ",
            "/proc/{pid}/root/etc/hostname",
            "/proc/{pid}/task/{tid}/mem",
            "/proc/sysrq-trigger",
            "/proc/sys/kernel/core_pattern",
            "/sys/kernel/uevent_helper",
            "/sys/fs/cgroup/rdma/x/release_agent",
            "/tmp/cgrp/release_agent",
            "/run/docker.sock",
            "/var/run/docker.sock",
            "/host/run/containerd/containerd.sock",
            "/etc/cron.d/x",
            "/etc/crontab",
            "/var/spool/cron/crontabs/root",
            "/etc/ld.so.preload",
            "/etc/ld.so.conf.d/a.conf",
            "/etc/systemd/system/a.service",
            "/usr/lib/systemd/system/a.service",
            "/root/.config/systemd/user/a.service",
            "/root/.bashrc",
            "/etc/profile.d/a.sh",
        ] {
            assert!(guarded(path), "{path}");
        }
    }

    #[test]
    fn ordinary_objects_are_not() {
        for path in [
            "/",
            "",
            "/etc/passwd",
            "/etc/hosts",
            "/etc/nginx/nginx.conf",
            "/etc/shadowy",
            "/proc/self/mem",
            "/proc/self/fd/{fd}",
            "/proc/{pid}/stat",
            "/proc/meminfo",
            "/proc/sys/kernel/hostname",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/var/lib/postgresql/base/1/2",
            "/run/postgresql/.s.PGSQL.5432",
            "/run/app/worker.sock",
            "/tmp/.ssh",
            "/srv/.hidden/file",
        ] {
            assert!(!guarded(path), "{path}");
        }
    }

    #[test]
    fn every_entry_has_a_reason_and_fits_itself() {
        let mut seen = std::collections::BTreeSet::new();
        for entry in entries() {
            assert!(
                seen.insert(entry.pattern),
                "{} is there twice",
                entry.pattern
            );
            assert!(entry.why.len() > 10, "{}", entry.pattern);
            let path = entry.pattern.replace("**", "x").replace('*', "x");
            assert_eq!(of(path.as_bytes()), Some(entry), "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(path in prop::collection::vec(any::<u8>(), 0..200)) {
            of(&path);
        }
    }
}
