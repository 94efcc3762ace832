//! Opens a file and sets its user id by the system calls of a 32-bit program, which any program
//! may make.
//!
//! `compat_calls PATH`

#[cfg(target_arch = "x86_64")]
fn main() {
    use std::ffi::CString;

    /// `open` and `setuid32` in the table of i386.
    const OPEN: i64 = 5;
    const SETUID: i64 = 213;
    let path = std::env::args().nth(1).expect("usage: compat_calls PATH");
    let path = CString::new(path).expect("a path has no zero");
    let low = low::copy(path.as_bytes_with_nul());
    println!("open: {}", low::call(OPEN, low, 0));
    // SAFETY: no memory is passed.
    let user = unsafe { libc::getuid() };
    println!("setuid: {}", low::call(SETUID, u64::from(user), 0));
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    panic!("this architecture has no int 0x80");
}

#[cfg(target_arch = "x86_64")]
mod low {
    use std::arch::asm;
    use std::ptr;

    const PAGE: usize = 4096;

    /// The bytes below 4 GiB, where a 32-bit call can point to.
    pub(crate) fn copy(bytes: &[u8]) -> u64 {
        assert!(bytes.len() <= PAGE, "a page is enough");
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        // SAFETY: the kernel chooses a place that is free.
        let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, access, flags, -1, 0) };
        assert!(page != libc::MAP_FAILED, "a page can be mapped");
        // SAFETY: a page of our own, and no more bytes than it has.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), page.cast(), bytes.len()) };
        page as u64
    }

    pub(crate) fn call(number: i64, first: u64, second: u64) -> i32 {
        let result: i64;
        // SAFETY: the calls made here read their arguments and change nothing of ours. The
        // compiler keeps rbx for itself, so it is put back.
        unsafe {
            asm!(
                "xchg rbx, {first}",
                "int 0x80",
                "xchg rbx, {first}",
                first = inout(reg) first => _,
                inout("rax") number => result,
                in("rcx") second,
                in("rdx") 0,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        result as i32
    }
}
