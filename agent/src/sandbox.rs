//! What the agent takes from itself, so that whoever takes it over gets little: capabilities that it
//! has no use for, and system calls that it never makes.
//!
//! Capabilities are a thread's. Only the first thread has those that the start needs, and gives them
//! up when the hooks are attached; every other thread gives them up before it does anything.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};

/// What the start needs, and what for.
const OF_THE_START: &[(CapabilitySet, &str)] = &[
    (CapabilitySet::BPF, "programs and maps"),
    (
        CapabilitySet::PERFMON,
        "programs on tracepoints and functions",
    ),
    (CapabilitySet::NET_ADMIN, "programs on sockets and packets"),
    (
        CapabilitySet::SYS_RESOURCE,
        "memory for maps on old kernels",
    ),
];

/// What the agent needs as long as it runs, and what for.
const NEEDED: &[(CapabilitySet, &str)] = &[
    (
        CapabilitySet::SYS_ADMIN,
        "programs on cgroups, and looking at links by their ids",
    ),
    (
        CapabilitySet::SYS_PTRACE,
        "the roots of containers, below /proc",
    ),
    (
        CapabilitySet::DAC_READ_SEARCH,
        "files of containers that belong to other users",
    ),
];

/// Calls that the agent never makes once it runs. They start other programs, reach into other
/// processes, change the kernel or the mounts, or change who the agent is.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_open_by_handle_at,
    libc::SYS_mknodat,
    libc::SYS_personality,
];

/// Commands of bpf(2) that the agent still gives once its hooks are attached (`enum bpf_cmd`), and
/// what for. Every other one is refused: those that make programs and maps above all.
const ALLOWED_BPF: &[(u64, &str)] = &[
    (
        1,
        "BPF_MAP_LOOKUP_ELEM: counters, and whether maps are as they were",
    ),
    (2, "BPF_MAP_UPDATE_ELEM: what programs are told"),
    (3, "BPF_MAP_DELETE_ELEM: cgroups that have ended"),
    (4, "BPF_MAP_GET_NEXT_KEY: the counters of each cgroup"),
    (
        10,
        "BPF_PROG_TEST_RUN: the mark in the rings by which an account is exact",
    ),
    (
        15,
        "BPF_OBJ_GET_INFO_BY_FD: whether links and maps are what they were",
    ),
    (28, "BPF_LINK_CREATE: an iteration of the tasks"),
    (30, "BPF_LINK_GET_FD_BY_ID: whether links are still there"),
    (33, "BPF_ITER_CREATE: an iteration of the tasks"),
];

/// Bit of the numbers by which x86-64 kernels with the x32 interface know the same calls once more
/// (`__X32_SYSCALL_BIT`). Numbers with it are no calls elsewhere.
const X32_CALL: libc::c_long = 0x4000_0000;

/// Why the agent cannot take something from itself.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Capabilities.
    #[error("the agent cannot give up capabilities: {0}; sandbox.enabled = false keeps them")]
    Capabilities(#[source] io::Error),
    /// System calls.
    #[error("the agent cannot filter its system calls: {0}; sandbox.enabled = false does without")]
    Calls(String),
}

/// Gives up every capability but those that the start or the agent needs, and the way to more. To be
/// called before any other thread starts, which then has what this one has.
///
/// # Errors
/// The kernel refuses.
pub fn drop_capabilities() -> Result<(), SandboxError> {
    let needed = all(NEEDED) | all(OF_THE_START);
    // First: it takes CAP_SETPCAP, which goes with the others. Without it the set is somebody
    // else's, and executions are refused later on.
    for capability in CapabilitySet::all().difference(needed).iter() {
        match remove_capability_from_bounding_set(capability) {
            // Older kernels know fewer.
            Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(failed(error)),
    }
    keep(needed)?;
    set_no_new_privs(true).map_err(failed)
}

/// Gives up, for this thread and those that it starts, what only the start needs.
///
/// # Errors
/// The kernel refuses.
pub fn drop_capabilities_of_the_start() -> Result<(), SandboxError> {
    keep(all(NEEDED))
}

fn failed(error: Errno) -> SandboxError {
    SandboxError::Capabilities(error.into())
}

fn all(of: &[(CapabilitySet, &str)]) -> CapabilitySet {
    of.iter()
        .fold(CapabilitySet::empty(), |all, (one, _)| all | *one)
}

fn keep(needed: CapabilitySet) -> Result<(), SandboxError> {
    let mut sets = capabilities(None).map_err(failed)?;
    // Nothing to do is no reason for a call, which the filter refuses later on.
    if needed.contains(sets.permitted) && sets.inheritable.is_empty() {
        return Ok(());
    }
    sets.effective &= needed;
    sets.permitted &= needed;
    sets.inheritable = CapabilitySet::empty();
    set_capabilities(None, sets).map_err(failed)
}

/// Refuses, for every thread from now on, the calls that a running agent never makes: they fail with
/// EPERM. Calls of another width end the agent.
///
/// # Errors
/// The kernel refuses, or the architecture is not known.
pub fn filter_calls() -> Result<(), SandboxError> {
    let program = compile().map_err(SandboxError::Calls)?;
    apply_filter_all_threads(&program).map_err(|error| SandboxError::Calls(error.to_string()))
}

fn compile() -> Result<BpfProgram, String> {
    let numbers = REFUSED.iter().flat_map(|&call| [call, call | X32_CALL]);
    let mut rules: BTreeMap<i64, Vec<_>> = numbers.map(|call| (call, Vec::new())).collect();
    for call in [libc::SYS_bpf, libc::SYS_bpf | X32_CALL] {
        let refused = other_bpf().map_err(|error| error.to_string())?;
        rules.insert(call, vec![refused]);
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)
        .and_then(BpfProgram::try_from)
        .map_err(|error| error.to_string())
}

/// bpf(2) with another command, its first argument, than those that are allowed.
fn other_bpf() -> Result<SeccompRule, seccompiler::BackendError> {
    let is_not = |&(command, _): &(u64, &str)| {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, command)
    };
    SeccompRule::new(ALLOWED_BPF.iter().map(is_not).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_refused_once_and_the_filter_compiles() {
        let mut calls = REFUSED.to_vec();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(calls.len(), REFUSED.len());
        assert!(!compile().unwrap().is_empty());
    }

    #[test]
    fn each_capability_says_what_it_is_for() {
        for (capability, purpose) in NEEDED.iter().chain(OF_THE_START) {
            assert_eq!(capability.iter().count(), 1);
            assert!(!purpose.is_empty());
        }
    }
}
