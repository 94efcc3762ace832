//! Calls on paths: changes of files, the mount family, and executions that failed.
//!
//! One program serves all calls of a topic: the table [`PATH_CALLS`] says where their arguments
//! stand. Names are read after the call, from the caller's memory; directories, and files behind
//! descriptors, from the kernel.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};
use gravlens_common::{
    BulkContext, Call, DropReason, EventClass, Hook, Kind, PathCall, PathSource, PathsRecord,
    argument, open_marks, path_source,
};

use super::{open::AT_FDCWD, place_trampolines};
use crate::{
    account,
    appender::Appender,
    approvers,
    emit::{self, Wake},
    kernel::{
        file::File,
        path::{self, BuiltPath, Memory},
        regs::{self, Arguments},
        task::Task,
    },
    maps::{PATH_CALLS, PATH_SCRATCH, PATHS_SCRATCH},
    scope::{self, Caller},
    scratch::{self, Growing, PathScratch, PathsScratch},
};

/// What the first path's descriptor says when there is none.
pub const NO_DESCRIPTOR: i32 = -1;

#[tracepoint]
pub fn file_change(ctx: TracePointContext) -> u32 {
    report(&ctx, Hook::FileChange)
}

#[tracepoint]
pub fn mount(ctx: TracePointContext) -> u32 {
    report(&ctx, Hook::Mount)
}

/// The other executions are told by the hook on them.
#[tracepoint]
pub fn exec_failed(ctx: TracePointContext) -> u32 {
    if regs::result(&ctx) >= 0 {
        return 0;
    }
    report(&ctx, Hook::ExecFailed)
}

#[inline(always)]
fn report(ctx: &TracePointContext, hook: Hook) -> u32 {
    if let Some(call) = PATH_CALLS.get(regs::number(ctx)) {
        let result = regs::result(ctx) as i32;
        end_of(hook, call, result, Arguments::current());
    }
    0
}

/// What the kernel found for a call, by address; zero where it is not known.
#[derive(Clone, Copy)]
pub struct Found {
    /// The `struct path` under the name.
    pub place: u64,
    /// The kernel's copy of a string that is no path of the caller's.
    pub string: u64,
}

impl Found {
    /// Only the caller's memory tells.
    pub const NOTHING: Self = Self {
        place: 0,
        string: 0,
    };

    #[inline(always)]
    pub fn at(place: u64) -> Self {
        Self {
            place,
            ..Self::NOTHING
        }
    }
}

/// Reports a call that has ended, unless trampolines have.
#[inline(always)]
pub fn end_of(hook: Hook, call: &PathCall, result: i32, arguments: Arguments) {
    if !place_trampolines::has_told() {
        observe(hook, call, result, arguments, Found::NOTHING);
    }
}

/// Reports a call.
#[inline(always)]
pub fn observe(hook: Hook, call: &PathCall, result: i32, arguments: Arguments, found: Found) {
    let Some(caller) = scope::caller() else {
        return;
    };
    let account = account::seen(caller.cgroup_id, hook);
    let paid = if hook.is_critical() {
        None
    } else {
        match approvers::pay(
            call.call,
            EventClass::of_result(result.into()),
            caller,
            account,
        ) {
            Some(paid) => Some(paid),
            None => return,
        }
    };
    let record = scratch::take(&PATHS_SCRATCH);
    let paths = scratch::take(&PATH_SCRATCH);
    if let (Some(record), Some(paths)) = (record, paths) {
        let size = fill(record, paths, caller, call, result, arguments, found);
        // SAFETY: `fill` initialised `size` bytes.
        unsafe {
            let bytes = Growing::record(record);
            match paid {
                Some(paid) => emit::bulk(bytes, size, paid),
                None => emit::critical(bytes, size, Wake::Now, account),
            }
        }
    } else if let Some(account) = account {
        account.dropped(DropReason::ScratchBusy);
    }
    if let Some(record) = record {
        scratch::release(record);
    }
    if let Some(paths) = paths {
        scratch::release(paths);
    }
}

