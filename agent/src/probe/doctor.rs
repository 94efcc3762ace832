//! What this machine gives the sensor, found by trying.

use aya::{Btf, Ebpf, programs::FEntry};

use super::{
    AttachedTopic, OffsetReport, Probe, ProbeError, ProbeOptions, loader::chain, requirements,
};
use crate::telemetry::{MissingProgram, TopicState};

/// A kernel function that every supported kernel has and that is rarely called.
const TRAMPOLINE_TARGET: &str = "bprm_execve";

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
    Ok(Report {
        kernel_release: requirements::kernel_release(),
        cgroup_mount: probe.scope().mount.display().to_string(),
        scope: probe.scope().path.clone(),
        blind_spots: probe.blind_spots(&topics),
        topics,
        trampolines: probe.trampolines().clone(),
        offsets: probe.offsets().clone(),
    })
}

impl Probe {
    /// What the sensor cannot see on this kernel.
    pub fn blind_spots(&self, topics: &[AttachedTopic]) -> Vec<String> {
        let mut spots = blind_spots(topics, self.trampolines());
        if !self.offsets().tells_overlay_layers() {
            spots.push(NO_LAYERS.to_owned());
        }
        spots
    }
}

fn blind_spots(topics: &[AttachedTopic], trampolines: &Result<(), String>) -> Vec<String> {
    let mut spots = unwatched(topics);
    if ia32_emulation() {
        spots.push(
            "32-bit system calls (int 0x80) pass every tracepoint of this version".to_owned(),
        );
    }
    if trampolines.is_err() {
        spots.push("io_uring opens and accepts, which make no system call of their own".to_owned());
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

/// The kernel runs 32-bit programs: it describes their entry point only then.
fn ia32_emulation() -> bool {
    std::fs::read_to_string("/proc/kallsyms").is_ok_and(|symbols| {
        symbols.contains(" do_int80_emulation") || symbols.contains(" entry_INT80_compat")
    })
}

/// Loads and attaches an empty fentry program.
pub(super) fn try_trampolines(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), String> {
    let program: &mut FEntry = ebpf
        .program_mut("trampoline")
        .ok_or("the object has no program trampoline")?
        .try_into()
        .map_err(|error: aya::programs::ProgramError| chain(&error))?;
    program
        .load(TRAMPOLINE_TARGET, btf)
        .map_err(|error| chain(&error))?;
    let link = program.attach().map_err(|error| chain(&error))?;
    program.detach(link).map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_lacks_is_a_blind_spot() {
        let topic = AttachedTopic {
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
        };
        let partial = unwatched(std::slice::from_ref(&topic));
        assert_eq!(partial, ["open: openat2 calls (sys_exit_openat2: refused)"]);
        let off = AttachedTopic {
            attached: Vec::new(),
            ..topic
        };
        assert_eq!(unwatched(&[off]), ["open: no hook is attached"]);
    }
}
