//! Opens a file in a way that makes no open system call of this architecture, then with one.
//!
//! `open_unseen io_uring|io_worker|kept|int80 HIDDEN ORDINARY`

mod raw;
mod ring;

use raw::{c_string, done, open};
use ring::Request;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [way, hidden, ordinary] = arguments.as_slice() else {
        panic!("usage: open_unseen io_uring|io_worker|kept|int80 HIDDEN ORDINARY");
    };
    let path = c_string(hidden);
    let result = match way.as_str() {
        "io_uring" => Request::open(&path).run(),
        "io_worker" => Request::open(&path).by_a_worker().run(),
        "kept" => Request::open(&path).kept().run(),
        "int80" => int80::open(hidden),
        other => panic!("{other} is no way to open"),
    };
    println!("hidden={result}");
    done(open(&c_string(ordinary), libc::O_RDONLY));
}

#[cfg(target_arch = "x86_64")]
mod int80 {
    use std::arch::asm;
    use std::{io, ptr};

    /// `open` in the table of i386.
    const OPEN: i64 = 5;
    const PAGE: usize = 4096;

    pub(crate) fn open(path: &str) -> i32 {
        let low = low_page();
        assert!(path.len() < PAGE);
        // SAFETY: a page of our own, zero so far and longer than the path.
        unsafe { ptr::copy_nonoverlapping(path.as_ptr(), low, path.len()) };
        let result: i64;
        // SAFETY: the call reads the path and changes nothing else. The compiler keeps rbx for
        // itself, so it is put back.
        unsafe {
            asm!(
                "xchg rbx, {path}",
                "int 0x80",
                "xchg rbx, {path}",
                path = inout(reg) low => _,
                inout("rax") OPEN => result,
                in("rcx") i64::from(libc::O_RDONLY),
                in("rdx") 0_i64,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        result as i32
    }

    /// A page below 4 GiB, where a 32-bit call can point to.
    fn low_page() -> *mut u8 {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        // SAFETY: the kernel chooses a place that is free.
        let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, access, flags, -1, 0) };
        let error = io::Error::last_os_error();
        assert!(page != libc::MAP_FAILED, "cannot map a page: {error}");
        page.cast()
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod int80 {
    pub(crate) fn open(_path: &str) -> i32 {
        panic!("this architecture has no int 0x80")
    }
}