/// Reports a change of a file that is known, by its address; `text` is the address of a string of the
/// kernel's that is no path, or zero.
#[inline(always)]
pub fn of_file(call: Call, result: i32, file: u64, numbers: [u32; 2], text: u64) {
    let Some(caller) = scope::caller() else {
        return;
    };
    let account = account::seen(caller.cgroup_id, call.hook());
    let Some(paid) = approvers::pay(
        call as u8,
        EventClass::of_result(result.into()),
        caller,
        account,
    ) else {
        return;
    };
    let buffer = scratch::take(&PATHS_SCRATCH);
    let paths = scratch::take(&PATH_SCRATCH);
    if let (Some(buffer), Some(paths)) = (buffer, paths) {
        let mut record = Record::begin(buffer, paths, caller);
        record.call(call as u8, numbers, NO_DESCRIPTOR);
        record.first(built(File::at(file).path(), Task::current(), paths), 0);
        let second = match text {
            0 => nothing(),
            text => path::copy(Memory::Kernel, text, paths),
        };
        record.second(second, 0);
        let size = end(buffer, caller, result);
        // SAFETY: `size` bytes are initialised.
        unsafe { emit::bulk(Growing::record(buffer), size, paid) };
    } else if let Some(account) = account {
        account.dropped(DropReason::ScratchBusy);
    }
    if let Some(buffer) = buffer {
        scratch::release(buffer);
    }
    if let Some(paths) = paths {
        scratch::release(paths);
    }
}

/// Writes the record and returns its size.
#[inline(always)]
fn fill(
    buffer: *mut PathsScratch,
    paths: *mut PathScratch,
    caller: Caller,
    call: &PathCall,
    result: i32,
    arguments: Arguments,
    found: Found,
) -> u64 {
    let task = Task::current();
    let mut record = Record::begin(buffer, paths, caller);
    record.call(
        call.call,
        [
            number(arguments, call.args[0]),
            number(arguments, call.args[1]),
        ],
        descriptor(arguments, call),
    );
    let reader = Reader {
        task,
        arguments,
        result,
        found,
        paths,
    };
    let (first, marks) = reader.path(call.first);
    record.first(first, marks);
    let (second, marks) = reader.path(call.second);
    record.second(second, marks);
    end(buffer, caller, result)
}

/// The record of a call under construction: the call, its first path, its second.
pub struct Record {
    fixed: &'static mut PathsRecord,
    out: Appender<PathsScratch>,
    paths: *mut PathScratch,
}

impl Record {
    /// Says who calls.
    #[inline(always)]
    pub fn begin(buffer: *mut PathsScratch, paths: *mut PathScratch, caller: Caller) -> Self {
        let fixed = fixed_part(buffer);
        fixed.context = BulkContext {
            cgroup_id: caller.cgroup_id,
            exec_key: Task::exec_key((caller.pid_tgid >> 32) as u32),
            tid: caller.tid(),
            result: 0,
        };
        Self {
            fixed,
            out: Appender::behind(size_of::<PathsRecord>() as u64, buffer),
            paths,
        }
    }

    /// Says which [`gravlens_common::Call`], its arguments that are numbers, and the descriptor
    /// that its first path comes from.
    #[inline(always)]
    pub fn call(&mut self, call: u8, numbers: [u32; 2], descriptor: i32) {
        self.fixed.call = call;
        self.fixed.args = numbers;
        self.fixed.descriptor = descriptor;
        self.fixed.pad = 0;
    }

    /// Appends the first path, with the marks that its descriptor gives it.
    #[inline(always)]
    pub fn first(&mut self, path: BuiltPath, marks: u8) {
        self.fixed.first_len = self.out.path(self.paths, path);
        self.fixed.first_name_len = path.name_len as u16;
        self.fixed.first_marks = path.flags | marks;
    }

    /// Appends the second, likewise.
    #[inline(always)]
    pub fn second(&mut self, path: BuiltPath, marks: u8) {
        self.fixed.second_len = self.out.path(self.paths, path);
        self.fixed.second_name_len = path.name_len as u16;
        self.fixed.second_marks = path.flags | marks;
    }
}

/// Says how the call ended, and who is accounted for it; the size of the record.
#[inline(always)]
pub fn end(buffer: *mut PathsScratch, caller: Caller, result: i32) -> u64 {
    let size = Appender::of(buffer).size();
    let fixed = fixed_part(buffer);
    fixed.context.cgroup_id = caller.cgroup_id;
    fixed.context.result = result;
    fixed.header = emit::header(Kind::Paths, size as u32);
    size
}

/// The call that a record is about.
#[inline(always)]
pub fn call_of(buffer: *mut PathsScratch) -> u8 {
    fixed_part(buffer).call
}

/// The cgroup under which a record was begun.
#[inline(always)]
pub fn cgroup_of(buffer: *mut PathsScratch) -> u64 {
    fixed_part(buffer).context.cgroup_id
}

#[inline(always)]
fn fixed_part(buffer: *mut PathsScratch) -> &'static mut PathsRecord {
    // SAFETY: the buffer is larger than the record, and this program alone holds the slot. The
    // record type has no invalid bit patterns.
    unsafe { &mut *Growing::record(buffer).cast::<PathsRecord>() }
}

