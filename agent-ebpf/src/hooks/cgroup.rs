//! The cgroup tree changes: this is what announces a container before its first process.

use aya_ebpf::{
    helpers::generated::bpf_probe_read_kernel_str, macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use gravlens_common::{CgroupRecord, DropReason, Hook, Kind, limits, path_flags};

use crate::{
    account::{self, Account},
    emit::{self, Wake},
    kernel::{cgroup::Cgroup, task::Task},
    maps::PATH_SCRATCH,
    scope,
    scratch::{self, PathScratch},
    verifier,
};

/// Bounds the length of a cgroup path for the verifier.
const PATH_LEN_MASK: i32 = (limits::CGROUP_PATH_MAX - 1) as i32;

#[btf_tracepoint(function = "cgroup_mkdir")]
pub fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    let change = Change {
        cgroup: Cgroup::at(ctx.arg::<u64>(0)),
        path: ctx.arg::<u64>(1),
        task: Task::current(),
    };
    report(change, Hook::CgroupMkdir, Kind::CgroupMkdir)
}

#[btf_tracepoint(function = "cgroup_rmdir")]
pub fn cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    let change = Change {
        cgroup: Cgroup::at(ctx.arg::<u64>(0)),
        path: ctx.arg::<u64>(1),
        task: Task::current(),
    };
    report(change, Hook::CgroupRmdir, Kind::CgroupRmdir)
}

#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn cgroup_attach(ctx: BtfTracePointContext) -> i32 {
    let change = Change {
        cgroup: Cgroup::at(ctx.arg::<u64>(0)),
        path: ctx.arg::<u64>(1),
        task: Task::at(ctx.arg::<u64>(2)),
    };
    report(change, Hook::CgroupAttach, Kind::CgroupAttach)
}

/// One change of the tree or of a task's place in it.
struct Change {
    cgroup: Cgroup,
    /// Address of the path below the root of its hierarchy.
    path: u64,
    task: Task,
}

#[inline(always)]
fn report(change: Change, hook: Hook, kind: Kind) -> i32 {
    // The tracepoints fire for every mounted v1 hierarchy too.
    if !change.cgroup.is_v2() || !scope::contains(change.cgroup) {
        return 0;
    }
    let Some(cgroup_id) = change.cgroup.id() else {
        return 0;
    };
    let account = account::seen(cgroup_id, hook);
    match scratch::take(&PATH_SCRATCH) {
        Some(buffer) => {
            emit_change(&change, cgroup_id, kind, buffer, account);
            scratch::release(buffer);
        }
        None => {
            if let Some(account) = account {
                account.dropped(DropReason::ScratchBusy);
            }
        }
    }
    0
}

#[inline(always)]
fn emit_change(
    change: &Change,
    cgroup_id: u64,
    kind: Kind,
    buffer: *mut PathScratch,
    account: Option<Account>,
) {
    // SAFETY: the buffer is larger than the record and held by this program alone.
    let bytes = unsafe { (&raw mut (*buffer).bytes).cast::<u8>() };
    // SAFETY: as above; the record type has no invalid bit patterns.
    let record = unsafe { &mut *bytes.cast::<CgroupRecord>() };
    let task_cgroup = change.task.cgroup().and_then(Cgroup::id).unwrap_or(0);
    change.task.describe(task_cgroup, &mut record.process);
    record.cgroup_id = cgroup_id;
    record.pad = [0; 5];
    // SAFETY: the path follows the record; CGROUP_PATH_MAX bytes of room are left.
    let len = unsafe {
        bpf_probe_read_kernel_str(
            bytes.add(size_of::<CgroupRecord>()).cast(),
            limits::CGROUP_PATH_MAX as u32,
            change.path as *const _,
        )
    };
    record.path_flags = if len <= 0 { path_flags::UNREADABLE } else { 0 };
    let len = verifier::mask::<PATH_LEN_MASK>(if len > 0 { (len - 1) as u64 } else { 0 });
    record.path_len = len as u16;
    let size = size_of::<CgroupRecord>() as u64 + len;
    record.header = emit::header(kind, size as u32);
    // SAFETY: record and path are initialised.
    unsafe { emit::critical(bytes, size, Wake::Now, account) };
}
