//! Files opened, or not.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};
use gravlens_common::{
    ACCESS_MODE, BulkContext, Call, DropReason, EventClass, Hook, Kind, KnownOpen, O_PATH,
    OPEN_EXECUTABLE, OpenRecord, ShortOpenRecord, open_marks, path_flags, verdict,
};

use crate::{
    account::{self, Account},
    approvers, emit as ring,
    fairness::{self, Paid, Token},
    kernel::{
        path::{self, BuiltPath, Memory, Place},
        read_user,
        regs::{self, Arguments},
        task::Task,
    },
    known,
    maps::PATH_SCRATCH,
    scope::{self, Caller},
    scratch::{self, PathScratch},
    verifier,
};

/// Directory argument that stands for the working directory (fcntl.h).
pub const AT_FDCWD: i32 = -100;
/// What creat(2) does: O_CREAT | O_WRONLY | O_TRUNC.
const CREAT_FLAGS: u32 = 0o1101;
/// O_CREAT, O_EXCL, O_NOCTTY and O_TRUNC: the kernel acts on them and does not keep them in the
/// file (do_dentry_open in fs/open.c), so they come from the call.
const SPENT_FLAGS: u32 = 0o1700;
/// Bounds a path's length for the verifier.
const PATH_LEN_MASK: i32 = 0xFFF;

