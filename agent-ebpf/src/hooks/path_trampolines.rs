//! Names removed, moved and made, where the kernel grants trampolines: the kernel's own copies of the
//! names, whoever asks.
//!
//! System calls of either width and io_uring end in the same functions (fs/internal.h), which take
//! each name as a `struct filename` and free it before they return. So a record is put together at
//! the entry and kept, in a slot that the thread holds, until the end tells the result. A thread that
//! finds no slot, since others block with theirs, is told as by a tracepoint.

use aya_ebpf::{
    bindings::BPF_ANY,
    helpers::bpf_get_current_pid_tgid,
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use gravlens_common::{Call, DropReason, EventClass, Hook};

use super::{
    open::{self, AT_FDCWD},
    paths::{self, Found, NO_DESCRIPTOR, Record},
};
use crate::{
    account, approvers, compat_call, emit,
    globals::*,
    kernel::{
        path::{self, BuiltPath, Memory},
        read_ptr,
        regs::{self, Arguments},
        request::{EAGAIN, Request},
        task::Task,
    },
    maps::{HELD_PATHS, HOLDERS, PATH_CALLS, PATH_SCRATCH},
    scope,
    scratch::{self, Growing, PathScratch, PathsScratch},
};

/// Slots that threads hold while their calls run. A call that blocks keeps its slot.
pub const HELD_PATHS_MAX: u32 = 64;
/// Mask of the slot at which a thread begins to look for a free one.
const FIRST_MASK: u32 = HELD_PATHS_MAX - 1;
/// The flag of unlinkat(2) that the kernel turns into another function.
const AT_REMOVEDIR: u32 = 0x200;

const _: () = assert!(HELD_PATHS_MAX.is_power_of_two());

/// A name that a function was given.
#[derive(Clone, Copy)]
enum Given {
    /// There is none.
    Nothing,
    /// It begins at a directory: its descriptor, and the address of the `struct filename`.
    Below(i32, u64),
    /// The same, where an empty name stands for the descriptor's own file.
    BelowOrFile(i32, u64),
    /// A string that is no path of the caller's.
    Verbatim(u64),
    /// The same, by the address of its bytes.
    Text(u64),
}

/// A call as the function sees it.
struct Change {
    /// What io_uring asks for by this function.
    call: Call,
    first: Given,
    second: Given,
    /// Mode or flags.
    number: u32,
}

#[fentry(function = "do_unlinkat")]
pub fn unlink_begins(ctx: FEntryContext) -> i32 {
    begin(Change {
        call: Call::Unlinkat,
        first: Given::Below(ctx.arg::<i32>(0), ctx.arg::<u64>(1)),
        second: Given::Nothing,
        number: 0,
    })
}

#[fentry(function = "do_rmdir")]
pub fn rmdir_begins(ctx: FEntryContext) -> i32 {
    begin(Change {
        call: Call::Unlinkat,
        first: Given::Below(ctx.arg::<i32>(0), ctx.arg::<u64>(1)),
        second: Given::Nothing,
        number: AT_REMOVEDIR,
    })
}

#[fentry(function = "do_renameat2")]
pub fn rename_begins(ctx: FEntryContext) -> i32 {
    begin(Change {
        call: Call::Renameat2,
        first: Given::Below(ctx.arg::<i32>(0), ctx.arg::<u64>(1)),
        second: Given::Below(ctx.arg::<i32>(2), ctx.arg::<u64>(3)),
        number: ctx.arg::<u32>(4),
    })
}

#[fentry(function = "do_linkat")]
pub fn link_begins(ctx: FEntryContext) -> i32 {
    begin(Change {
        call: Call::Linkat,
        first: Given::BelowOrFile(ctx.arg::<i32>(0), ctx.arg::<u64>(1)),
        second: Given::Below(ctx.arg::<i32>(2), ctx.arg::<u64>(3)),
        number: ctx.arg::<u32>(4),
    })
}

#[fentry(function = "do_symlinkat")]
pub fn symlink_begins(ctx: FEntryContext) -> i32 {
    begin(Change {
        call: Call::Symlinkat,
        first: Given::Verbatim(ctx.arg::<u64>(0)),
        second: Given::Below(ctx.arg::<i32>(1), ctx.arg::<u64>(2)),
        number: 0,
    })
}

#[fentry(function = "do_mkdirat")]
pub fn mkdir_begins(ctx: FEntryContext) -> i32 {
    begin(Change {
        call: Call::Mkdirat,
        first: Given::Below(ctx.arg::<i32>(0), ctx.arg::<u64>(1)),
        second: Given::Nothing,
        number: u32::from(ctx.arg::<u16>(2)),
    })
}

/// A request of io_uring; calls do not come here.
#[fentry(function = "io_setxattr")]
pub fn setxattr_begins(ctx: FEntryContext) -> i32 {
    let request = Request::at(ctx.arg::<u64>(0));
    begin(Change {
        call: Call::Setxattr,
        first: Given::Below(AT_FDCWD, request.get(&REQUEST_XATTR_FILENAME)),
        second: Given::Text(request.get(&REQUEST_XATTR_NAME)),
        number: request.get(&REQUEST_XATTR_FLAGS),
    })
}

#[fexit(function = "io_setxattr")]
pub fn setxattr_ends(ctx: FExitContext) -> i32 {
    let result = Request::at(ctx.arg::<u64>(0)).result(&ctx);
    if result == -EAGAIN {
        forget(bpf_get_current_pid_tgid());
        return 0;
    }
    end_with(result)
}

#[fexit(function = "do_unlinkat")]
pub fn unlink_ends(ctx: FExitContext) -> i32 {
    end(&ctx)
}

#[fexit(function = "do_rmdir")]
pub fn rmdir_ends(ctx: FExitContext) -> i32 {
    end(&ctx)
}

#[fexit(function = "do_renameat2")]
pub fn rename_ends(ctx: FExitContext) -> i32 {
    end(&ctx)
}

#[fexit(function = "do_linkat")]
pub fn link_ends(ctx: FExitContext) -> i32 {
    end(&ctx)
}

#[fexit(function = "do_symlinkat")]
pub fn symlink_ends(ctx: FExitContext) -> i32 {
    end(&ctx)
}

#[fexit(function = "do_mkdirat")]
pub fn mkdir_ends(ctx: FExitContext) -> i32 {
    end(&ctx)
}

/// Puts the record together, without its result.
#[inline(always)]
fn begin(change: Change) -> i32 {
    let Some(caller) = scope::caller() else {
        return 0;
    };
    let pid_tgid = caller.pid_tgid;
    // The end of the thread's last call was missed.
    abandon(pid_tgid);
    let task = Task::current();
    let Some(call) = asked(task, change.call) else {
        return 0;
    };
    let Some(buffer) = scratch::take(&PATH_SCRATCH) else {
        return 0;
    };
    if let Some(held) = hold(pid_tgid) {
        let mut record = Record::begin(held, buffer, caller);
        record.call(
            call as u8,
            [change.number, 0],
            descriptor(call, change.first),
        );
        let reader = Reader { task, buffer };
        let (first, marks) = reader.path(change.first);
        record.first(first, marks);
        let (second, marks) = reader.path(change.second);
        record.second(second, marks);
    }
    scratch::release(buffer);
    0
}

/// Tells the call, now that its result is known.
#[inline(always)]
fn end(ctx: &FExitContext) -> i32 {
    match ctx.ret::<i64>() {
        Ok(result) => end_with(result as i32),
        Err(_) => 0,
    }
}

#[inline(always)]
fn end_with(result: i32) -> i32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    let Some(index) = held_by(pid_tgid) else {
        observe(result);
        return 0;
    };
    if let Some(caller) = scope::caller() {
        let account = account::seen(caller.cgroup_id, Hook::FileChange);
        if let Some(held) = HELD_PATHS.get_ptr_mut(index)
            && let Some(paid) = approvers::pay(
                paths::call_of(held),
                EventClass::of_result(result.into()),
                caller,
                account,
            )
        {
            let size = paths::end(held, caller, result);
            // SAFETY: `begin` and `paths::end` initialised `size` bytes.
            unsafe { emit::bulk(Growing::record(held), size, paid) };
        }
    }
    forget(pid_tgid);
    0
}

