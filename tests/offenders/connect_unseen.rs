//! Connects in a way that makes no connect system call of this architecture, then with one.
//!
//! `connect_unseen io_uring|io_worker|int80 HIDDEN ORDINARY`, both `ADDRESS:PORT` of IPv4

use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

mod int80;
mod ring;

use int80::{ADDRESS_LEN, low_address};
use ring::Request;

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
    let target = low_address(hidden.parse().expect("HIDDEN is ADDRESS:PORT"));
    let result = match way.as_str() {
        "io_uring" => by_ring(&socket, target).run(),
        "io_worker" => by_ring(&socket, target).by_a_worker().run(),
        "int80" => connect_by_int80(socket.as_raw_fd(), target),
        other => panic!("{other} is no way to connect"),
    };
    println!("{way} {hidden}: {result}");
    let result = TcpStream::connect(ordinary).map(|_| ());
    println!("connect {ordinary}: {result:?}");
}

fn by_ring(socket: &OwnedFd, target: u64) -> Request {
    Request::connect(socket.as_raw_fd(), target, ADDRESS_LEN)
}

fn connect_by_int80(socket: i32, target: u64) -> i32 {
    /// `connect` in the table of i386.
    const CONNECT: i64 = 362;
    let socket = u64::try_from(socket).expect("a descriptor");
    int80::call(CONNECT, &[socket, target, ADDRESS_LEN])
}
