//! The setuid and setgid family, successful or refused.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};
use gravlens_common::{Call, Hook, Kind, ProcessContext, RecordHeader, SetIdsRecord};

use crate::{
    account,
    emit::{self, Wake},
    kernel::{
        regs::{self, Arguments},
        task::Task,
    },
    scope,
};

macro_rules! set_ids_programs {
    ($($program:ident => $call:ident),* $(,)?) => {
        $(
            #[tracepoint]
            pub fn $program(ctx: TracePointContext) -> u32 {
                observe(Call::$call, regs::result(&ctx), Arguments::current());
                0
            }
        )*
    };
}

set_ids_programs! {
    sys_exit_setuid => Setuid,
    sys_exit_setgid => Setgid,
    sys_exit_setreuid => Setreuid,
    sys_exit_setregid => Setregid,
    sys_exit_setresuid => Setresuid,
    sys_exit_setresgid => Setresgid,
    sys_exit_setfsuid => Setfsuid,
    sys_exit_setfsgid => Setfsgid,
    sys_exit_setgroups => Setgroups,
}

/// Reports a call that has ended.
#[inline(always)]
pub fn observe(call: Call, result: i64, arguments: Arguments) {
    let Some(caller) = scope::caller() else {
        return;
    };
    let account = account::seen(caller.cgroup_id, Hook::SetIds);
    let mut record = SetIdsRecord {
        header: RecordHeader::default(),
        process: ProcessContext::default(),
        result: result as i32,
        argument: arguments.get(0) as u32,
        call: call as u8,
        pad: [0; 7],
    };
    Task::describe_caller(caller.cgroup_id, &mut record.process);
    record.header = emit::header(Kind::SetIds, size_of::<SetIdsRecord>() as u32);
    // SAFETY: the record is initialised.
    unsafe {
        emit::critical(
            (&raw const record).cast(),
            size_of::<SetIdsRecord>() as u64,
            Wake::Now,
            account,
        );
    }
}
