//! Files opened, where the kernel grants trampolines: exact, whoever asks.
//!
//! `do_filp_open` (fs/namei.c) is where every open of a named file ends, by system call of either
//! width or by io_uring: it has the kernel's own copy of the name and of the flags, and gives the
//! file. Which descriptor the file got is known a moment later, when `fd_install` (fs/file.c) puts
//! it there: an argument too, so no other thread can have changed it. Executions and the kernel's
//! own opens end in the first as well and install nothing.

use aya_ebpf::{
    bindings::BPF_ANY,
    helpers::bpf_get_current_pid_tgid,
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use gravlens_common::{Call, DropReason, Hook, open_marks};

use super::open::{self, Event, Gate, Seen};
use crate::{
    account,
    globals::{FILENAME_NAME, OPEN_FLAGS_FLAGS},
    kernel::{
        file::File,
        is_error,
        path::{self, Memory},
        read_or_zero, read_ptr,
        request::EAGAIN,
        task::Task,
    },
    maps::OPENED,
    ring_request,
    scope::{self, Caller},
    scratch::{self, PathScratch},
};

/// The open is an execution's (`FMODE_EXEC` in include/linux/fs.h, as `__FMODE_EXEC` in the flags).
const FMODE_EXEC: u32 = 0x20;

/// A file that is open and has no descriptor yet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Opened {
    /// Address of the file.
    file: u64,
    /// Flags of the call.
    flags: u64,
}

#[fexit(function = "do_filp_open")]
pub fn open_file(ctx: FExitContext) -> i32 {
    let flags = read_or_zero::<u32>(ctx.arg::<u64>(2), &OPEN_FLAGS_FLAGS);
    if flags & FMODE_EXEC != 0 {
        return 0;
    }
    let (Some(caller), Ok(result)) = (scope::caller(), ctx.ret::<i64>()) else {
        return 0;
    };
    if is_error(result) {
        let request = Request {
            directory: ctx.arg::<i32>(0),
            name: ctx.arg::<u64>(1),
            flags,
        };
        fail(request, caller, result as i32);
    } else {
        let opened = Opened {
            file: result as u64,
            flags: u64::from(flags),
        };
        if OPENED
            .insert(caller.pid_tgid, opened, u64::from(BPF_ANY))
            .is_err()
        {
            lost(caller);
        }
    }
    0
}

#[fentry(function = "fd_install")]
pub fn install_file(ctx: FEntryContext) -> i32 {
    installed(ctx.arg::<u64>(1), ctx.arg::<u32>(0) as i32);
    0
}

/// io_uring keeps the file in a table of its own: there is no descriptor.
#[fentry(function = "io_fixed_fd_install")]
pub fn install_fixed_file(ctx: FEntryContext) -> i32 {
    installed(ctx.arg::<u64>(2), 0);
    0
}

/// Who opens, by which call.
struct Opener {
    task: Task,
    call: Call,
    /// No system call of its own.
    by_io_uring: bool,
}

/// `None` for the kernel's own opens.
#[inline(always)]
fn opener() -> Option<Opener> {
    let task = Task::current();
    match ring_request::current_call(task).filter(|call| call.opens_by_name()) {
        Some(call) => Some(Opener {
            task,
            call,
            by_io_uring: false,
        }),
        // A request may run at the end of whatever call the thread is in.
        None if task.has_io_uring() => Some(Opener {
            task,
            call: Call::Openat,
            by_io_uring: true,
        }),
        None => None,
    }
}

/// What was asked for.
struct Request {
    directory: i32,
    /// Address of the `struct filename`.
    name: u64,
    flags: u32,
}

/// The table of opened files is full.
#[inline(always)]
fn lost(caller: Caller) {
    if let Some(account) = account::seen(caller.cgroup_id, Hook::Open) {
        account.dropped(DropReason::ScratchBusy);
    }
}

/// An open that failed.
#[inline(always)]
fn fail(request: Request, caller: Caller, error: i32) {
    let Some(opener) = opener() else {
        return;
    };
    if error == -EAGAIN && opener.by_io_uring && !opener.task.is_io_worker() {
        return;
    }
    let Some((buffer, account)) = open::begin(caller) else {
        return;
    };
    let event = Event {
        caller,
        account,
        call: opener.call,
        result: error,
    };
    if let Some(gate) = Gate::enter(&event, request.flags, 0, buffer) {
        let path = match read_ptr(request.name, &FILENAME_NAME) {
            Some(name) => {
                let directory = open::directory_of(opener.task, request.directory);
                path::build_from_name(Memory::Kernel, name, directory, opener.task, buffer)
            }
            None => path::BuiltPath::unreadable(),
        };
        let seen = Seen {
            path,
            flags: request.flags,
            marks: 0,
            executable: false,
        };
        end(seen, &opener, &event, gate, buffer);
    }
    scratch::release(buffer);
}

/// A file gets its descriptor, which is told if it was opened by its name just now.
#[inline(always)]
fn installed(file: u64, fd: i32) {
    let Some(caller) = scope::caller() else {
        return;
    };
    // SAFETY: only this thread writes and removes its own entry, and it is here.
    let Some(opened) = (unsafe { OPENED.get(caller.pid_tgid) }) else {
        return;
    };
    let Opened {
        file: expected,
        flags: asked,
    } = *opened;
    if expected != file {
        return;
    }
    let _ = OPENED.remove(caller.pid_tgid);
    let Some(opener) = opener() else {
        return;
    };
    let Some((buffer, account)) = open::begin(caller) else {
        return;
    };
    let event = Event {
        caller,
        account,
        call: opener.call,
        result: fd,
    };
    let file = File::at(file).head(PathScratch::room(buffer));
    let flags = open::all_flags(file.flags(), asked as u32);
    let (marks, executable) = if file.was_created() {
        (open_marks::CREATED, file.is_executable())
    } else {
        (0, false)
    };
    let place = file.place();
    if let Some(gate) = Gate::enter(&event, flags, marks, buffer) {
        let seen = Seen {
            path: path::build_place(place, opener.task, buffer),
            flags,
            marks,
            executable,
        };
        end(seen, &opener, &event, gate, buffer);
    }
    scratch::release(buffer);
}

/// Reports the event, if its path is wanted.
#[inline(always)]
fn end(mut seen: Seen, opener: &Opener, event: &Event, gate: Gate, buffer: *mut PathScratch) {
    if opener.by_io_uring {
        seen.marks |= open_marks::IO_URING;
    }
    if let Some(paid) = gate.leave(event, &seen, buffer) {
        open::emit(&seen, event.caller, event.call, event.result, buffer, paid);
    }
}

/// The calling thread ends.
#[inline(always)]
pub fn thread_ends() {
    let _ = OPENED.remove(bpf_get_current_pid_tgid());
}