/// A call that found no slot, or began before the programs were attached: told as a tracepoint would
/// tell it, with the names from the caller's memory. There is none to read where no system call of
/// this width was made.
#[inline(always)]
fn observe(result: i32) {
    let task = Task::current();
    if let Some(call) = regs::native_number(task).and_then(|number| PATH_CALLS.get(number))
        && change_of(call.call).is_some()
    {
        let arguments = Arguments::current();
        paths::observe(Hook::FileChange, call, result, arguments, Found::NOTHING);
        return;
    }
    let Some(caller) = scope::caller() else {
        return;
    };
    let compat = task.is_in_compat_call() && !task.is_io_worker();
    if (compat || task.has_io_uring())
        && let Some(account) = account::seen(caller.cgroup_id, Hook::FileChange)
    {
        account.dropped(DropReason::ScratchBusy);
    }
}

/// The call of that number, if it changes a file.
#[inline(always)]
fn change_of(call: u8) -> Option<Call> {
    Call::from_number(call).filter(|call| call.hook() as u8 == Hook::FileChange as u8)
}

/// The call that the thread has made; `None` when the kernel acts for itself.
#[inline(always)]
fn asked(task: Task, by_io_uring: Call) -> Option<Call> {
    let call = match regs::native_number(task) {
        Some(number) => PATH_CALLS.get(number).map(|call| call.call),
        None => compat_call::current(task).map(|made| made.entry.call.call),
    };
    match call.and_then(change_of) {
        Some(call) => Some(call),
        // A request may run at the end of whatever call the thread is in.
        None if task.has_io_uring() => Some(by_io_uring),
        None => None,
    }
}

