//! The process context of critical records.

use gravlens_common::{ExecKey, ProcessContext, context_valid};

use super::Comm;
use crate::model::{Capabilities, ExecId, Groups, Ids, Tty};

/// Who made the event, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Identity of the running image.
    pub exec_id: ExecId,
    /// Identity of the parent's image; `None` when it could not be read.
    pub parent: Option<ExecId>,
    /// The parent's pid.
    pub parent_tgid: u32,
    /// Calling thread.
    pub tid: u32,
    /// cgroup v2 id.
    pub cgroup_id: u64,
    /// Command name.
    pub comm: Comm,
    /// Pid in the process's own namespace.
    pub vpid: Option<u32>,
    /// Pid namespace, zero when it could not be read.
    pub pid_namespace: u32,
    /// Mount namespace, zero when it could not be read.
    pub mount_namespace: u32,
    /// Ids; `None` when they could not be read.
    pub ids: Option<Ids>,
    /// Capabilities; `None` when they could not be read.
    pub capabilities: Option<Capabilities>,
    /// Process group and session; `None` when they could not be read.
    pub groups: Option<Groups>,
    /// Controlling terminal.
    pub tty: Option<Tty>,
}

impl Context {
    pub(super) fn new(raw: &ProcessContext) -> Self {
        let valid = |bit: u32| raw.valid & bit != 0;
        Self {
            exec_id: exec_id(raw),
            parent: valid(context_valid::PARENT).then_some(ExecId {
                tgid: raw.parent_tgid,
                start_boottime_ns: raw.parent_start_boottime_ns,
                exec_seq: raw.parent_exec_seq,
            }),
            parent_tgid: raw.parent_tgid,
            tid: raw.tid,
            cgroup_id: raw.cgroup_id,
            comm: Comm::until_zero(raw.comm),
            vpid: valid(context_valid::VPID).then_some(raw.vpid),
            pid_namespace: raw.pid_ns,
            mount_namespace: raw.mnt_ns,
            ids: valid(context_valid::CREDENTIALS).then(|| ids(raw)),
            capabilities: valid(context_valid::CREDENTIALS).then_some(Capabilities {
                effective: raw.cap_effective,
                permitted: raw.cap_permitted,
                inheritable: raw.cap_inheritable,
            }),
            groups: valid(context_valid::GROUPS).then_some(Groups {
                group: raw.pgid,
                session: raw.sid,
                own_group: raw.vpgid,
                own_session: raw.vsid,
            }),
            tty: valid(context_valid::TTY).then_some(Tty {
                major: raw.tty_major,
                minor: raw.tty_minor,
            }),
        }
    }
}

impl ExecId {
    /// The fingerprint that bulk records carry.
    pub fn key(&self) -> ExecKey {
        ExecKey::new(self.tgid, self.start_boottime_ns, self.exec_seq)
    }
}

pub(super) fn exec_id(raw: &ProcessContext) -> ExecId {
    ExecId {
        tgid: raw.tgid,
        start_boottime_ns: raw.start_boottime_ns,
        exec_seq: raw.exec_seq,
    }
}

fn ids(raw: &ProcessContext) -> Ids {
    let login_is_set = raw.valid & context_valid::LOGIN != 0 && raw.loginuid != u32::MAX;
    Ids {
        uid: raw.uid,
        euid: raw.euid,
        gid: raw.gid,
        egid: raw.egid,
        login_uid: login_is_set.then_some(raw.loginuid),
    }
}
