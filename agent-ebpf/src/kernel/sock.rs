//! `struct sock`: addresses of both ends.

use gravlens_common::SocketEnds;

use super::{
    field,
    file::{File, FileType},
    read_or_zero, read_ptr, read_user,
};
use crate::globals::*;

/// AF_UNIX.
pub const AF_UNIX: u16 = 1;
/// AF_INET.
pub const AF_INET: u16 = 2;
/// AF_INET6.
pub const AF_INET6: u16 = 10;

/// A socket.
#[derive(Clone, Copy)]
pub struct Sock(u64);

impl Sock {
    /// The socket behind an open file, if it is one.
    #[inline(always)]
    pub fn of_file(file: File) -> Option<Self> {
        if file.inode()?.file_type() != FileType::Socket {
            return None;
        }
        Some(Self(read_ptr(file.private_data()?, &SOCKET_SK)?))
    }

    /// What the kernel tells sockets apart by; zero until it was asked for.
    #[inline(always)]
    pub fn cookie(self) -> u64 {
        read_or_zero(self.0, &SK_COOKIE)
    }

    /// Fills both ends. IP only: unix sockets have paths.
    #[inline(always)]
    pub fn describe(self, ends: &mut SocketEnds) {
        describe_sock(self.0, ends);
    }

    /// Name of a unix socket's own end.
    #[inline(always)]
    pub fn unix_local(self) -> Option<UnixName> {
        UnixName::of(self.0)
    }

    /// Name of a unix socket's peer, the listener's name after a connect.
    #[inline(always)]
    pub fn unix_peer(self) -> Option<UnixName> {
        UnixName::of(read_ptr(self.0, &UNIX_SK_PEER)?)
    }
}

/// Fills both ends of a socket. A global function: the verifier goes through it once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn describe_sock(sock: u64, ends: *mut SocketEnds) -> u64 {
    if ends.is_null() {
        return 0;
    }
    // SAFETY: the verifier checks that the caller gives as much memory as the type takes.
    let ends = unsafe { &mut *ends };
    ends.family = read_or_zero(sock, &SK_FAMILY);
    if ends.family != AF_INET && ends.family != AF_INET6 {
        return 0;
    }
    ends.protocol = read_or_zero(sock, &SK_PROTOCOL);
    ends.local_port = read_or_zero(sock, &SK_NUM);
    ends.remote_port = u16::from_be(read_or_zero(sock, &SK_DPORT));
    if ends.family == AF_INET {
        ends.local = widen(read_or_zero(sock, &SK_RCV_SADDR));
        ends.remote = widen(read_or_zero(sock, &SK_DADDR));
    } else {
        ends.local = address6(read_or_zero(sock, &SK_V6_RCV_SADDR));
        ends.remote = address6(read_or_zero(sock, &SK_V6_DADDR));
    }
    1
}

/// An address that was read as two numbers: zeroing bytes would take a call, for which the longest
/// chain of calls has no stack left.
#[inline(always)]
const fn address6(halves: [u64; 2]) -> [u8; 16] {
    // SAFETY: both are 16 bytes in which every value is valid.
    unsafe { core::mem::transmute(halves) }
}

/// Bytes of a unix socket's name in kernel memory.
#[derive(Clone, Copy)]
pub struct UnixName {
    /// Address of the first byte.
    pub start: u64,
    /// Number of bytes, a final zero included.
    pub len: u32,
}

impl UnixName {
    #[inline(always)]
    fn of(unix_sock: u64) -> Option<Self> {
        let address = read_ptr(unix_sock, &UNIX_SK_ADDR)?;
        let len = read_or_zero::<u32>(address, &UNIX_ADDRESS_LEN);
        // The name is a sockaddr_un: two bytes of family, then the path.
        let start = field(address, &UNIX_ADDRESS_NAME)? + 2;
        (len > 2).then_some(Self {
            start,
            len: len - 2,
        })
    }
}

/// Reads an IP socket address from the caller's memory into the remote end.
#[inline(always)]
pub fn remote_from_user(address: u64, ends: &mut SocketEnds) {
    let Some(family) = read_user::<u16>(address) else {
        return;
    };
    let port = u16::from_be(read_user::<u16>(address + 2).unwrap_or(0));
    if family == AF_INET {
        ends.remote = widen(read_user(address + 4).unwrap_or([0; 4]));
        ends.remote_port = port;
    } else if family == AF_INET6 {
        ends.remote = read_user(address + 8).unwrap_or([0; 16]);
        ends.remote_port = port;
    }
    ends.family = family;
}

/// An IPv4 address in the first four of sixteen bytes.
#[inline(always)]
pub const fn widen(v4: [u8; 4]) -> [u8; 16] {
    let first = u64::from_le(u32::from_le_bytes(v4) as u64);
    address6([first, 0])
}
