//! io_uring by hand (include/uapi/linux/io_uring.h): one request, and its result.
#![allow(dead_code, reason = "each offender uses some of it")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::{io, ptr};

const PAGE: usize = 4096;
/// IOSQE_ASYNC.
pub(crate) const BY_A_WORKER: u8 = 1 << 4;
const IORING_OP_SENDMSG: u8 = 9;
const IORING_OP_ACCEPT: u8 = 13;
const IORING_OP_CONNECT: u8 = 16;
const IORING_OP_OPENAT: u8 = 18;
const IORING_OP_RENAMEAT: u8 = 35;
const IORING_OP_UNLINKAT: u8 = 36;
const IORING_OP_MKDIRAT: u8 = 37;
const IORING_OP_SYMLINKAT: u8 = 38;
const IORING_OP_LINKAT: u8 = 39;
const IORING_OP_FSETXATTR: u8 = 41;
const IORING_OP_SETXATTR: u8 = 42;
const IORING_OP_SOCKET: u8 = 45;
const IORING_OP_FTRUNCATE: u8 = 55;
const IORING_OP_BIND: u8 = 56;
const IORING_OP_LISTEN: u8 = 57;
const IORING_OFF_SQES: i64 = 0x1000_0000;
const IORING_ENTER_GETEVENTS: u32 = 1;
const IORING_REGISTER_FILES: u32 = 2;
/// Where `struct io_uring_params` has `sq_off.tail`, `sq_off.array` and `cq_off.cqes`, in words.
const SQ_TAIL: usize = 11;
const SQ_ARRAY: usize = 16;
const CQES: usize = 25;

/// `struct io_uring_sqe`, as far as it is used.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Request {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: i32,
    offset: u64,
    address: u64,
    len: u32,
    call_flags: u32,
    user_data: u64,
    buffer: u16,
    personality: u16,
    file_index: u32,
    address3: u64,
    rest: u64,
}

impl Request {
    /// A connect of a socket to the address of that length.
    pub(crate) fn connect(socket: i32, address: u64, len: u64) -> Self {
        Self {
            opcode: IORING_OP_CONNECT,
            fd: socket,
            offset: len,
            address,
            ..Self::default()
        }
    }

    /// A new socket.
    pub(crate) fn socket(domain: i32, kind: i32) -> Self {
        Self {
            opcode: IORING_OP_SOCKET,
            fd: domain,
            offset: u64::try_from(kind).expect("a kind of socket"),
            ..Self::default()
        }
    }

    /// The socket takes an address; Linux 6.11 and later.
    pub(crate) fn bind(socket: i32, address: u64, len: u64) -> Self {
        Self {
            opcode: IORING_OP_BIND,
            ..Self::connect(socket, address, len)
        }
    }

    /// The socket listens; Linux 6.11 and later.
    pub(crate) fn listen(socket: i32) -> Self {
        Self {
            opcode: IORING_OP_LISTEN,
            fd: socket,
            len: 1,
            ..Self::default()
        }
    }

    /// The next connection.
    pub(crate) fn accept(listener: i32) -> Self {
        Self {
            opcode: IORING_OP_ACCEPT,
            fd: listener,
            ..Self::default()
        }
    }

    /// A `struct msghdr` is sent.
    pub(crate) fn send_message(socket: i32, message: &libc::msghdr) -> Self {
        Self {
            opcode: IORING_OP_SENDMSG,
            fd: socket,
            address: std::ptr::from_ref(message) as u64,
            len: 1,
            ..Self::default()
        }
    }

    /// The file gets that length; Linux 6.9 and later.
    pub(crate) fn truncate(file: i32, length: u64) -> Self {
        Self {
            opcode: IORING_OP_FTRUNCATE,
            fd: file,
            offset: length,
            ..Self::default()
        }
    }

    /// The file gets an extended attribute of one byte.
    pub(crate) fn set_attribute(file: i32, name: &std::ffi::CStr) -> Self {
        Self {
            opcode: IORING_OP_FSETXATTR,
            fd: file,
            offset: b"x".as_ptr() as u64,
            address: name.as_ptr() as u64,
            len: 1,
            ..Self::default()
        }
    }

    /// The same of the file by its path.
    pub(crate) fn set_attribute_of(path: &std::ffi::CStr, name: &std::ffi::CStr) -> Self {
        Self {
            opcode: IORING_OP_SETXATTR,
            address3: path.as_ptr() as u64,
            ..Self::set_attribute(0, name)
        }
    }

