//! The task iterator: what already runs when the agent starts.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_seq_write};
use gravlens_common::{Kind, TaskRecord};

use super::exec::exe_identity;
use crate::{
    emit,
    kernel::{
        file::File,
        path::{self, BuiltPath},
        task::Task,
    },
    maps::PATH_SCRATCH,
    scope,
    scratch::{self, PathScratch},
    verifier,
};

/// Bounds a path's length for the verifier.
const PATH_LEN_MASK: i32 = 0xFFF;

/// `struct bpf_iter__task` (kernel/bpf/task_iter.c).
#[repr(C)]
struct Context {
    meta: *mut Meta,
    task: *mut u8,
}

/// `struct bpf_iter_meta` (include/linux/bpf.h), as far as it is read.
#[repr(C)]
struct Meta {
    seq: *mut aya_ebpf::bindings::seq_file,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn tasks(ctx: *mut Context) -> i32 {
    // SAFETY: the kernel passes this context; the verifier checks the accesses. The task is null
    // in the last call.
    let (seq, task) = unsafe { ((*(*ctx).meta).seq, (*ctx).task) };
    if task.is_null() {
        return 0;
    }
    let task = Task::at(task as u64);
    // The exit record of a zombie came, or was lost, long ago.
    if !task.is_leader() || task.is_kernel_thread() || task.group_is_dead() {
        return 0;
    }
    let Some(cgroup) = task.cgroup() else {
        return 0;
    };
    if !scope::contains(cgroup) {
        return 0;
    }
    let mut record = TaskRecord::default();
    task.describe(cgroup.id().unwrap_or(0), &mut record.process);
    match scratch::take(&PATH_SCRATCH) {
        Some(buffer) => {
            write(seq, task, &mut record, buffer);
            scratch::release(buffer);
        }
        // A process without its path is better than one that seems to have ended.
        None => write_bare(seq, &mut record),
    }
    0
}

/// Writes the record alone.
#[inline(always)]
fn write_bare(seq: *mut aya_ebpf::bindings::seq_file, record: &mut TaskRecord) {
    const SIZE: u32 = size_of::<TaskRecord>() as u32;
    record.header = emit::header(Kind::Task, SIZE);
    record.exe_path_flags = BuiltPath::unreadable().flags;
    // SAFETY: the record is initialised.
    unsafe {
        bpf_seq_write(seq, (&raw const *record).cast(), SIZE);
    }
}

/// Writes the record and the exe path behind it.
#[inline(always)]
fn write(
    seq: *mut aya_ebpf::bindings::seq_file,
    task: Task,
    record: &mut TaskRecord,
    buffer: *mut PathScratch,
) {
    const FIXED: u64 = size_of::<TaskRecord>() as u64;
    let exe = task.exe_file();
    if let Some((inode, device, flags)) = exe.and_then(exe_identity) {
        record.exe_inode = inode;
        record.exe_device = device;
        record.exe_flags = flags;
    }
    let exe_path = match exe.and_then(File::path) {
        Some(path) => path::build(path, task, buffer),
        None => BuiltPath::unreadable(),
    };
    let len = verifier::mask::<PATH_LEN_MASK>(exe_path.len);
    record.exe_path_len = len as u16;
    record.exe_path_flags = exe_path.flags;
    record.header = emit::header(Kind::Task, (FIXED + len) as u32);
    let Some(start) = path::byte_at(buffer, exe_path.start - FIXED) else {
        return;
    };
    // SAFETY: a path starts behind PATH_HEAD bytes, more than the fixed part takes.
    unsafe {
        bpf_probe_read_kernel(start.cast(), FIXED as u32, (&raw const *record).cast());
        bpf_seq_write(seq, start.cast(), (FIXED + len) as u32);
    }
}