/// The descriptor that the call was given for its first path.
#[inline(always)]
fn descriptor(call: Call, first: Given) -> i32 {
    if matches!(
        call,
        Call::Unlink | Call::Rmdir | Call::Rename | Call::Link | Call::Mkdir | Call::Setxattr
    ) {
        return NO_DESCRIPTOR;
    }
    match first {
        Given::Below(descriptor, _) | Given::BelowOrFile(descriptor, _) => descriptor,
        Given::Nothing | Given::Verbatim(_) | Given::Text(_) => NO_DESCRIPTOR,
    }
}

/// Reads the names of one call.
struct Reader {
    task: Task,
    buffer: *mut PathScratch,
}

impl Reader {
    /// A path, with the marks that its descriptor gives it.
    #[inline(always)]
    fn path(&self, given: Given) -> (BuiltPath, u8) {
        match given {
            Given::Nothing => (paths::nothing(), 0),
            Given::Verbatim(name) => match read_ptr(name, &FILENAME_NAME) {
                Some(string) => (path::copy(Memory::Kernel, string, self.buffer), 0),
                None => (BuiltPath::unreadable(), 0),
            },
            Given::Text(string) => (path::copy(Memory::Kernel, string, self.buffer), 0),
            Given::Below(descriptor, name) => self.below(descriptor, name, false),
            Given::BelowOrFile(descriptor, name) => self.below(descriptor, name, true),
        }
    }

    #[inline(always)]
    fn below(&self, descriptor: i32, name: u64, or_file: bool) -> (BuiltPath, u8) {
        let marks = if descriptor == AT_FDCWD {
            0
        } else {
            paths::shared()
        };
        let directory = open::directory_of(self.task, descriptor);
        let Some(string) = read_ptr(name, &FILENAME_NAME) else {
            return (BuiltPath::unreadable(), marks);
        };
        let path = path::build_from_name(Memory::Kernel, string, directory, self.task, self.buffer);
        match directory {
            Some(directory) if or_file && path.len == 0 => {
                (path::build(directory, self.task, self.buffer), marks)
            }
            _ => (path, marks),
        }
    }
}

/// Takes a slot for the thread.
#[inline(always)]
fn hold(pid_tgid: u64) -> Option<*mut PathsScratch> {
    let first = pid_tgid as u32;
    let index = take(first)
        .or_else(|| take(first + 1))
        .or_else(|| take(first + 2))
        .or_else(|| take(first + 3))?;
    let slot = HELD_PATHS.get_ptr_mut(index)?;
    if HOLDERS.insert(pid_tgid, index, u64::from(BPF_ANY)).is_ok() {
        return Some(slot);
    }
    scratch::release(slot);
    None
}

#[inline(always)]
fn take(number: u32) -> Option<u32> {
    let index = number & FIRST_MASK;
    scratch::take_at(&HELD_PATHS, index).map(|_| index)
}

#[inline(always)]
fn held_by(pid_tgid: u64) -> Option<u32> {
    // SAFETY: only this thread writes and removes its own entry, and it is here.
    unsafe { HOLDERS.get(pid_tgid) }.copied()
}

/// Gives the thread's slot back.
#[inline(always)]
fn forget(pid_tgid: u64) {
    let Some(index) = held_by(pid_tgid) else {
        return;
    };
    let _ = HOLDERS.remove(pid_tgid);
    if let Some(slot) = HELD_PATHS.get_ptr_mut(index) {
        scratch::release(slot);
    }
}

/// The same for a call whose end was missed: it is lost.
#[inline(always)]
fn abandon(pid_tgid: u64) {
    let Some(held) = held_by(pid_tgid).and_then(|index| HELD_PATHS.get_ptr_mut(index)) else {
        return;
    };
    if let Some(account) = account::seen(paths::cgroup_of(held), Hook::FileChange) {
        account.dropped(DropReason::ScratchBusy);
    }
    forget(pid_tgid);
}

/// The calling thread ends.
#[inline(always)]
pub fn thread_ends() {
    abandon(bpf_get_current_pid_tgid());
}
