//! tracefs, which names the tracepoints by number.

use std::path::Path;

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::ProbeError;

const MOUNT_POINT: &str = "/sys/kernel/tracing";
/// Where the events are, in the order in which they are looked for.
const EVENTS: [&str; 2] = [
    "/sys/kernel/tracing/events",
    "/sys/kernel/debug/tracing/events",
];
/// A call that every kernel has.
const SURE: &str = "openat";

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

/// The kernel was built without a call: it traces others and not this one, and every call that it
/// has comes with its tracepoints.
pub(super) fn lacks_call(name: &str) -> bool {
    let exit = |events: &str, name: &str| {
        let tracepoint = format!("{events}/syscalls/sys_exit_{name}");
        Path::new(&tracepoint).exists()
    };
    let traced = EVENTS.iter().find(|events| exit(events, SURE));
    traced.is_some_and(|events| !exit(events, name))
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
