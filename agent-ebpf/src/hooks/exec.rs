//! A new image runs.

use aya_ebpf::{
    helpers::generated::bpf_probe_read_user, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use gravlens_common::{
    DropReason, ExecRecord, Hook, Kind, SocketEnds, StdioRecord, exe_flags, limits, stdio_kind,
};

use crate::{
    account,
    appender::Appender,
    emit::{self, Wake},
    globals::{BPRM_FDPATH, BPRM_FILENAME, BPRM_INTERP},
    kernel::{
        self,
        file::{File, FileType},
        overlay,
        path::{self, BuiltPath},
        sock::Sock,
        task::Task,
    },
    maps::{ENVIRONMENT_WANTED, EXEC_SCRATCH, PATH_SCRATCH},
    scope::{self, Caller},
    scratch::{self, ExecScratch, Growing, PathScratch},
    verifier,
};

/// Bytes that begin the name of a `memfd_create` file (mm/memfd.c).
const MEMFD_PREFIX: [u8; 6] = *b"memfd:";

#[btf_tracepoint(function = "sched_process_exec")]
pub fn exec(ctx: BtfTracePointContext) -> i32 {
    let Some(caller) = scope::caller() else {
        return 0;
    };
    let account = account::seen(caller.cgroup_id, Hook::Exec);
    let buffers = scratch::take(&EXEC_SCRATCH);
    let paths = scratch::take(&PATH_SCRATCH);
    if let (Some(record), Some(paths)) = (buffers, paths) {
        let size = fill(record, paths, caller, ctx.arg::<u64>(2));
        // SAFETY: `fill` initialised `size` bytes.
        unsafe {
            emit::critical(Growing::record(record), size, Wake::Now, account);
        }
    } else if let Some(account) = account {
        account.dropped(DropReason::ScratchBusy);
    }
    if let Some(record) = buffers {
        scratch::release(record);
    }
    if let Some(paths) = paths {
        scratch::release(paths);
    }
    0
}

/// Writes the record and returns its size.
#[inline(always)]
fn fill(buffer: *mut ExecScratch, paths: *mut PathScratch, caller: Caller, bprm: u64) -> u64 {
    let task = Task::current();
    // SAFETY: the buffer is larger than the record, and this program alone holds the slot. The
    // record type has no invalid bit patterns.
    let record = unsafe { &mut *Growing::record(buffer).cast::<ExecRecord>() };
    Task::describe_caller(caller.cgroup_id, &mut record.process);
    record.exe_flags = 0;
    record.exe_inode = 0;
    record.exe_device = 0;
    record.environment_len = 0;
    record.pad = [0; 4];
    let mut out = Appender::behind(size_of::<ExecRecord>() as u64, buffer);
    record.filename_len = out.kernel_string(kernel::read_ptr(bprm, &BPRM_FILENAME));
    record.interpreter_len = out.kernel_string(interpreter(bprm));
    if kernel::read_ptr(bprm, &BPRM_FDPATH).is_some() {
        record.exe_flags |= exe_flags::EXECVEAT;
    }
    let exe = task.exe_file();
    if let Some(exe) = exe {
        describe_exe(exe, record);
    }
    let exe_path = built(exe.and_then(File::path), task, paths);
    record.exe_path_len = out.path(paths, exe_path);
    record.exe_path_flags = exe_path.flags;
    let cwd = built(task.working_directory(), task, paths);
    record.cwd_len = out.path(paths, cwd);
    record.cwd_flags = cwd.flags;
    let (argv_len, argv_truncated) = out.memory::<{ limits::ARGV_MAX }>(task.arguments());
    record.argv_len = argv_len;
    if argv_truncated {
        record.exe_flags |= exe_flags::ARGV_TRUNCATED;
    }
    if environment_is_wanted() {
        let environment = task.environment();
        let (len, truncated) = out.memory::<{ limits::ENVIRONMENT_MAX }>(environment);
        record.environment_len = len;
        record.exe_flags |= exe_flags::ENVIRONMENT;
        if truncated {
            record.exe_flags |= exe_flags::ENVIRONMENT_TRUNCATED;
        }
    }
    describe_stdio(record);
    let size = out.size();
    record.header = emit::header(Kind::Exec, size as u32);
    size
}

/// A rule asks for the environment.
#[inline(always)]
fn environment_is_wanted() -> bool {
    ENVIRONMENT_WANTED.get_ptr(0).is_some_and(|wanted| {
        // SAFETY: a live map value. Volatile: the daemon writes it.
        unsafe { core::ptr::read_volatile(wanted) != 0 }
    })
}

/// The interpreter's path, unless it is the file name itself.
#[inline(always)]
fn interpreter(bprm: u64) -> Option<u64> {
    let interpreter = kernel::read_ptr(bprm, &BPRM_INTERP)?;
    (kernel::read_ptr(bprm, &BPRM_FILENAME) != Some(interpreter)).then_some(interpreter)
}

#[inline(always)]
fn built(path: Option<u64>, task: Task, paths: *mut PathScratch) -> BuiltPath {
    match path {
        Some(path) => path::build(path, task, paths),
        None => BuiltPath::unreadable(),
    }
}

#[inline(always)]
fn describe_exe(exe: File, record: &mut ExecRecord) {
    if let Some((inode, device, flags)) = exe_identity(exe) {
        record.exe_inode = inode;
        record.exe_device = device;
        record.exe_flags |= flags;
    }
}

/// Inode number, device and [`exe_flags`] of an executed file.
#[inline(always)]
pub fn exe_identity(exe: File) -> Option<(u64, u32, u16)> {
    let inode = exe.inode()?;
    let dentry = exe.dentry();
    let mut flags = exe_flags::FILE_VALID | overlay::layer_flags(inode, dentry);
    if inode.links() == Some(0) {
        flags |= if is_memfd(dentry) {
            exe_flags::MEMFD
        } else {
            exe_flags::UNLINKED
        };
    }
    Some((inode.number(), inode.device()?, flags))
}

#[inline(always)]
fn is_memfd(dentry: Option<u64>) -> bool {
    use crate::globals::{DENTRY_NAME, DENTRY_PARENT};
    let Some(dentry) = dentry else { return false };
    // An anonymous file has no directory: a real file of that name is not meant.
    kernel::read_ptr(dentry, &DENTRY_PARENT) == Some(dentry)
        && kernel::read_ptr(dentry, &DENTRY_NAME).and_then(kernel::read_at::<[u8; 6]>)
            == Some(MEMFD_PREFIX)
}

#[inline(always)]
fn describe_stdio(record: &mut ExecRecord) {
    for fd in 0..3 {
        describe_stream(Task::file(fd), &mut record.stdio[fd as usize]);
    }
    record.exe_flags |= exe_flags::STDIO_VALID;
}

/// What a descriptor is.
#[inline(always)]
pub fn describe_stream(file: Option<File>, stream: &mut StdioRecord) {
    describe_file(file.map_or(0, File::address), stream);
}

/// The same by the address of the file, zero for none. A global function: the verifier goes through it
/// once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn describe_file(file: u64, stream: *mut StdioRecord) -> u64 {
    if stream.is_null() {
        return 0;
    }
    // SAFETY: the verifier checks that the caller gives as much memory as the type takes.
    let stream = unsafe { &mut *stream };
    stream.kind = stdio_kind::CLOSED;
    stream.inode = 0;
    stream.pad = [0; 7];
    stream.ends = SocketEnds::default();
    if file == 0 {
        return 0;
    }
    let file = File::at(file);
    stream.kind = stdio_kind::OTHER;
    let Some(inode) = file.inode() else { return 0 };
    stream.inode = inode.number();
    stream.kind = match inode.file_type() {
        FileType::Regular | FileType::Directory => stdio_kind::FILE,
        FileType::CharDevice => stdio_kind::CHAR_DEVICE,
        FileType::Pipe => stdio_kind::PIPE,
        FileType::Socket => stdio_kind::SOCKET,
        FileType::Other => stdio_kind::OTHER,
    };
    if stream.kind == stdio_kind::SOCKET
        && let Some(sock) = Sock::of_file(file)
    {
        sock.describe(&mut stream.ends);
    }
    1
}

impl Appender<ExecScratch> {
    /// Appends memory of the process chunk by chunk, from where it starts; true when it is longer
    /// than what was captured.
    #[inline(always)]
    fn memory<const MAX: usize>(&mut self, memory: Option<(u64, u64)>) -> (u16, bool) {
        let Some((start, total)) = memory else {
            return (0, false);
        };
        let before = self.len();
        let wanted = total.min(MAX as u64);
        for chunk in 0..(MAX / limits::ARGV_CHUNK) as u64 {
            let offset = chunk * limits::ARGV_CHUNK as u64;
            if offset >= wanted || !self.chunk(start + offset, wanted - offset) {
                break;
            }
        }
        let captured = self.len() - before;
        (captured as u16, captured < total)
    }

    #[inline(always)]
    fn chunk(&mut self, address: u64, wanted: u64) -> bool {
        let len = verifier::mask::<0x1FFF>(wanted.min(limits::ARGV_CHUNK as u64));
        if len > limits::ARGV_CHUNK as u64 {
            return false;
        }
        // SAFETY: `next` has room for one chunk.
        let result =
            unsafe { bpf_probe_read_user(self.next().cast(), len as u32, address as *const _) };
        if result != 0 {
            return false;
        }
        self.grow(len);
        true
    }
}
