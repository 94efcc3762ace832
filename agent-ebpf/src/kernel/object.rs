//! Objects that the verifier knows the type of, and windows into those that it does not.
//!
//! A helper that reads kernel memory costs as much as ten to fifteen loads. Of the current task the
//! verifier allows plain loads, which the kernel guards against faults (`PROBE_MEM` in
//! kernel/bpf/verifier.c): a fault reads as zero. Elsewhere neighbouring fields are fetched together,
//! unless this kernel grants such loads from any address (`kernel/plain.rs`).

use core::marker::PhantomData;

use aya_ebpf::{
    Global,
    helpers::generated::{bpf_get_current_task_btf, bpf_probe_read_kernel},
};
use gravlens_common::ABSENT;

use super::{field, plain, read, read_at_or_zero, read_or_zero, read_ptr};

/// A kernel object by its address.
#[derive(Clone, Copy)]
pub struct Object {
    at: u64,
    /// The verifier knows its type.
    typed: bool,
}

impl Object {
    /// The current task.
    #[inline(always)]
    pub fn current_task() -> Self {
        Self {
            // SAFETY: no arguments.
            at: unsafe { bpf_get_current_task_btf() } as u64,
            typed: true,
        }
    }

    /// An object of which only the address is known.
    #[inline(always)]
    pub fn at(address: u64) -> Self {
        Self {
            at: address,
            typed: false,
        }
    }

    /// The verifier knows its type: it is the current task.
    #[inline(always)]
    pub fn is_typed(self) -> bool {
        self.typed
    }

    /// Its address.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.at
    }

    /// A field that is an integer; `None` when this kernel does not have it, or it cannot be read.
    #[inline(always)]
    pub fn get<T: Copy>(self, offset: &Global<u32>) -> Option<T> {
        if !self.typed {
            return read(self.at, offset);
        }
        // SAFETY: the verifier knows the object's type and checks that the field is one of it.
        field(self.at, offset).map(|at| unsafe { core::ptr::read_volatile(at as *const T) })
    }

    /// The same; zero when it is absent or cannot be read.
    #[inline(always)]
    pub fn get_or_zero<T: Copy + Default>(self, offset: &Global<u32>) -> T {
        if self.typed {
            self.get(offset).unwrap_or_default()
        } else {
            read_or_zero(self.at, offset)
        }
    }

    /// The object that a field points to; `None` for a null pointer. Not as a field of its type: when a
    /// pointer is loaded, the verifier looks its type up among all of the kernel's, which takes it
    /// some milliseconds each time.
    #[inline(always)]
    pub fn pointer(self, offset: &Global<u32>) -> Option<Self> {
        read_ptr(self.at, offset).map(Self::at)
    }
}

/// Where the fields of a window begin in their object.
pub trait Start {
    /// Offset of the first, [`ABSENT`] where there is none.
    fn offset() -> u32;
}

/// Fields at the beginning of an object.
pub struct FromStart;

impl Start for FromStart {
    #[inline(always)]
    fn offset() -> u32 {
        0
    }
}

/// Room for the fields of a window: in a map, since a program's stack is small.
pub type Room = [u64; ROOM];

/// Words of a window at most.
const ROOM: usize = 12;

/// Neighbouring fields of an object, read at once where each would take a helper; zeroes when they
/// cannot be read.
pub struct Window<S, const WORDS: usize> {
    object: u64,
    words: *mut Room,
    start: PhantomData<S>,
}

impl<S: Start, const WORDS: usize> Window<S, WORDS> {
    const FITS: () = assert!(WORDS <= ROOM, "there is room for a window");

    /// The fields of the object at that address. The window before it that has the same room is over.
    #[inline(always)]
    pub fn of(object: u64, room: *mut Room) -> Self {
        let () = Self::FITS;
        if S::offset() == ABSENT {
            // SAFETY: the caller holds the room.
            unsafe { *room = [0; ROOM] };
        } else if !plain::granted() {
            // SAFETY: as above. The helper checks the address, and fills the words with zeroes when
            // it fails.
            unsafe {
                bpf_probe_read_kernel(
                    room.cast(),
                    (WORDS * size_of::<u64>()) as u32,
                    (object + u64::from(S::offset())) as *const _,
                );
            }
        }
        Self {
            object,
            words: room,
            start: PhantomData,
        }
    }

    /// A field that is an integer; zero when it is absent or cannot be read.
    #[inline(always)]
    pub fn get<T: Copy + Default>(&self, offset: &Global<u32>) -> T {
        match offset.load() {
            ABSENT => T::default(),
            place => self.at(place),
        }
    }

    /// The same of a field of an embedded struct.
    #[inline(always)]
    pub fn get_in<T: Copy + Default>(&self, outer: &Global<u32>, inner: &Global<u32>) -> T {
        match (outer.load(), inner.load()) {
            (ABSENT, _) | (_, ABSENT) => T::default(),
            (outer, inner) => self.at(outer + inner),
        }
    }

    /// What stands at that place of the object; read by itself where it lies outside of the window.
    #[inline(always)]
    fn at<T: Copy + Default>(&self, place: u32) -> T {
        let start = S::offset();
        let end = start + (WORDS * size_of::<u64>()) as u32;
        if plain::granted() || place < start || place + size_of::<T>() as u32 > end {
            return read_at_or_zero(self.object + u64::from(place));
        }
        // SAFETY: the field lies in the window. Volatile: the place is a constant for the verifier
        // and none for the compiler, which would otherwise choose between words by comparing.
        unsafe {
            let words = self.words.cast::<u8>();
            let field = words.add((place - start) as usize);
            core::ptr::read_volatile(field.cast::<T>())
        }
    }
}
