//! Files whose attributes and length change, and places where something is mounted, where the kernel
//! grants trampolines: what the kernel found under the name, whoever exchanged the name meanwhile.
//!
//! The functions (fs/open.c, fs/namespace.c) take a `struct path` that is their callers', so it is
//! still there at their end. A call that finds nothing under its name never comes to them: the
//! program on the end of calls tells it, and keeps silent where these have told.

use aya_ebpf::{
    bindings::BPF_ANY, helpers::bpf_get_current_pid_tgid, macros::fexit, programs::FExitContext,
};
use gravlens_common::{Call, Hook};

use super::paths::{self, Found};
use crate::{
    globals::*,
    kernel::{
        regs::{self, Arguments},
        request::{EAGAIN, Request},
        task::Task,
    },
    maps::{PATH_CALLS, TOLD},
    ring_request,
};

#[fexit(function = "chmod_common")]
pub fn chmod_ends(ctx: FExitContext) -> i32 {
    end(&ctx, Hook::FileChange, Found::at(ctx.arg::<u64>(0)))
}

#[fexit(function = "chown_common")]
pub fn chown_ends(ctx: FExitContext) -> i32 {
    end(&ctx, Hook::FileChange, Found::at(ctx.arg::<u64>(0)))
}

#[fexit(function = "vfs_truncate")]
pub fn truncate_ends(ctx: FExitContext) -> i32 {
    end(&ctx, Hook::FileChange, Found::at(ctx.arg::<u64>(0)))
}

#[fexit(function = "path_mount")]
pub fn mount_ends(ctx: FExitContext) -> i32 {
    let found = Found {
        string: ctx.arg::<u64>(0),
        place: ctx.arg::<u64>(1),
    };
    end(&ctx, Hook::Mount, found)
}

/// A request of io_uring; calls do not come here.
#[fexit(function = "io_fsetxattr")]
pub fn fsetxattr_ends(ctx: FExitContext) -> i32 {
    let request = Request::at(ctx.arg::<u64>(0));
    let result = request.result(&ctx);
    if result != -EAGAIN {
        paths::of_file(
            Call::Fsetxattr,
            result,
            request.file(),
            [request.get(&REQUEST_XATTR_FLAGS), 0],
            request.get(&REQUEST_XATTR_NAME),
        );
    }
    0
}

/// The file and its new length; calls end here too, and are told by their own program.
#[fexit(function = "do_ftruncate")]
pub fn ftruncate_ends(ctx: FExitContext) -> i32 {
    let Ok(result) = ctx.ret::<i64>() else {
        return 0;
    };
    if ring_request::is_made_by(Task::current(), |call| matches!(call, Call::Ftruncate)) {
        let length = ctx.arg::<u64>(1);
        let halves = [length as u32, (length >> 32) as u32];
        paths::of_file(Call::Ftruncate, result as i32, ctx.arg::<u64>(0), halves, 0);
    }
    0
}

/// Tells the call that has led here, if it is one of the topic: the kernel changes files for itself
/// too.
#[inline(always)]
fn end(ctx: &FExitContext, hook: Hook, found: Found) -> i32 {
    let Ok(result) = ctx.ret::<i32>() else {
        return 0;
    };
    // Calls of 32-bit programs are left to their own program: two widths would double what the
    // verifier goes through.
    let number = regs::native_number(Task::current());
    let Some(call) = number.and_then(|number| PATH_CALLS.get(number)) else {
        return 0;
    };
    if Call::from_number(call.call).is_none_or(|call| call.hook() as u32 != hook as u32) {
        return 0;
    }
    let told = TOLD.insert(bpf_get_current_pid_tgid(), 0, u64::from(BPF_ANY));
    // Without the mark the end of the call would tell it again.
    if told.is_ok() {
        paths::observe(hook, call, result, Arguments::current(), found);
    }
    0
}

/// Whether the call that ends has been told; it is forgotten.
#[inline(always)]
pub fn has_told() -> bool {
    TOLD.remove(bpf_get_current_pid_tgid()).is_ok()
}

/// The calling thread ends.
#[inline(always)]
pub fn thread_ends() {
    has_told();
}
