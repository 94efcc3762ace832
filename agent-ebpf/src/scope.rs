//! Which events are ours to report.

use aya_ebpf::helpers::{
    bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id, bpf_get_current_pid_tgid,
};

use crate::{
    globals::{AGENT_TGID, SCOPE_CGROUP, SCOPE_LEVEL},
    kernel::{cgroup::Cgroup, task::Task},
    maps::ENDED,
};

/// The calling thread, in scope and not the agent itself.
#[derive(Clone, Copy)]
pub struct Caller {
    /// cgroup v2 id.
    pub cgroup_id: u64,
    /// Thread id and thread group id, as the helper gives them: the key of per-thread state.
    pub pid_tgid: u64,
}

impl Caller {
    /// Thread id in the initial pid namespace.
    #[inline(always)]
    pub fn tid(self) -> u32 {
        self.pid_tgid as u32
    }
}

/// The caller is the agent itself.
#[inline(always)]
pub fn is_agent() -> bool {
    (bpf_get_current_pid_tgid() >> 32) as u32 == AGENT_TGID.load()
}

/// The daemon ends.
#[inline(always)]
fn has_ended() -> bool {
    ENDED.get_ptr(0).is_some_and(|ended| {
        // SAFETY: a live map value. Volatile: the daemon writes it.
        unsafe { core::ptr::read_volatile(ended) != 0 }
    })
}

/// The caller, or `None` when its events are not reported.
#[inline(always)]
pub fn caller() -> Option<Caller> {
    let pid_tgid = bpf_get_current_pid_tgid();
    if (pid_tgid >> 32) as u32 == AGENT_TGID.load() || has_ended() {
        return None;
    }
    let scope = SCOPE_CGROUP.load();
    // SAFETY: the helper takes any level and answers 0 when there is no such ancestor.
    if scope != 0
        && unsafe { bpf_get_current_ancestor_cgroup_id(SCOPE_LEVEL.load() as i32) } != scope
    {
        return None;
    }
    Some(Caller {
        // SAFETY: no arguments.
        cgroup_id: unsafe { bpf_get_current_cgroup_id() },
        pid_tgid,
    })
}

/// The same for hooks to which a kernel may not grant the helpers for cgroup ids.
#[inline(always)]
pub fn caller_of(task: Task) -> Option<Caller> {
    if is_agent() {
        return None;
    }
    let cgroup = task.cgroup()?;
    if !contains(cgroup) {
        return None;
    }
    Some(Caller {
        cgroup_id: cgroup.id()?,
        pid_tgid: bpf_get_current_pid_tgid(),
    })
}

/// Whether a cgroup of the v2 hierarchy lies in scope.
#[inline(always)]
pub fn contains(cgroup: Cgroup) -> bool {
    if has_ended() {
        return false;
    }
    let scope = SCOPE_CGROUP.load();
    scope == 0 || cgroup.ancestor_id(SCOPE_LEVEL.load()) == Some(scope)
}
