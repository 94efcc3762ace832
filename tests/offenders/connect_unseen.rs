//! Connects in a way that makes no connect system call of this architecture, then with one.
//!
//! `connect_unseen io_uring|io_worker|int80 HIDDEN ORDINARY`, both `ADDRESS:PORT` of IPv4

use std::mem;
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

mod int80;
mod ring;

use ring::{Request, map};

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
        "io_uring" => by_ring(&socket, &target).run(),
        "io_worker" => by_ring(&socket, &target).by_a_worker().run(),
        "int80" => connect_by_int80(socket.as_raw_fd(), &target),
        other => panic!("{other} is no way to connect"),
    };
    println!("{way} {hidden}: {result}");
    let result = TcpStream::connect(ordinary).map(|_| ());
    println!("connect {ordinary}: {result:?}");
}

fn by_ring(socket: &OwnedFd, target: &Target) -> Request {
    Request::connect(socket.as_raw_fd(), target.0 as u64, Target::LEN)
}

fn connect_by_int80(socket: i32, target: &Target) -> i32 {
    /// `connect` in the table of i386.
    const CONNECT: i64 = 362;
    let socket = u64::try_from(socket).expect("a descriptor");
    int80::call(CONNECT, &[socket, target.0 as u64, Target::LEN])
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
