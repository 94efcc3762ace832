//! Calls that take no path: privileges, reaching into other processes, memory that can be written
//! and executed, descriptors, signals and new sockets.
//!
//! Failed calls are reported too: an attempt tells as much. What a pointer points to is not read.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};
use gravlens_common::{
    BulkCallRecord, BulkContext, Call, CallRecord, EventClass, Hook, Kind, ProcessContext,
    RecordHeader, SocketEnds, StdioRecord, call_flags,
};

use super::exec::describe_stream;
use crate::{
    account, approvers,
    emit::{self, Wake},
    kernel::{
        regs::{self, Arguments},
        task::Task,
    },
    scope,
};

/// PROT_WRITE and PROT_EXEC (mman.h).
const WRITE_AND_EXECUTE: u64 = 0b110;

macro_rules! call_programs {
    ($report:ident: $($program:ident => $call:ident),* $(,)?) => {
        $(
            #[tracepoint]
            pub fn $program(ctx: TracePointContext) -> u32 {
                $report(Call::$call, regs::result(&ctx), Arguments::current());
                0
            }
        )*
    };
}

call_programs! {
    privilege:
    sys_exit_capset => Capset,
    sys_exit_ptrace => Ptrace,
    sys_exit_process_vm_readv => ProcessVmReadv,
    sys_exit_process_vm_writev => ProcessVmWritev,
    sys_exit_pidfd_getfd => PidfdGetfd,
    sys_exit_unshare => Unshare,
    sys_exit_setns => Setns,
    sys_exit_init_module => InitModule,
    sys_exit_finit_module => FinitModule,
    sys_exit_delete_module => DeleteModule,
    sys_exit_bpf => Bpf,
    sys_exit_io_uring_setup => IoUringSetup,
    sys_exit_keyctl => Keyctl,
    sys_exit_add_key => AddKey,
    sys_exit_request_key => RequestKey,
    sys_exit_userfaultfd => Userfaultfd,
    sys_exit_perf_event_open => PerfEventOpen,
}

call_programs! {
    memory:
    sys_exit_mmap => Mmap,
    sys_exit_mprotect => Mprotect,
    sys_exit_pkey_mprotect => PkeyMprotect,
}

call_programs! {
    bulk:
    sys_exit_dup => Dup,
    sys_exit_dup2 => Dup2,
    sys_exit_dup3 => Dup3,
    sys_exit_kill => Kill,
    sys_exit_tkill => Tkill,
    sys_exit_tgkill => Tgkill,
    sys_exit_pidfd_send_signal => PidfdSendSignal,
    sys_exit_socket => Socket,
    sys_exit_socketpair => Socketpair,
}

/// Reports a call that has ended.
#[inline(always)]
pub fn privilege(call: Call, result: i64, arguments: Arguments) {
    let Some(caller) = scope::caller() else {
        return;
    };
    let account = account::seen(caller.cgroup_id, Hook::Privilege);
    let mut record = CallRecord {
        header: RecordHeader::default(),
        process: ProcessContext::default(),
        result,
        args: arguments.six(),
        call: call as u8,
        pad: [0; 7],
    };
    Task::describe_caller(caller.cgroup_id, &mut record.process);
    record.header = emit::header(Kind::Call, size_of::<CallRecord>() as u32);
    // SAFETY: the record is initialised.
    unsafe {
        emit::critical(
            (&raw const record).cast(),
            size_of::<CallRecord>() as u64,
            Wake::Now,
            account,
        );
    }
}

/// Only memory that is asked to be writable and executable at once counts. Every loader and
/// allocator makes the other calls, so this is looked at before anything else.
#[inline(always)]
fn memory(call: Call, result: i64, arguments: Arguments) {
    if asks_for_both(arguments.get(2)) {
        of_hook(Hook::Memory, call, result, || arguments.four());
    }
}

/// The record, with what a descriptor is behind it.
#[repr(C)]
struct Message {
    record: BulkCallRecord,
    descriptor: StdioRecord,
}

#[inline(always)]
fn bulk(call: Call, result: i64, arguments: Arguments) {
    of_hook(call.hook(), call, result, || arguments.four());
}

/// The protection is both.
#[inline(always)]
pub fn asks_for_both(protection: u64) -> bool {
    protection & WRITE_AND_EXECUTE == WRITE_AND_EXECUTE
}

/// Reports a call of that topic that has ended. Its arguments are asked for once it is clear that it
/// is reported.
#[inline(always)]
pub fn of_hook(hook: Hook, call: Call, result: i64, args: impl FnOnce() -> [u64; 4]) {
    let Some(caller) = scope::caller() else {
        return;
    };
    let account = account::seen(caller.cgroup_id, hook);
    let class = EventClass::of_result(result);
    let Some(paid) = approvers::pay(call as u8, class, caller, account) else {
        return;
    };
    let mut message = Message {
        record: BulkCallRecord {
            header: RecordHeader::default(),
            context: BulkContext {
                cgroup_id: caller.cgroup_id,
                exec_key: Task::exec_key((caller.pid_tgid >> 32) as u32),
                tid: caller.tid(),
                result: result as i32,
            },
            result,
            args: args(),
            call: call as u8,
            flags: 0,
            pad: [0; 6],
        },
        descriptor: StdioRecord {
            inode: 0,
            kind: 0,
            pad: [0; 7],
            ends: SocketEnds::default(),
        },
    };
    let mut size = size_of::<BulkCallRecord>() as u64;
    if matches!(hook, Hook::Descriptor) {
        describe_descriptor(&mut message);
        size = size_of::<Message>() as u64;
    }
    message.record.header = emit::header(Kind::BulkCall, size as u32);
    // SAFETY: the message is initialised and `size` is at most its length.
    unsafe { emit::bulk((&raw const message).cast(), size, paid) };
}

/// What the new descriptor is; of a call that failed, what the old one is.
#[inline(always)]
fn describe_descriptor(message: &mut Message) {
    let fd = if message.record.result < 0 {
        message.record.args[0] as u32
    } else {
        message.record.result as u32
    };
    describe_stream(Task::file(fd), &mut message.descriptor);
    if Task::shares_files() {
        message.record.flags |= call_flags::FD_SHARED;
    }
}
