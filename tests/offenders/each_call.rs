//! Makes the calls that it is given, one after another, whatever comes of them.
//!
//! `each_call [open FLAGS PATH | connect PORT | dup]...`, flags as a number; it connects to loopback.

use std::io;

mod raw;

const USAGE: &str = "usage: each_call [open FLAGS PATH | connect PORT | dup]...";

fn main() {
    let mut arguments = std::env::args().skip(1);
    while let Some(call) = arguments.next() {
        let mut next = || arguments.next().expect(USAGE);
        let result = match call.as_str() {
            "open" => {
                let flags = next().parse().expect(USAGE);
                let path = raw::c_string(next());
                raw::open(&path, flags)
            }
            "connect" => connect(next().parse().expect(USAGE)),
            // SAFETY: no pointers.
            "dup" => unsafe { libc::dup(0) },
            _ => panic!("{USAGE}"),
        };
        let error = io::Error::last_os_error();
        if result > 2 {
            // SAFETY: the descriptor was made just now.
            unsafe { libc::close(result) };
        }
        println!("{call} = {result} {error}");
    }
}

fn connect(port: u16) -> i32 {
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: the address has the length that is told.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        assert!(socket >= 0, "a socket can be made");
        let result = libc::connect(
            socket,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_in>() as libc::socklen_t,
        );
        libc::close(socket);
        result
    }
}