/// An argument that is a number.
#[inline(always)]
fn number(arguments: Arguments, place: u8) -> u32 {
    if place == argument::NONE {
        return 0;
    }
    let value = arguments.get(place & !argument::UPPER_HALF);
    if place & argument::UPPER_HALF != 0 {
        (value >> 32) as u32
    } else {
        value as u32
    }
}

#[inline(always)]
fn descriptor(arguments: Arguments, call: &PathCall) -> i32 {
    if call.first.descriptor == argument::NONE {
        return NO_DESCRIPTOR;
    }
    arguments.get(call.first.descriptor) as i32
}

/// Reads the paths of one call.
struct Reader {
    task: Task,
    arguments: Arguments,
    result: i32,
    found: Found,
    paths: *mut PathScratch,
}

impl Reader {
    /// A path, with the marks that its descriptor gives it.
    #[inline(always)]
    fn path(&self, source: PathSource) -> (BuiltPath, u8) {
        match source.kind {
            path_source::NONE => (nothing(), 0),
            path_source::STRING if self.found.string != 0 => {
                let copied = path::copy(Memory::Kernel, self.found.string, self.paths);
                (copied, 0)
            }
            kind if kind != path_source::STRING && self.found.place != 0 => {
                (path::build(self.found.place, self.task, self.paths), 0)
            }
            // The root is the new one by now: the name would be taken twice.
            path_source::NEW_ROOT if self.result == 0 => self.read(OWN_ROOT, source),
            kind => self.read(kind, source),
        }
    }

    #[inline(always)]
    fn read(&self, kind: u8, source: PathSource) -> (BuiltPath, u8) {
        let descriptor = if source.descriptor == argument::NONE {
            AT_FDCWD as u64
        } else {
            self.arguments.get(source.descriptor)
        };
        let name = self.arguments.get(source.name);
        let index = PathScratch::index(self.paths);
        let read = read_path(index, kind.into(), descriptor, name);
        (BuiltPath::unpacked(read), (read >> MARKS) as u8)
    }
}

/// A kind of source beside [`path_source`]: the caller's root directory.
const OWN_ROOT: u8 = u8::MAX;
/// Where a packed path has room for marks.
const MARKS: u32 = 48;

/// Reads a path into a slot, by the kind of its source, the value of the descriptor and the address of
/// the name; returns it packed, with its marks. A global function: the verifier goes through it once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_path(index: u64, kind: u64, descriptor: u64, name: u64) -> u64 {
    let Some(paths) = PATH_SCRATCH.get_ptr_mut(index as u32) else {
        return BuiltPath::unreadable().packed();
    };
    let task = Task::current();
    match kind as u8 {
        path_source::STRING => path::copy(Memory::User, name, paths).packed(),
        OWN_ROOT => built(task.root_directory(), task, paths).packed(),
        path_source::FILE => {
            let file = built(opened(descriptor), task, paths);
            file.packed() | marked(shared())
        }
        kind => named(kind, descriptor, name, task, paths),
    }
}

/// A name, and what it starts from.
#[inline(always)]
fn named(kind: u8, descriptor: u64, name: u64, task: Task, paths: *mut PathScratch) -> u64 {
    let (directory, marks) = if descriptor as i32 == AT_FDCWD {
        (task.working_directory(), 0)
    } else {
        (opened(descriptor), shared())
    };
    let mut path = path::build_from_name(Memory::User, name, directory, task, paths);
    if path.len == 0 && kind == path_source::AT_OR_FILE {
        path = built(directory, task, paths);
    }
    path.packed() | marked(marks)
}

#[inline(always)]
fn marked(marks: u8) -> u64 {
    u64::from(marks) << MARKS
}

/// Address of the path of the file behind the descriptor.
#[inline(always)]
fn opened(descriptor: u64) -> Option<u64> {
    Task::file(descriptor as u32)?.path()
}

#[inline(always)]
fn built(path: Option<u64>, task: Task, paths: *mut PathScratch) -> BuiltPath {
    match path {
        Some(path) => path::build(path, task, paths),
        None => BuiltPath::unreadable(),
    }
}

/// The mark of what a descriptor tells that another thread can replace.
#[inline(always)]
pub fn shared() -> u8 {
    if Task::shares_files() {
        open_marks::FD_SHARED
    } else {
        0
    }
}

/// The path that a call does not have.
#[inline(always)]
pub fn nothing() -> BuiltPath {
    BuiltPath {
        flags: 0,
        ..BuiltPath::unreadable()
    }
}
