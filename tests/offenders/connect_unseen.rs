//! Connects in a way that makes no connect system call of this architecture, then with one.
//!
//! `connect_unseen io_uring|io_worker|int80 HIDDEN ORDINARY`, both `ADDRESS:PORT` of IPv4

use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::{io, mem, ptr};

mod int80;

const PAGE: usize = 4096;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [way, hidden, ordinary] = arguments.as_slice() else {
        panic!("usage: connect_unseen io_uring|io_worker|int80 HIDDEN ORDINARY");
    };
    // SAFETY: no memory is passed.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) };
    assert!(socket >= 0, "a socket can be made");
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let target = Target::new(hidden.parse().expect("HIDDEN is ADDRESS:PORT"));
    let result = match way.as_str() {
        "io_uring" => ring::connect(socket.as_raw_fd(), &target, 0),
        "io_worker" => ring::connect(socket.as_raw_fd(), &target, ring::BY_A_WORKER),
        "int80" => connect_by_int80(socket.as_raw_fd(), &target),
        other => panic!("{other} is no way to connect"),
    };
    println!("{way} {hidden}: {result}");
    let result = TcpStream::connect(ordinary).map(|_| ());
    println!("connect {ordinary}: {result:?}");
}

fn connect_by_int80(socket: i32, target: &Target) -> i32 {
    /// `connect` in the table of i386.
    const CONNECT: i64 = 362;
    let socket = u64::try_from(socket).expect("a descriptor");
    int80::call(CONNECT, [socket, target.0 as u64, Target::LEN])
}

/// A socket address below 4 GiB, where a 32-bit call can point to.
struct Target(*mut libc::sockaddr_in);

impl Target {
    fn new(address: SocketAddrV4) -> Self {
        #[cfg(target_arch = "x86_64")]
        const LOW: i32 = libc::MAP_32BIT;
        #[cfg(not(target_arch = "x86_64"))]
        const LOW: i32 = 0;
        let page: *mut libc::sockaddr_in =
            map(-1, 0, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | LOW);
        // SAFETY: a page of our own, more than an address takes.
        unsafe {
            (*page).sin_family = libc::AF_INET as u16;
            (*page).sin_port = address.port().to_be();
            (*page).sin_addr.s_addr = u32::from(*address.ip()).to_be();
        }
        Self(page)
    }

    const LEN: u64 = mem::size_of::<libc::sockaddr_in>() as u64;
}

/// Maps one page that can be read and written.
fn map<T>(fd: i32, offset: i64, flags: i32) -> *mut T {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the kernel chooses a place that is free.
    let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, access, flags, fd, offset) };
    let error = io::Error::last_os_error();
    assert!(page != libc::MAP_FAILED, "cannot map a page: {error}");
    page.cast()
}

/// io_uring by hand (include/uapi/linux/io_uring.h).
mod ring {
    use std::io;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Target, map};

    /// IOSQE_ASYNC.
    pub(crate) const BY_A_WORKER: u8 = 1 << 4;
    const IORING_OP_CONNECT: u8 = 16;
    const IORING_OFF_SQES: i64 = 0x1000_0000;
    const IORING_ENTER_GETEVENTS: u32 = 1;
    /// Where `struct io_uring_params` has `sq_off.tail`, `sq_off.array` and `cq_off.cqes`, in words.
    const SQ_TAIL: usize = 11;
    const SQ_ARRAY: usize = 16;
    const CQES: usize = 25;

    pub(crate) fn connect(socket: i32, target: &Target, flags: u8) -> i32 {
        let mut parameters = [0_u32; 30];
        // SAFETY: 30 words are what the kernel fills.
        let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
        let error = io::Error::last_os_error();
        let ring = i32::try_from(ring).expect("a descriptor");
        assert!(ring >= 0, "no io_uring here: {error}");
        let shared = libc::MAP_SHARED | libc::MAP_POPULATE;
        let queues: *mut u8 = map(ring, 0, shared);
        let entry: *mut u8 = map(ring, IORING_OFF_SQES, shared);
        // SAFETY: both mappings are a page, the offsets are the kernel's, the entry is zero so far.
        unsafe {
            entry.write(IORING_OP_CONNECT);
            entry.add(1).write(flags);
            entry.add(4).cast::<i32>().write(socket);
            entry.add(8).cast::<u64>().write(Target::LEN);
            entry.add(16).cast::<u64>().write(target.0 as u64);
            queues
                .add(parameters[SQ_ARRAY] as usize)
                .cast::<u32>()
                .write(0);
            let tail = queues.add(parameters[SQ_TAIL] as usize).cast::<AtomicU32>();
            (*tail).store(1, Ordering::Release);
            let nothing = std::ptr::null::<u8>();
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
