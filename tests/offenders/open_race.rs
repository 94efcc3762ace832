//! Opens a file again and again while another thread closes the descriptors and puts another file
//! behind them, so that whoever looks at a descriptor after the call finds nothing or the wrong file.
//!
//! `open_race COUNT PATH`

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use rustix::thread::{CpuSet, sched_setaffinity};

/// Descriptors that are fought for.
const CONTESTED: std::ops::Range<i32> = 10..12;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|text| text.parse().ok());
    let count: u32 = count.expect("usage: open_race COUNT PATH");
    let path = arguments.next().expect("usage: open_race COUNT PATH");
    let path = CString::new(path).expect("no zero byte");
    let decoy = open(c"/dev/null", libc::O_RDONLY);
    assert!(decoy >= 0, "/dev/null can be opened");
    // Everything below is taken, so that the opens get a contested descriptor.
    while duplicate(decoy) + 1 < CONTESTED.start {}
    let over = Arc::new(AtomicBool::new(false));
    let ready = Arc::new(Barrier::new(2));
    let (told, at_work) = (Arc::clone(&over), Arc::clone(&ready));
    let thief = thread::spawn(move || {
        stay_on(1);
        at_work.wait();
        steal(decoy, &told);
    });
    stay_on(0);
    ready.wait();
    let mut lost = 0_u32;
    for _ in 0..count {
        let fd = open(&path, libc::O_RDWR | libc::O_CREAT);
        assert!(fd >= 0, "the file can be opened");
        lost += u32::from(!close(fd));
    }
    over.store(true, Ordering::Relaxed);
    thief.join().expect("the thief only closes");
    println!("opened {count}, {lost} closed by the other thread first");
}

fn steal(decoy: i32, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        for fd in CONTESTED {
            // SAFETY: no memory is passed, and nothing else uses these descriptors.
            unsafe { libc::dup2(decoy, fd) };
            close(fd);
        }
    }
}

/// Moves the thread to a processor: threads that take turns on one do not race.
fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    // A machine with one processor, or a container that is kept from this one, goes on as it is.
    let _ = sched_setaffinity(None, &set);
}

fn open(path: &std::ffi::CStr, flags: i32) -> i32 {
    // SAFETY: the path ends with a zero byte.
    unsafe { libc::open(path.as_ptr(), flags, 0o600) }
}

fn duplicate(fd: i32) -> i32 {
    // SAFETY: no memory is passed.
    unsafe { libc::dup(fd) }
}

/// The descriptor may be gone already, or another's: that is the point.
fn close(fd: i32) -> bool {
    // SAFETY: no memory is passed, and no owner exists whom this would surprise.
    unsafe { libc::close(fd) == 0 }
}
