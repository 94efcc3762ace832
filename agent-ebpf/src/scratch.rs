//! Buffers that are too large for the 512-byte stack.
//!
//! A program can be preempted by another one on the same CPU, so per-CPU memory alone is not
//! private: each CPU has a few slots, and a program takes the first that is free.

use aya_ebpf::{helpers::bpf_get_smp_processor_id, maps::Array};
use gravlens_common::{DnsRecord, ExecRecord, PathsRecord, limits};

use crate::{kernel::object::Room, verifier};

/// Slots per CPU.
pub const NESTING: u32 = 3;

/// Bytes before the path in [`PathScratch`], room for the record's fixed part.
pub const PATH_HEAD: usize = 256;

/// Room of an exec record. A power of two, so that one mask bounds an offset.
const EXEC_ROOM: usize = 64 * 1024;

/// Room of the record of a call on paths, likewise.
const PATHS_ROOM: usize = 16 * 1024;

/// A slot that can be taken and given back.
///
/// # Safety
///
/// The type starts with the `taken` counter.
pub unsafe trait Slot {
    /// Tells the slot which one it is.
    #[inline(always)]
    fn number(_slot: *mut Self, _index: u32) {}
}

impl PathScratch {
    /// Which slot it is. Volatile: the verifier takes what comes out of a map for a number.
    #[inline(always)]
    pub fn index(slot: *mut Self) -> u64 {
        // SAFETY: the program holds the slot.
        unsafe { core::ptr::read_volatile(&raw const (*slot).index) }
    }

    /// Its room for what is read on the way.
    #[inline(always)]
    pub fn room(slot: *mut Self) -> *mut Room {
        // SAFETY: the program holds the slot.
        unsafe { &raw mut (*slot).room }
    }
}

/// A path, built from its end, with room for a record's fixed part before it.
#[repr(C)]
pub struct PathScratch {
    taken: u64,
    /// Which slot it is, for functions that are verified by themselves: they take numbers only.
    pub index: u64,
    /// Address of the mount where the path begins, likewise.
    pub root: u64,
    /// For what is read on the way.
    pub room: Room,
    /// Index of the path's first byte so far; kept here for the verifier, like
    /// [`ExecScratch::len`].
    pub start: u64,
    /// `path_flags` so far.
    pub flags: u64,
    /// Classes of opens that may want what the walk meets, as bits; zero while names do not matter.
    pub asked: u64,
    /// Those of them that do want a name that the walk has met.
    pub wanted: u64,
    /// Head, path, and as much again: the verifier knows a path's start and its length, but not
    /// that they add up to the end.
    pub bytes: [u8; 2 * (PATH_HEAD + limits::PATH_ROOM)],
}

/// An exec record under construction.
#[repr(C)]
pub struct ExecScratch {
    taken: u64,
    /// Bytes used so far. Kept here rather than in a register on purpose: the verifier forgets
    /// what it knows of a value in a map, so the ways to get here all look alike to it and it
    /// need not follow each one to the end.
    len: u64,
    /// The record; one more chunk behind it so that a masked write cannot leave the buffer.
    bytes: [u8; EXEC_ROOM + limits::ARGV_CHUNK],
}

/// The record of a call on paths under construction; see [`ExecScratch`].
#[repr(C)]
pub struct PathsScratch {
    taken: u64,
    len: u64,
    bytes: [u8; PATHS_ROOM + limits::PATH_ROOM],
}

/// A DNS record with its payload.
#[repr(C)]
pub struct DnsScratch {
    taken: u64,
    /// The record.
    pub record: DnsRecord,
    /// The payload, right behind it.
    pub payload: [u8; limits::DNS_PAYLOAD_MAX],
}

const _: () = assert!(
    size_of::<PathsRecord>() + 2 * limits::PATH_ROOM < PATHS_ROOM,
    "the record of a call on paths fits its buffer"
);

const _: () = assert!(
    size_of::<ExecRecord>() + 4 * limits::PATH_ROOM + limits::ARGV_MAX + limits::ENVIRONMENT_MAX
        < EXEC_ROOM,
    "an exec record fits its buffer"
);

// SAFETY: all start with `taken`.
unsafe impl Slot for DnsScratch {}
// SAFETY: as above.
unsafe impl Slot for PathScratch {
    #[inline(always)]
    fn number(slot: *mut Self, index: u32) {
        // SAFETY: the program holds the slot.
        unsafe { core::ptr::write_volatile(&raw mut (*slot).index, u64::from(index)) };
    }
}
// SAFETY: as above.
unsafe impl Slot for ExecScratch {}
// SAFETY: as above.
unsafe impl Slot for PathsScratch {}

/// A slot in which a record is put together.
pub trait Growing: Slot {
    /// Bytes used so far.
    fn len(slot: *mut Self) -> *mut u64;

    /// The record.
    fn record(slot: *mut Self) -> *mut u8;

    /// The same index, below the record's room for the verifier too.
    fn bounded(index: u64) -> u64;
}

macro_rules! growing {
    ($slot:ty, $room:expr) => {
        impl Growing for $slot {
            #[inline(always)]
            fn len(slot: *mut Self) -> *mut u64 {
                // SAFETY: the program holds the slot.
                unsafe { &raw mut (*slot).len }
            }

            #[inline(always)]
            fn record(slot: *mut Self) -> *mut u8 {
                // SAFETY: as above.
                unsafe { (&raw mut (*slot).bytes).cast() }
            }

            #[inline(always)]
            fn bounded(index: u64) -> u64 {
                verifier::mask::<{ $room as i32 - 1 }>(index)
            }
        }
    };
}

growing!(ExecScratch, EXEC_ROOM);
growing!(PathsScratch, PATHS_ROOM);

/// Takes a slot of this CPU, or `None` when all are taken.
#[inline(always)]
pub fn take<S: Slot>(map: &Array<S>) -> Option<*mut S> {
    // SAFETY: no arguments.
    let first = unsafe { bpf_get_smp_processor_id() } * NESTING;
    take_at(map, first)
        .or_else(|| take_at(map, first + 1))
        .or_else(|| take_at(map, first + 2))
}

/// Takes that slot, or `None` when it is taken.
#[inline(always)]
pub fn take_at<S: Slot>(map: &Array<S>, index: u32) -> Option<*mut S> {
    let slot = map.get_ptr_mut(index)?;
    let taken = slot.cast::<u64>();
    // SAFETY: `Slot` promises the counter at the start of the map value.
    if unsafe { verifier::fetch_add(taken, 1) } == 0 {
        S::number(slot, index);
        return Some(slot);
    }
    // SAFETY: as above.
    unsafe { verifier::fetch_add(taken, -1) };
    None
}

/// Gives a slot back.
#[inline(always)]
pub fn release<S: Slot>(slot: *mut S) {
    // SAFETY: the slot came from `take`.
    unsafe { verifier::fetch_add(slot.cast(), -1) };
}
