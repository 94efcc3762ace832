//! What must be there before anything is loaded.

use std::{fs, os::unix::fs::MetadataExt};

use rustix::thread::CapabilitySet;

use super::ProbeError;

/// Oldest supported kernel.
const OLDEST: (u32, u32) = (6, 1);

/// Capabilities that loading, attaching and reading other processes need.
const NEEDED: &[(CapabilitySet, &str)] = &[
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::PERFMON, "CAP_PERFMON"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::SYS_PTRACE, "CAP_SYS_PTRACE"),
];

/// Inode numbers of the initial namespaces (`PROC_PID_INIT_INO` and `PROC_CGROUP_INIT_INO` of the
/// kernel's include/linux/proc_ns.h, part of its ABI).
const INITIAL: &[(&str, u64)] = &[("pid", 0xEFFF_FFFC), ("cgroup", 0xEFFF_FFFB)];

/// Release of the running kernel.
pub(super) fn kernel_release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// Checks kernel version, capabilities and namespaces.
pub fn check() -> Result<(), ProbeError> {
    check_kernel(&kernel_release())?;
    check_capabilities()?;
    check_namespaces()
}

/// The kernel programs know the agent by its pid, and the scope by its depth, in the initial
/// namespaces. In others the agent would report itself and be blind to the rest.
fn check_namespaces() -> Result<(), ProbeError> {
    let mut private = Vec::new();
    for (name, initial) in INITIAL {
        let path = format!("/proc/self/ns/{name}");
        let found = fs::metadata(&path)
            .map_err(|error| ProbeError::io(format!("cannot look at {path}"), error))?;
        if found.ino() != *initial {
            private.push(*name);
        }
    }
    if private.is_empty() {
        return Ok(());
    }
    Err(ProbeError::Namespaces {
        private: private.join(" and "),
    })
}

fn check_capabilities() -> Result<(), ProbeError> {
    let held = rustix::thread::capabilities(None)
        .map_err(|error| ProbeError::io("cannot read own capabilities", error.into()))?
        .effective;
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(capability, _)| !held.contains(*capability))
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ProbeError::Permission {
        missing: missing.join(", "),
    })
}

fn check_kernel(release: &str) -> Result<(), ProbeError> {
    // A release that does not start with two numbers is not a Linux release that we know to be
    // too old: the BTF decides then.
    match version(release) {
        Some(version) if version < OLDEST => Err(ProbeError::KernelTooOld {
            release: release.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_are_refused() {
        for old in ["5.15.0-91-generic", "6.0.19", "4.18.0-553.el8.x86_64"] {
            assert!(check_kernel(old).is_err(), "{old}");
        }
    }

    #[test]
    fn supported_and_unknown_releases_pass() {
        for new in ["6.1.0-32-cloud-amd64", "6.18.44-fc", "10.2", "weird"] {
            assert!(check_kernel(new).is_ok(), "{new}");
        }
    }
}
