//! Sends one datagram to each of several addresses, all with one system call.
//!
//! `send_many ADDRESS:PORT...`, of IPv4

use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::{io, mem};

fn main() {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a port is free");
    let mut text = *b"exfiltrated";
    let mut part = libc::iovec {
        iov_base: text.as_mut_ptr().cast(),
        iov_len: text.len(),
    };
    let mut targets: Vec<libc::sockaddr_in> =
        std::env::args().skip(1).map(|text| target(&text)).collect();
    let mut messages: Vec<libc::mmsghdr> = targets
        .iter_mut()
        .map(|target| message(target, &raw mut part))
        .collect();
    let count = u32::try_from(messages.len()).expect("few arguments");
    // SAFETY: the messages point to memory that outlives the call.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, 0) };
    assert!(sent >= 0, "refused: {}", io::Error::last_os_error());
    println!("sent {sent}");
}

fn target(argument: &str) -> libc::sockaddr_in {
    let address: SocketAddrV4 = argument.parse().expect("usage: send_many ADDRESS:PORT...");
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(*address.ip()).to_be(),
        },
        sin_zero: [0; 8],
    }
}

fn message(target: &mut libc::sockaddr_in, part: *mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: a message of zeroes is an empty one.
    let mut message: libc::mmsghdr = unsafe { mem::zeroed() };
    message.msg_hdr.msg_name = (&raw mut *target).cast();
    message.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_in>() as u32;
    message.msg_hdr.msg_iov = part;
    message.msg_hdr.msg_iovlen = 1;
    message
}
