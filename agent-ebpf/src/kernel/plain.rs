//! Plain loads from kernel memory.
//!
//! A helper that reads kernel memory costs as much as ten to fifteen loads. Since Linux 6.2 a program
//! may have any address taken for that of a type it names, by `bpf_rdonly_cast`
//! (kernel/bpf/helpers.c). The verifier makes a move of the call (`fixup_kfunc_call` in
//! kernel/bpf/verifier.c) and guards the loads behind it (`PROBE_MEM`): one that faults gives zero. The
//! type is `struct timespec64`, whatever stands at the address: it begins with an integer of eight
//! bytes.

use gravlens_common::CAST_HELPER;

use crate::globals::CAST_TYPE;

/// This kernel grants them. The verifier knows the answer, and drops what it rules out.
#[inline(always)]
pub fn granted() -> bool {
    CAST_TYPE.load() != 0
}

/// Values of this type are loaded by one instruction.
#[inline(always)]
pub const fn fits<T>() -> bool {
    size_of::<T>() <= size_of::<u64>() && size_of::<T>() == align_of::<T>()
}

/// Loads an integer at an address in kernel memory; zero when it cannot be read. Only where such loads
/// are [`granted`].
#[inline(always)]
pub fn load<T: Copy>(address: u64) -> T {
    // SAFETY: as the helpers are called: their numbers stand for their addresses.
    let cast: unsafe extern "C" fn(u64, u32) -> *const u8 =
        unsafe { core::mem::transmute(CAST_HELPER as usize) };
    // SAFETY: the verifier refuses a program that gets here where the kernel does not have the
    // function. It guards the load.
    unsafe { core::ptr::read_volatile(cast(address, CAST_TYPE.load()).cast()) }
}
