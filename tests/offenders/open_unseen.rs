//! Opens a file by the system call of a 32-bit program, then by that of this architecture.
//!
//! `open_unseen HIDDEN ORDINARY`

mod raw;

use raw::{c_string, done, open};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [hidden, ordinary] = arguments.as_slice() else {
        panic!("usage: open_unseen HIDDEN ORDINARY");
    };
    println!("hidden={}", int80::open(hidden));
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
