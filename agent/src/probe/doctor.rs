//! What this machine gives the sensor, found by trying.

use gravlens_common::Hook;

use super::{
    AttachedTopic, OffsetReport, Probe, ProbeError, ProbeOptions, ProgramSize, compat,
    requirements, topics,
};
use crate::canary;
use crate::telemetry::{MissingProgram, TopicState};

/// What the hooks on calls without a path leave out, by name.
const UNWATCHED_CALLS: [&str; 6] = [
    "signals that are queued with a value (rt_sigqueueinfo, rt_tgsigqueueinfo)",
    "descriptors that fcntl copies (F_DUPFD) or that come over a unix socket (SCM_RIGHTS)",
    "memory that is made executable after it was written: a call is seen that asks for both at once",
    "namespaces that clone and clone3 make; unshare and setns are seen",
    "extended attributes by setxattrat and removexattrat, and mounts by open_tree_attr",
    "kernels that kexec_load and kexec_file_load load",
];

/// For tracepoints, as are the next two.
const IO_URING_OPENS: &str = "io_uring opens, which make no system call of their own; who sets up \
                              a ring is told (io_uring_setup)";
const IO_URING_CHANGES: &str = "io_uring changes of files, which make no system call of their own";
const IO_URING_SOCKETS: &str = "io_uring accepts, binds, listens and new sockets, which make no \
                                system call of their own";
const COMPAT_OFF: &str = "32-bit system calls (int 0x80), of which executions and IP addresses are \
                          told at least: sensor.compat_calls is off";
/// What the hooks on DNS packets leave out.
const UNWATCHED_DNS: [&str; 3] = [
    "DNS over HTTPS and DNS over TLS: what is asked and answered is encrypted",
    "DNS at another port than 53, and the side of a DNS server: its clients' is seen",
    "DNS by a socket that was made outside the scope, or that makes its own Ethernet frames \
     (AF_PACKET)",
];

/// For a kernel whose overlay module was not loaded when the offsets were looked up.
const NO_LAYERS: &str = "executables of overlay upper layers are not told: overlayfs did not \
                         describe its structs at the start; once it does, restart the agent";

/// One topic in the report.
pub type TopicReport = AttachedTopic;

/// What `doctor` found.
#[derive(Debug)]
pub struct Report {
    /// Release of the running kernel.
    pub kernel_release: String,
    /// Mount point of the v2 cgroup hierarchy.
    pub cgroup_mount: String,
    /// The scope that was tried.
    pub scope: String,
    /// Each topic with the hook that was taken and those that were refused.
    pub topics: Vec<TopicReport>,
    /// Whether trampolines (fentry, fexit, LSM) are granted.
    pub trampolines: Result<(), String>,
    /// Every program of the object, by name.
    pub programs: Vec<ProgramSize>,
    /// Kernel fields.
    pub offsets: OffsetReport,
    /// What the sensor cannot see on this kernel.
    pub blind_spots: Vec<String>,
}

/// Loads and attaches everything for a moment and says how it went.
pub fn examine(options: &ProbeOptions) -> Result<Report, ProbeError> {
    let mut probe = Probe::load(options)?;
    // Held until the report is made.
    let (topics, _hooks) = probe.attach()?;
    let mut blind_spots = probe.blind_spots(&topics);
    if let Err(why) = canary::check_cgroup(&probe.scope().directory) {
        blind_spots.push(format!(
            "hooks that go blind: there can be no canary ({why})"
        ));
    }
    Ok(Report {
        kernel_release: requirements::kernel_release(),
        cgroup_mount: probe.scope().mount.display().to_string(),
        scope: probe.scope().path.clone(),
        blind_spots,
        topics,
        trampolines: probe.trampolines().clone(),
        programs: probe.programs(),
        offsets: probe.offsets().clone(),
    })
}

impl Probe {
    /// What the sensor cannot see on this kernel.
    pub fn blind_spots(&self, topics: &[AttachedTopic]) -> Vec<String> {
        let mut spots = blind_spots(topics);
        if !self.offsets().tells_overlay_layers() {
            spots.push(NO_LAYERS.to_owned());
        }
        spots.extend(UNWATCHED_CALLS.map(str::to_owned));
        spots.extend(UNWATCHED_DNS.map(str::to_owned));
        spots
    }
}

fn blind_spots(topics: &[AttachedTopic]) -> Vec<String> {
    let mut spots = unwatched(topics);
    let on_trampolines = |hook| {
        let topic = topics.iter().find(|topic| topic.hook == Some(hook));
        topic.is_some_and(AttachedTopic::is_on_trampolines)
    };
    if !on_trampolines(Hook::Open) {
        spots.push(IO_URING_OPENS.to_owned());
    }
    if !on_trampolines(Hook::FileChange) {
        spots.push(IO_URING_CHANGES.to_owned());
    }
    if !on_trampolines(Hook::Accept) || !on_trampolines(Hook::Socket) {
        spots.push(IO_URING_SOCKETS.to_owned());
    }
    let watched = topics.iter().any(|topic| topic.name == topics::COMPAT);
    if compat::kernel_runs_ia32() && !watched {
        spots.push(COMPAT_OFF.to_owned());
    }
    spots
}

/// What topics lack that are off or watched in part.
fn unwatched(topics: &[AttachedTopic]) -> Vec<String> {
    let mut spots = Vec::new();
    for topic in topics {
        if topic.state() == TopicState::Off {
            spots.push(format!("{}: no hook is attached", topic.name));
            continue;
        }
        spots.extend(topic.missing.iter().map(|missing| {
            let MissingProgram {
                program,
                not_seen,
                why,
            } = missing;
            format!("{}: {not_seen} ({program}: {why})", topic.name)
        }));
    }
    spots
}

#[cfg(test)]
impl AttachedTopic {
    /// A topic that lacks a program.
    pub(crate) fn in_part() -> Self {
        Self {
            hook: None,
            name: "open",
            mandatory: false,
            taken: Some("tracepoints"),
            attached: vec!["sys_exit_openat"],
            missing: vec![MissingProgram {
                program: "sys_exit_openat2".to_owned(),
                not_seen: "openat2 calls".to_owned(),
                why: "refused".to_owned(),
            }],
            refused: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_lacks_is_a_blind_spot() {
        let topic = AttachedTopic::in_part();
        let partial = unwatched(std::slice::from_ref(&topic));
        assert_eq!(partial, ["open: openat2 calls (sys_exit_openat2: refused)"]);
        let off = AttachedTopic {
            attached: Vec::new(),
            ..topic
        };
        assert_eq!(unwatched(&[off]), ["open: no hook is attached"]);
    }
}
