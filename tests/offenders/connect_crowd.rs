//! Holds up many threads in connect at the same time: they connect to a port whose queue is full.
//! Ends, and with it every call, when all of them wait.
//!
//! `connect_crowd COUNT ADDRESS:PORT`

use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, listen, socket};

/// Smallest stack that a thread may have, about.
const STACK: usize = 64 * 1024;

fn main() {
    const USAGE: &str = "usage: connect_crowd COUNT ADDRESS:PORT";
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|text| text.parse().ok());
    let count: u32 = count.expect(USAGE);
    let target = arguments.next().and_then(|text| text.parse().ok());
    let target: SocketAddrV4 = target.expect(USAGE);
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&listener, &target).expect("the port is free");
    // Nobody accepts: what the queue has no room for waits until it is interrupted.
    listen(&listener, 0).expect("it can listen");
    raise_limit(count);
    let begun = Arc::new(AtomicU32::new(0));
    for _ in 0..count {
        let begun = Arc::clone(&begun);
        let builder = thread::Builder::new().stack_size(STACK);
        let wait = move || {
            let own = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
            begun.fetch_add(1, Ordering::Relaxed);
            // Refused or not: the call is what counts. A few find room in the queue.
            let _ = connect(&own, &target);
            loop {
                thread::park();
            }
        };
        builder.spawn(wait).expect("a thread");
    }
    while begun.load(Ordering::Relaxed) < count {
        thread::sleep(Duration::from_millis(10));
    }
    // From the count to the call it is a few instructions.
    thread::sleep(Duration::from_millis(500));
    println!("{count} wait for {}", listener.as_raw_fd());
}

/// Each thread has a socket.
fn raise_limit(count: u32) {
    let wanted = libc::rlimit {
        rlim_cur: libc::rlim_t::from(count) + 100,
        rlim_max: libc::rlim_t::from(count) + 100,
    };
    // SAFETY: the structure outlives the call. Where the limit cannot be raised it may suffice.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) };
}