    /// An open for reading of the path, which ends with a zero byte.
    pub(crate) fn open(path: &std::ffi::CStr) -> Self {
        Self {
            opcode: IORING_OP_OPENAT,
            fd: libc::AT_FDCWD,
            address: path.as_ptr() as u64,
            ..Self::default()
        }
    }

    /// A removal of the path, which ends with a zero byte.
    pub(crate) fn unlink(path: &std::ffi::CStr) -> Self {
        Self {
            opcode: IORING_OP_UNLINKAT,
            ..Self::open(path)
        }
    }

    /// A new directory.
    pub(crate) fn make_directory(path: &std::ffi::CStr) -> Self {
        Self {
            opcode: IORING_OP_MKDIRAT,
            len: 0o750,
            ..Self::open(path)
        }
    }

    /// A symbolic link to the first that is named as the second.
    pub(crate) fn symlink(target: &std::ffi::CStr, path: &std::ffi::CStr) -> Self {
        Self {
            opcode: IORING_OP_SYMLINKAT,
            offset: path.as_ptr() as u64,
            ..Self::open(target)
        }
    }

    /// A second name of a file.
    pub(crate) fn link(old: &std::ffi::CStr, new: &std::ffi::CStr) -> Self {
        Self {
            opcode: IORING_OP_LINKAT,
            len: libc::AT_FDCWD.cast_unsigned(),
            ..Self::symlink(old, new)
        }
    }

    /// Another name for a file.
    pub(crate) fn rename(old: &std::ffi::CStr, new: &std::ffi::CStr) -> Self {
        Self {
            opcode: IORING_OP_RENAMEAT,
            ..Self::link(old, new)
        }
    }

    /// Made by a worker, not by the caller.
    pub(crate) fn by_a_worker(self) -> Self {
        Self {
            flags: BY_A_WORKER,
            ..self
        }
    }

    /// The file takes the first place of the ring's own table in place of a descriptor.
    pub(crate) fn kept(self) -> Self {
        Self {
            file_index: 1,
            ..self
        }
    }

    /// Has the kernel work it off.
    pub(crate) fn run(self) -> i32 {
        let mut parameters = [0_u32; 30];
        // SAFETY: 30 words are what the kernel fills.
        let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
        let error = io::Error::last_os_error();
        let ring = i32::try_from(ring).expect("a descriptor");
        assert!(ring >= 0, "no io_uring here: {error}");
        if self.file_index > 0 {
            make_table(ring);
        }
        let queues: *mut u8 = map_shared(ring, 0);
        let entry: *mut Self = map_shared(ring, IORING_OFF_SQES);
        // SAFETY: both mappings are a page and the offsets are the kernel's.
        unsafe {
            entry.write(self);
            queues
                .add(parameters[SQ_ARRAY] as usize)
                .cast::<u32>()
                .write(0);
            let tail = queues.add(parameters[SQ_TAIL] as usize).cast::<AtomicU32>();
            (*tail).store(1, Ordering::Release);
            let nothing = ptr::null::<u8>();
            let number = libc::SYS_io_uring_enter;
            let done = libc::syscall(number, ring, 1, 1, IORING_ENTER_GETEVENTS, nothing, 0);
            assert!(done == 1, "{}", io::Error::last_os_error());
            queues
                .add(parameters[CQES] as usize + 8)
                .cast::<i32>()
                .read_volatile()
        }
    }
}

/// Gives the ring a table of files, with one free place.
fn make_table(ring: i32) {
    let free = [-1_i32];
    // SAFETY: one descriptor is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring,
            IORING_REGISTER_FILES,
            free.as_ptr(),
            free.len(),
        )
    };
    assert!(result == 0, "{}", io::Error::last_os_error());
}

fn map_shared<T>(ring: i32, offset: i64) -> *mut T {
    map(ring, offset, libc::MAP_SHARED | libc::MAP_POPULATE)
}

/// Maps one page that can be read and written.
pub(crate) fn map<T>(fd: i32, offset: i64, flags: i32) -> *mut T {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the kernel chooses a place that is free.
    let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, access, flags, fd, offset) };
    let error = io::Error::last_os_error();
    assert!(page != libc::MAP_FAILED, "cannot map a page: {error}");
    page.cast()
}
