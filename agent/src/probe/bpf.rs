//! The few commands of bpf(2) that the library does not offer: to look at what is attached, and to try
//! what the kernel takes.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// Commands of bpf(2), from linux/bpf.h.
const MAP_LOOKUP_ELEM: i32 = 1;
const PROG_LOAD: i32 = 5;
const OBJ_GET_INFO_BY_FD: i32 = 15;
const LINK_GET_FD_BY_ID: i32 = 30;

/// `BPF_PROG_TYPE_RAW_TRACEPOINT`.
const RAW_TRACEPOINT: u32 = 17;

/// `BPF_LINK_TYPE_CGROUP`.
const CGROUP_LINK: u32 = 3;

/// The begin of `struct bpf_link_info`, with the member for cgroup links.
#[repr(C)]
#[derive(Default)]
struct RawLinkInfo {
    kind: u32,
    id: u32,
    program_id: u32,
    pad: u32,
    cgroup_id: u64,
    attach_type: u32,
    rest: [u32; 5],
}

/// Where a link leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkTarget {
    /// The program that it runs.
    pub(super) program_id: u32,
    /// The cgroup that it is attached to, zero when it has been detached; `None` of other links.
    pub(super) cgroup_id: Option<u64>,
}

/// Where the link with this id leads; not found when there is none.
pub(super) fn link_target(id: u32) -> io::Result<LinkTarget> {
    let link = link_by_id(id)?;
    let mut info = RawLinkInfo::default();
    #[repr(C)]
    struct Attributes {
        fd: u32,
        len: u32,
        info: u64,
    }
    let attributes = Attributes {
        fd: link.as_raw_fd() as u32,
        len: size_of::<RawLinkInfo>() as u32,
        info: (&raw mut info) as u64,
    };
    // SAFETY: the kernel writes `len` bytes at most, into `info`, which has no invalid bit patterns.
    unsafe { bpf(OBJ_GET_INFO_BY_FD, &attributes) }?;
    Ok(LinkTarget {
        program_id: info.program_id,
        cgroup_id: (info.kind == CGROUP_LINK).then_some(info.cgroup_id),
    })
}

fn link_by_id(id: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        id: u32,
        next_id: u32,
        flags: u32,
    }
    let attributes = Attributes {
        id,
        next_id: 0,
        flags: 0,
    };
    // SAFETY: the command reads its attributes only.
    let fd = unsafe { bpf(LINK_GET_FD_BY_ID, &attributes) }?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reads a value of an array map of `size` bytes a value.
pub(super) fn value_at(map: BorrowedFd<'_>, index: u32, size: u32) -> io::Result<Vec<u8>> {
    #[repr(C)]
    struct Attributes {
        fd: u32,
        pad: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    // The kernel rounds the size of a value up.
    let mut value = vec![0; (size as usize).next_multiple_of(8)];
    let attributes = Attributes {
        fd: map.as_raw_fd() as u32,
        pad: 0,
        key: (&raw const index) as u64,
        value: value.as_mut_ptr() as u64,
        flags: 0,
    };
    // SAFETY: the key has the four bytes of an array's index, the value has room for one.
    unsafe { bpf(MAP_LOOKUP_ELEM, &attributes) }?;
    value.truncate(size as usize);
    Ok(value)
}

/// Loads a program of these instructions, for a raw tracepoint.
pub(super) fn load(instructions: &[u64]) -> io::Result<OwnedFd> {
    const LICENSE: &CStr = c"GPL";
    #[repr(C)]
    struct Attributes {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
    }
    let attributes = Attributes {
        kind: RAW_TRACEPOINT,
        count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
    };
    // SAFETY: there are `count` instructions of eight bytes, and the license ends with a zero.
    let fd = unsafe { bpf(PROG_LOAD, &attributes) }?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
///
/// The attributes are those of the command, and what they point to is as large as it says.
unsafe fn bpf<T>(command: i32, attributes: &T) -> io::Result<i32> {
    // SAFETY: forwarded; the kernel takes attributes of any size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // A descriptor or zero.
    Ok(result as i32)
}
