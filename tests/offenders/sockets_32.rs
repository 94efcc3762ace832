//! A server and its client in one process, by the calls of a 32-bit program: each call by its own
//! number, or all by the one that stands for them (`socketcall`).
//!
//! `sockets_32 single|socketcall`

use std::ffi::c_void;
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4};

mod int80;
mod raw;

use int80::{ADDRESS_LEN, low_address};
use raw::done;

/// `socketcall` in the table of i386.
const SOCKETCALL: i64 = 102;

/// A call by its number on i386, and by the first argument of `socketcall`.
struct Call {
    number: i64,
    within: u64,
}

const SOCKET: Call = Call::new(359, 1);
const BIND: Call = Call::new(361, 2);
const CONNECT: Call = Call::new(362, 3);
const LISTEN: Call = Call::new(363, 4);
const ACCEPT4: Call = Call::new(364, 18);
const SENDTO: Call = Call::new(369, 11);

impl Call {
    const fn new(number: i64, within: u64) -> Self {
        Self { number, within }
    }

    fn make(&self, single: bool, arguments: &[u64]) -> i32 {
        if single {
            return int80::call(self.number, arguments);
        }
        let mut block = Vec::new();
        for argument in arguments {
            block.extend((*argument as u32).to_ne_bytes());
        }
        int80::call(SOCKETCALL, &[self.within, int80::low_copy(&block)])
    }
}

fn main() {
    let way = std::env::args().nth(1);
    let single = match way.as_deref() {
        Some("single") => true,
        Some("socketcall") => false,
        _ => panic!("usage: sockets_32 single|socketcall"),
    };
    let make = |call: Call, arguments: &[u64]| call.make(single, arguments);
    let socket = |kind: i32| done(make(SOCKET, &[libc::AF_INET as u64, kind as u64, 0])) as u64;
    let server = socket(libc::SOCK_STREAM);
    done(make(
        BIND,
        &[
            server,
            low_address(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)),
            ADDRESS_LEN,
        ],
    ));
    let address = bound_to(server as i32);
    println!("address={address}");
    let target = low_address(address);
    done(make(LISTEN, &[server, 1]));
    let client = socket(libc::SOCK_STREAM);
    println!("fd={client}");
    done(make(CONNECT, &[client, target, ADDRESS_LEN]));
    done(make(ACCEPT4, &[server, 0, 0, 0]));
    let absent = [libc::AF_UNIX as u8, 0, 0, b'g', b'r', b'a', b'v'];
    let unix = done(make(
        SOCKET,
        &[libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0],
    )) as u64;
    let nobody = int80::low_copy(&absent);
    make(CONNECT, &[unix, nobody, absent.len() as u64]);
    let sender = socket(libc::SOCK_DGRAM);
    println!("sender={sender}");
    let text = int80::low_copy(b"four");
    done(make(SENDTO, &[sender, text, 4, 0, target, ADDRESS_LEN]));
}

fn bound_to(socket: i32) -> SocketAddrV4 {
    // SAFETY: all zeroes are a valid address.
    let mut address: libc::sockaddr_in = unsafe { mem::zeroed() };
    let mut len = ADDRESS_LEN as u32;
    // SAFETY: both are ours, and the address is as long as is said.
    done(unsafe {
        let start: *mut c_void = (&raw mut address).cast();
        libc::getsockname(socket, start.cast(), &raw mut len)
    });
    let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
    SocketAddrV4::new(ip, u16::from_be(address.sin_port))
}
