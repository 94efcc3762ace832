//! tracefs, which names the tracepoints by number.

use std::path::Path;

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::ProbeError;

const MOUNT_POINT: &str = "/sys/kernel/tracing";
const EVENTS: [&str; 2] = [
    "/sys/kernel/tracing/events",
    "/sys/kernel/debug/tracing/events",
];

/// The kernel has a tracepoint.
pub(super) fn has_event(category: &str, name: &str) -> bool {
    EVENTS
        .iter()
        .any(|events| Path::new(events).join(category).join(name).exists())
}

/// Makes tracefs available, if it is not, in a mount namespace of this process's own: the mount
/// ends with the process, however it ends.
///
/// To be called before any thread starts, since a namespace belongs to a thread.
pub fn ensure() -> Result<(), ProbeError> {
    if EVENTS.iter().any(|events| Path::new(events).exists()) {
        return Ok(());
    }
    mount_privately().map_err(|error| ProbeError::Tracefs(error.into()))
}

fn mount_privately() -> rustix::io::Result<()> {
    // SAFETY: only the mount namespace is unshared; no other thread exists yet and no file
    // descriptor table is touched.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    // Mounts of the host keep coming in, ours do not go out.
    mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tracefs", MOUNT_POINT, "tracefs", flags, None)
}
