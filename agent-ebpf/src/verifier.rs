//! Help for the verifier.
//!
//! LLVM removes a mask or a comparison that it can prove to be useless, also where the verifier
//! cannot: these are opaque to the optimiser.

use core::arch::asm;

/// `value & MASK`, kept in the program.
#[inline(always)]
pub fn mask<const MASK: i32>(mut value: u64) -> u64 {
    // SAFETY: one arithmetic instruction on a register.
    unsafe { asm!("{0} &= {1}", inout(reg) value, const MASK) };
    value
}

/// Stores a word at an address that need not be aligned, by one instruction.
///
/// # Safety
///
/// The word lies in a map value.
#[inline(always)]
pub unsafe fn store_word(at: *mut u8, word: u64) {
    // SAFETY: the caller vouches for the address; in map values the verifier asks for no alignment.
    unsafe { asm!("*(u64 *)({at} + 0) = {word}", at = in(reg) at, word = in(reg) word) };
}

/// Loads a word from an address that need not be aligned, by one instruction.
///
/// # Safety
///
/// The word lies in a map value.
#[inline(always)]
pub unsafe fn load_word(at: *const u8) -> u64 {
    let word: u64;
    // SAFETY: as above.
    unsafe { asm!("{word} = *(u64 *)({at} + 0)", at = in(reg) at, word = out(reg) word) };
    word
}

/// Stores a value that is made of words, likewise.
///
/// # Safety
///
/// The words lie in a map value.
#[inline(always)]
pub unsafe fn store<T>(at: *mut u8, value: &T) {
    const WORD: usize = size_of::<u64>();
    const { assert!(size_of::<T>().is_multiple_of(WORD) && align_of::<T>() == WORD) };
    for index in 0..size_of::<T>() / WORD {
        // SAFETY: the caller vouches for the words, and the value has as many.
        unsafe {
            let word = core::ptr::from_ref(value).cast::<u64>().add(index);
            store_word(at.add(index * WORD), *word);
        }
    }
}

/// Atomic `*cell += delta`, returning the old value.
///
/// `core::sync::atomic` has no read-modify-write operations on this target.
///
/// # Safety
///
/// `cell` points into a map value and is aligned.
#[inline(always)]
pub unsafe fn fetch_add(cell: *mut u64, delta: i64) -> u64 {
    let mut value = delta;
    // SAFETY: the caller vouches for the pointer; the instruction exists since kernel 5.12.
    unsafe {
        asm!(
            "{value} = atomic_fetch_add((u64 *)({cell} + 0), {value})",
            cell = in(reg) cell,
            value = inout(reg) value,
        );
    }
    value as u64
}

/// Atomic `if *cell == expected { *cell = new }`.
///
/// # Safety
///
/// `cell` points into a map value and is aligned.
#[inline(always)]
pub unsafe fn compare_exchange(cell: *mut u64, expected: u64, new: u64) {
    // SAFETY: the caller vouches for the pointer; the instruction exists since kernel 5.12 and
    // takes and gives the old value in r0.
    unsafe {
        asm!(
            "r0 = cmpxchg_64({cell} + 0, r0, {new})",
            cell = in(reg) cell,
            new = in(reg) new,
            inout("r0") expected => _,
        );
    }
}
