//! Makes calls by io_uring that system calls could make, and tells how each ended.
//!
//! `ring_calls sockets` | `ring_calls files FILE`

use std::mem::{size_of, zeroed};
use std::os::fd::AsRawFd;

mod raw;
mod ring;

use ring::Request;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["sockets"] => sockets(),
        ["files", file] => files(file),
        _ => panic!("usage: ring_calls sockets | ring_calls files FILE"),
    }
}

/// Has a request worked off and tells its result.
fn tell(name: &str, request: Request) -> i32 {
    let result = request.run();
    println!("{name}={result}");
    result
}

fn sockets() {
    let server = tell("socket", Request::socket(libc::AF_INET, libc::SOCK_STREAM));
    let mut address = loopback(0);
    let mut len = libc::socklen_t::try_from(size_of::<libc::sockaddr_in>()).expect("a few bytes");
    let pointer = &raw mut address;
    let taken = u64::from(len);
    // Where io_uring cannot, a call does it.
    if tell("bind", Request::bind(server, pointer as u64, taken)) < 0 {
        // SAFETY: the address is as long as said.
        assert_eq!(unsafe { libc::bind(server, pointer.cast(), len) }, 0);
    }
    if tell("listen", Request::listen(server)) < 0 {
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::listen(server, 1) }, 0);
    }
    println!("server={server}");
    // SAFETY: the address has room for what is said.
    let named = unsafe { libc::getsockname(server, pointer.cast(), &raw mut len) };
    assert_eq!(named, 0);
    println!("address=127.0.0.1:{}", u16::from_be(address.sin_port));
    let client = socket(libc::AF_INET, libc::SOCK_STREAM);
    // A worker waits for the connection.
    let connect = Request::connect(client, pointer as u64, taken).by_a_worker();
    assert_eq!(tell("connect", connect), 0);
    assert!(
        tell("accept", Request::accept(server)) >= 0,
        "a client waits"
    );
    send(&mut address);
    unheard();
}

/// A datagram to the address.
fn send(address: &mut libc::sockaddr_in) {
    let sender = socket(libc::AF_INET, libc::SOCK_DGRAM);
    let mut part = libc::iovec {
        iov_base: b"four".as_ptr().cast_mut().cast(),
        iov_len: 4,
    };
    // SAFETY: all zero is a message without parts.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_name = std::ptr::from_mut(address).cast();
    message.msg_namelen = libc::socklen_t::try_from(size_of::<libc::sockaddr_in>()).expect("few");
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    tell("sendmsg", Request::send_message(sender, &message));
}

/// A connect to a unix name that nobody listens to.
fn unheard() {
    // SAFETY: all zero is an address without family.
    let mut address: libc::sockaddr_un = unsafe { zeroed() };
    address.sun_family = libc::AF_UNIX.try_into().expect("a small number");
    for (place, byte) in address.sun_path[1..].iter_mut().zip(b"grav") {
        *place = byte.cast_signed();
    }
    let len = size_of::<libc::sa_family_t>() + 1 + b"grav".len();
    let request = Request::connect(
        socket(libc::AF_UNIX, libc::SOCK_STREAM),
        &raw const address as u64,
        u64::try_from(len).expect("few bytes"),
    );
    tell("unheard", request);
}

fn loopback(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET.try_into().expect("a small number"),
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: libc::INADDR_LOOPBACK.to_be(),
        },
        sin_zero: [0; 8],
    }
}

fn socket(domain: i32, kind: i32) -> i32 {
    // SAFETY: no memory is passed.
    let socket = unsafe { libc::socket(domain, kind, 0) };
    assert!(socket >= 0, "a socket more");
    socket
}

fn files(path: &str) {
    let file = std::fs::File::create(path).expect("room for a file");
    tell("ftruncate", Request::truncate(file.as_raw_fd(), 7));
    let name = c"user.gravlens";
    tell("fsetxattr", Request::set_attribute(file.as_raw_fd(), name));
    let at = |end: &str| raw::c_string(format!("{path}{end}"));
    let path = at("");
    tell("setxattr", Request::set_attribute_of(&path, name));
    tell("mkdirat", Request::make_directory(&at("-directory")));
    tell("symlinkat", Request::symlink(c"to", &at("-symbolic")));
    tell("linkat", Request::link(&path, &at("-second")));
    tell("renameat2", Request::rename(&path, &at("-other")));
}
