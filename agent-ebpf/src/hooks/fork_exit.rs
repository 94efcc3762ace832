//! Processes begin and end. Threads are not reported: a process is its thread group.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use gravlens_common::{ExitRecord, ForkRecord, Hook, Kind, ProcessContext, RecordHeader};

use crate::{
    account,
    emit::{self, Wake},
    hooks::{open_trampoline, path_trampolines, place_trampolines},
    kernel::task::Task,
    known, ongoing, scope,
};

#[btf_tracepoint(function = "sched_process_fork")]
pub fn fork(ctx: BtfTracePointContext) -> i32 {
    let child = Task::at(ctx.arg::<u64>(1));
    if !child.is_leader() {
        return 0;
    }
    // The child may live in another cgroup than its parent (CLONE_INTO_CGROUP), so its own counts.
    let Some(cgroup) = child.cgroup() else {
        return 0;
    };
    if !scope::contains(cgroup) || scope::is_agent() {
        return 0;
    }
    let cgroup_id = cgroup.id().unwrap_or(0);
    let account = account::seen(cgroup_id, Hook::Fork);
    let mut record = ForkRecord {
        header: RecordHeader::default(),
        process: ProcessContext::default(),
        forker_key: Task::at(ctx.arg::<u64>(0)).exec_key_of_group(),
    };
    known::forked(record.forker_key, child.exec_key_of_group(), cgroup_id);
    child.describe(cgroup_id, &mut record.process);
    record.header = emit::header(Kind::Fork, size_of::<ForkRecord>() as u32);
    // SAFETY: the record is initialised.
    unsafe {
        emit::critical(
            (&raw const record).cast(),
            size_of::<ForkRecord>() as u64,
            Wake::Later,
            account,
        );
    }
    0
}

#[btf_tracepoint(function = "sched_process_exit")]
pub fn exit(_ctx: BtfTracePointContext) -> i32 {
    // Of every thread, wherever it is by now.
    ongoing::thread_ends();
    open_trampoline::thread_ends();
    path_trampolines::thread_ends();
    place_trampolines::thread_ends();
    let Some(caller) = scope::caller() else {
        return 0;
    };
    let task = Task::current();
    if !task.group_is_dead() {
        return 0;
    }
    let account = account::seen(caller.cgroup_id, Hook::Exit);
    let mut record = ExitRecord {
        header: RecordHeader::default(),
        process: ProcessContext::default(),
        code: 0,
        pad: 0,
    };
    task.describe(caller.cgroup_id, &mut record.process);
    record.code = task.exit_code();
    record.header = emit::header(Kind::Exit, size_of::<ExitRecord>() as u32);
    // SAFETY: the record is initialised.
    unsafe {
        emit::critical(
            (&raw const record).cast(),
            size_of::<ExitRecord>() as u64,
            Wake::Later,
            account,
        );
    }
    0
}