macro_rules! open_programs {
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

open_programs! {
    sys_exit_open => Open,
    sys_exit_openat => Openat,
    sys_exit_openat2 => Openat2,
    sys_exit_creat => Creat,
    sys_exit_open_by_handle_at => OpenByHandleAt,
    sys_exit_memfd_create => MemfdCreate,
}

/// Reports a call that has ended.
#[inline(always)]
pub fn observe(call: Call, result: i64, arguments: Arguments) {
    let Some(caller) = scope::caller() else {
        return;
    };
    let Some((buffer, account)) = begin(caller) else {
        return;
    };
    let event = Event {
        caller,
        account,
        call,
        result: result as i32,
    };
    tell(&event, arguments, buffer);
    scratch::release(buffer);
}

/// An open that has been counted as seen.
pub struct Event {
    pub caller: Caller,
    pub account: Option<Account>,
    pub call: Call,
    pub result: i32,
}

/// Opens the account of an event, and takes a buffer for it.
#[inline(always)]
pub fn begin(caller: Caller) -> Option<(*mut PathScratch, Option<Account>)> {
    let account = account::seen(caller.cgroup_id, Hook::Open);
    let buffer = scratch::take(&PATH_SCRATCH);
    if buffer.is_none()
        && let Some(account) = account
    {
        account.dropped(DropReason::ScratchBusy);
    }
    Some((buffer?, account))
}

/// How an event has come past the first check.
#[derive(Clone, Copy)]
pub enum Gate {
    /// By what its class says. It has paid.
    Paid(Token),
    /// Its path decides, and it pays afterwards.
    ByName,
    /// It may be known, and pays if it is not.
    IfUnknown,
}

impl Gate {
    /// The first check, by the class: an event with these flags and [`open_marks`]. `None` when the
    /// event has been counted as suppressed or as cut.
    #[inline(always)]
    pub fn enter(event: &Event, flags: u32, marks: u8, buffer: *mut PathScratch) -> Option<Self> {
        let created = marks & open_marks::CREATED != 0;
        let class = EventClass::of_open(event.call, flags, created, event.result);
        match approvers::verdict_of(event.call as u8, class, event.caller) {
            verdict::DROP => {
                account::suppressed(event.account);
                None
            }
            verdict::BY_NAME => {
                approvers::ask(buffer, class.bit());
                Some(Self::ByName)
            }
            _ if known::is_on() => Some(Self::IfUnknown),
            _ => Self::pay(event),
        }
    }

    /// For an event whose class is not known.
    #[inline(always)]
    fn pay(event: &Event) -> Option<Self> {
        fairness::token(event.caller.cgroup_id, event.account).map(Self::Paid)
    }

    /// The second check, by the path. `None` as above.
    #[inline(always)]
    pub fn leave(self, event: &Event, seen: &Seen, buffer: *mut PathScratch) -> Option<Paid> {
        let is_suppressed = match self {
            Self::Paid(token) => return Some(token.spent(event.account)),
            Self::ByName => !approvers::wants(buffer, &seen.path),
            Self::IfUnknown => {
                let open = KnownOpen {
                    flags: seen.told_flags(event.call),
                    call: event.call as u8,
                    marks: seen.marks,
                    result: event.result,
                };
                known::is_known(open, event.caller, &seen.path, buffer)
            }
        };
        if is_suppressed {
            account::suppressed(event.account);
            return None;
        }
        fairness::pay(event.caller.cgroup_id, event.account)
    }
}

#[inline(always)]
fn tell(event: &Event, arguments: Arguments, buffer: *mut PathScratch) {
    let task = Task::current();
    let asked_flags = requested_flags(event.call, arguments);
    let file = opened(event, asked_flags, buffer);
    let gate = if file.is_known {
        Gate::enter(event, file.flags, file.marks, buffer)
    } else if event.result < 0 {
        Gate::enter(event, asked_flags.0, 0, buffer)
    } else {
        Gate::pay(event)
    };
    let Some(gate) = gate else {
        return;
    };
    let path = if file.is_known {
        path::build_place(file.place, task, buffer)
    } else {
        BuiltPath::unreadable()
    };
    let seen = if path.flags & path_flags::UNREADABLE == 0 {
        Seen {
            path,
            flags: file.flags,
            marks: file.marks,
            executable: file.executable,
        }
    } else {
        asked(task, event, arguments, asked_flags.0, buffer)
    };
    if let Some(paid) = gate.leave(event, &seen, buffer) {
        emit(&seen, event.caller, event.call, event.result, buffer, paid);
    }
}

/// What was learnt of the file.
pub struct Seen {
    pub path: BuiltPath,
    /// open(2) flags.
    pub flags: u32,
    /// [`open_marks`].
    pub marks: u8,
    /// The call made a file that somebody may execute.
    pub executable: bool,
}

impl Seen {
    /// [`OpenRecord::flags`].
    #[inline(always)]
    fn told_flags(&self, call: Call) -> u32 {
        match call {
            Call::MemfdCreate => self.flags,
            // Whatever the caller passed.
            _ if self.executable => self.flags | OPEN_EXECUTABLE,
            _ => self.flags & !OPEN_EXECUTABLE,
        }
    }
}

/// The file behind a descriptor; nothing but zeros where it is not known, rather than an `Option`:
/// see [`requested_flags`].
struct OpenedFile {
    is_known: bool,
    place: Place,
    /// As in [`Seen`].
    flags: u32,
    marks: u8,
    executable: bool,
}

impl OpenedFile {
    #[inline(always)]
    fn unknown() -> Self {
        Self {
            is_known: false,
            place: Place::new(0, 0),
            flags: 0,
            marks: 0,
            executable: false,
        }
    }
}

/// The file behind the descriptor that the call returned; not known when the call failed, and when
/// another thread has closed or replaced the descriptor since.
#[inline(always)]
fn opened(
    event: &Event,
    (asked, asked_is_known): (u32, bool),
    buffer: *mut PathScratch,
) -> OpenedFile {
    if event.result < 0 {
        return OpenedFile::unknown();
    }
    let Some(file) = Task::file(event.result as u32) else {
        return OpenedFile::unknown();
    };
    let file = file.head(PathScratch::room(buffer));
    let flags = file.flags();
    // Also where the descriptor table is nobody else's by now: whoever replaced the descriptor may
    // have ended since.
    if call_opens_as_asked(event.call) && asked_is_known && access(asked) != access(flags) {
        return OpenedFile::unknown();
    }
    let mut marks = 0;
    if Task::shares_files() {
        marks |= open_marks::FD_SHARED;
    }
    let mut executable = false;
    if file.was_created() {
        marks |= open_marks::CREATED;
        executable = file.is_executable();
    }
    OpenedFile {
        is_known: true,
        place: file.place(),
        flags: match event.call {
            // Its flags are of a kind of their own.
            Call::MemfdCreate => asked,
            _ => all_flags(flags, asked),
        },
        marks,
        executable,
    }
}

/// The flags of a file, with those that were asked for and that it does not keep.
#[inline(always)]
pub fn all_flags(kept: u32, asked: u32) -> u32 {
    kept | asked & SPENT_FLAGS
}

/// The flags of the call tell what the file is opened for.
#[inline(always)]
const fn call_opens_as_asked(call: Call) -> bool {
    !matches!(call, Call::MemfdCreate)
}

/// What a file was opened for: it stays the same for as long as the file is open.
#[inline(always)]
const fn access(flags: u32) -> u32 {
    if flags & O_PATH != 0 {
        O_PATH
    } else {
        flags & ACCESS_MODE
    }
}

/// What the caller asked for, when there is no file to read it from.
#[inline(always)]
fn asked(
    task: Task,
    event: &Event,
    arguments: Arguments,
    flags: u32,
    buffer: *mut PathScratch,
) -> Seen {
    let call = event.call;
    let at = matches!(call, Call::Openat | Call::Openat2);
    let name = arguments.get(u8::from(at));
    let path = match call {
        // The handle tells no name.
        Call::OpenByHandleAt => BuiltPath::unreadable(),
        Call::MemfdCreate => path::copy(Memory::User, name, buffer),
        _ => {
            let directory = directory(task, at, arguments);
            path::build_from_name(Memory::User, name, directory, task, buffer)
        }
    };
    Seen {
        path,
        flags,
        // A descriptor without its file: only another thread can have taken it away.
        marks: if event.result >= 0 {
            open_marks::FD_SHARED
        } else {
            0
        },
        executable: false,
    }
}

/// The directory that a relative name starts from.
#[inline(always)]
fn directory(task: Task, at: bool, arguments: Arguments) -> Option<u64> {
    let fd = if at {
        arguments.get(0) as i32
    } else {
        AT_FDCWD
    };
    directory_of(task, fd)
}

/// The directory that a directory argument stands for.
#[inline(always)]
pub fn directory_of(task: Task, fd: i32) -> Option<u64> {
    if fd == AT_FDCWD {
        return task.working_directory();
    }
    Task::file(fd as u32)?.path()
}

/// The flags of the call, and whether they are known; zero when they are not, rather than an
/// `Option`: the compiler would keep its undefined payload, which the verifier refuses.
#[inline(always)]
fn requested_flags(call: Call, arguments: Arguments) -> (u32, bool) {
    let flags = match call {
        Call::Openat | Call::OpenByHandleAt => arguments.get(2),
        // struct open_how begins with its flags.
        Call::Openat2 => match read_user::<u64>(arguments.get(2)) {
            Some(flags) => flags,
            None => return (0, false),
        },
        Call::Creat => u64::from(CREAT_FLAGS),
        _ => arguments.get(1),
    };
    (flags as u32, true)
}

/// Puts the fixed part right before the path, and both into the ring.
#[inline(always)]
pub fn emit(
    seen: &Seen,
    caller: Caller,
    call: Call,
    result: i32,
    buffer: *mut PathScratch,
    paid: Paid,
) {
    let path_len = verifier::mask::<PATH_LEN_MASK>(seen.path.len);
    let record = OpenRecord {
        header: ring::header(
            Kind::Open,
            (size_of::<OpenRecord>() as u64 + path_len) as u32,
        ),
        context: BulkContext {
            cgroup_id: caller.cgroup_id,
            exec_key: Task::exec_key((caller.pid_tgid >> 32) as u32),
            tid: caller.tid(),
            result,
        },
        flags: seen.told_flags(call),
        name_len: seen.path.name_len as u16,
        call: call as u8,
        marks: seen.path.flags | seen.marks,
    };
    match ShortOpenRecord::of(&record) {
        Some(short) => put(&short, seen.path.start, path_len, buffer, paid),
        None => put(&record, seen.path.start, path_len, buffer, paid),
    }
}

#[inline(always)]
fn put<T: Copy>(fixed: &T, path: u64, path_len: u64, buffer: *mut PathScratch, paid: Paid) {
    let fixed_len = size_of::<T>() as u64;
    let Some(start) = path::byte_at(buffer, path - fixed_len) else {
        // Never so, but the verifier cannot know it; the account stays whole even then.
        if let Some(account) = paid.account() {
            account.dropped(DropReason::ScratchBusy);
        }
        return;
    };
    // SAFETY: a path starts behind PATH_HEAD bytes, more than the fixed part takes.
    unsafe {
        verifier::store(start, fixed);
        ring::bulk(start, fixed_len + path_len, paid);
    }
}
