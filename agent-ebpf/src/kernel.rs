//! Typed readers of kernel objects: the only pointer walks.
//!
//! Each reader is a plain address with methods named after the fields. A field that this kernel
//! lacks, or that cannot be read, is `None`: never zero.

pub mod cgroup;
pub mod file;
pub mod object;
pub mod overlay;
pub mod packet;
pub mod path;
pub mod plain;
pub mod regs;
pub mod request;
pub mod sock;
pub mod task;

use aya_ebpf::{
    Global,
    helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user},
};
use gravlens_common::ABSENT;

/// A pointer that stands for an error: one of the last 4,095 addresses (`MAX_ERRNO` in
/// include/linux/err.h).
#[inline(always)]
pub fn is_error(pointer: i64) -> bool {
    const MAX_ERRNO: i64 = 4095;
    (-MAX_ERRNO..0).contains(&pointer)
}

/// Reads a value of type `T` at `base + offset` in kernel memory.
#[inline(always)]
pub fn read<T: Copy>(base: u64, offset: &Global<u32>) -> Option<T> {
    let offset = offset.load();
    if offset == ABSENT {
        return None;
    }
    read_at(base + u64::from(offset))
}

/// Reads an integer at `base + offset`; zero when the field is absent or cannot be read, without a
/// branch that the verifier would have to follow. For fields whose absence is told otherwise.
#[inline(always)]
pub fn read_or_zero<T: Copy>(base: u64, offset: &Global<u32>) -> T {
    match offset.load() {
        // SAFETY: every `T` used is plain integers.
        ABSENT => unsafe { core::mem::zeroed() },
        offset => read_at_or_zero(base + u64::from(offset)),
    }
}

/// Reads an integer at an address in kernel memory; zero when it cannot be read, likewise.
#[inline(always)]
pub fn read_at_or_zero<T: Copy>(address: u64) -> T {
    if plain::fits::<T>() && plain::granted() {
        return plain::load(address);
    }
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    // SAFETY: the helper checks the address, and fills the value with zeroes when it fails.
    unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const _,
        );
    }
    // SAFETY: filled above; every `T` used is plain integers.
    unsafe { value.assume_init() }
}

/// Reads a value of type `T` at an address in kernel memory.
#[inline(always)]
pub fn read_at<T: Copy>(address: u64) -> Option<T> {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    // SAFETY: the helper checks the address and fills the value or fails.
    let result = unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const _,
        )
    };
    // SAFETY: filled when the helper returned 0; every `T` used is plain integers.
    (result == 0).then(|| unsafe { value.assume_init() })
}

/// Reads a value of type `T` in the caller's memory.
#[inline(always)]
pub fn read_user<T: Copy>(address: u64) -> Option<T> {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    // SAFETY: as in `read_at`.
    let result = unsafe {
        bpf_probe_read_user(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const _,
        )
    };
    // SAFETY: as in `read_at`.
    (result == 0).then(|| unsafe { value.assume_init() })
}

/// Reads a pointer; a null pointer is `None`.
#[inline(always)]
pub fn read_ptr(base: u64, offset: &Global<u32>) -> Option<u64> {
    match read_or_zero::<u64>(base, offset) {
        0 => None,
        pointer => Some(pointer),
    }
}

/// Address of an embedded struct.
#[inline(always)]
pub fn field(base: u64, offset: &Global<u32>) -> Option<u64> {
    let offset = offset.load();
    (offset != ABSENT).then(|| base + u64::from(offset))
}
