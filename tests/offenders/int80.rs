//! System calls of a 32-bit program, which any program may make.

/// Makes a call of the table of i386 and gives the kernel's answer: a result, or an error as a
/// negative number. Pointers have to lie below 4 GiB; there are six arguments at most.
#[cfg(target_arch = "x86_64")]
pub(crate) fn call(number: i64, arguments: &[u64]) -> i32 {
    let at = |position: usize| arguments.get(position).copied().unwrap_or(0);
    let result: i64;
    // SAFETY: the calls made by offenders read their arguments and change nothing of the program
    // but what they are given. The compiler keeps rbx and rbp for itself, so they are put back.
    unsafe {
        std::arch::asm!(
            "xchg rbx, r12",
            "xchg rbp, r13",
            "int 0x80",
            "xchg rbp, r13",
            "xchg rbx, r12",
            inout("r12") at(0) => _,
            inout("r13") at(5) => _,
            inout("rax") number => result,
            in("rcx") at(1),
            in("rdx") at(2),
            in("rsi") at(3),
            in("rdi") at(4),
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result as i32
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn call(_number: i64, _arguments: &[u64]) -> i32 {
    panic!("this architecture has no int 0x80")
}

/// Bytes of a socket address of IPv4.
#[allow(dead_code, reason = "each offender uses some of it")]
pub(crate) const ADDRESS_LEN: u64 = size_of::<libc::sockaddr_in>() as u64;

/// A socket address where a 32-bit call can point to.
#[allow(dead_code, reason = "each offender uses some of it")]
pub(crate) fn low_address(address: std::net::SocketAddrV4) -> u64 {
    let family = (libc::AF_INET as u16).to_ne_bytes();
    let (port, ip) = (address.port().to_be_bytes(), address.ip().octets());
    low_copy(&[&family[..], &port, &ip, &[0; 8]].concat())
}

/// A copy below 4 GiB, where a 32-bit call can point to. It stays there.
pub(crate) fn low_copy(bytes: &[u8]) -> u64 {
    const PAGE: usize = 4096;
    #[cfg(target_arch = "x86_64")]
    const LOW: i32 = libc::MAP_32BIT;
    #[cfg(not(target_arch = "x86_64"))]
    const LOW: i32 = 0;
    assert!(bytes.len() <= PAGE, "a page is enough");
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | LOW;
    // SAFETY: the kernel chooses a place that is free.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, access, flags, -1, 0) };
    let error = std::io::Error::last_os_error();
    assert!(page != libc::MAP_FAILED, "cannot map a page: {error}");
    // SAFETY: a page of our own, and no more bytes than it has.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), page.cast(), bytes.len()) };
    page as u64
}
