//! Appends variable parts to a record that is put together in a slot.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use gravlens_common::limits;

use crate::{
    kernel::path::{self, BuiltPath},
    scratch::{Growing, PathScratch},
    verifier,
};

/// Bounds a path's length for the verifier.
const PATH_LEN_MASK: i32 = 0xFFF;

/// The end of a record under construction.
pub struct Appender<S> {
    buffer: *mut S,
}

impl<S: Growing> Appender<S> {
    /// Goes on with the record in the buffer.
    #[inline(always)]
    pub fn of(buffer: *mut S) -> Self {
        Self { buffer }
    }

    /// Appends behind a fixed part of `len` bytes.
    #[inline(always)]
    pub fn behind(len: u64, buffer: *mut S) -> Self {
        let mut appender = Self::of(buffer);
        appender.set_len(len);
        appender
    }

    /// Bytes so far.
    #[inline(always)]
    pub fn len(&self) -> u64 {
        // SAFETY: this program holds the slot. Volatile, or the optimiser would keep a copy in a
        // register and with it what the verifier must forget.
        unsafe { core::ptr::read_volatile(S::len(self.buffer)) }
    }

    /// Bytes so far, bounded for the verifier: the size of the record.
    #[inline(always)]
    pub fn size(&self) -> u64 {
        S::bounded(self.len())
    }

    #[inline(always)]
    fn set_len(&mut self, len: u64) {
        // SAFETY: as in `len`.
        unsafe { core::ptr::write_volatile(S::len(self.buffer), len) };
    }

    /// Counts what was put at [`Self::next`].
    #[inline(always)]
    pub fn grow(&mut self, by: u64) {
        self.set_len(self.len() + by);
    }

    /// Where the next part goes.
    #[inline(always)]
    pub fn next(&self) -> *mut u8 {
        let at = S::bounded(self.len());
        // SAFETY: the index is below the room of the record, and 4 KiB more follow.
        unsafe { S::record(self.buffer).add(at as usize) }
    }

    /// Appends a zero-terminated string of the kernel, without the zero.
    #[inline(always)]
    pub fn kernel_string(&mut self, string: Option<u64>) -> u16 {
        let Some(string) = string else { return 0 };
        // SAFETY: `next` has room for PATH_ROOM bytes.
        let len = unsafe {
            bpf_probe_read_kernel_str(
                self.next().cast(),
                limits::PATH_ROOM as u32,
                string as *const _,
            )
        };
        if len <= 1 {
            return 0;
        }
        let len = verifier::mask::<PATH_LEN_MASK>((len - 1) as u64);
        self.grow(len);
        len as u16
    }

    /// Appends a path.
    #[inline(always)]
    pub fn path(&mut self, paths: *mut PathScratch, path: BuiltPath) -> u16 {
        let len = verifier::mask::<PATH_LEN_MASK>(path.len);
        let Some(source) = path::byte_at(paths, path.start) else {
            return 0;
        };
        // SAFETY: `next` has room for 4,095 bytes; the source is the path's own buffer.
        unsafe { bpf_probe_read_kernel(self.next().cast(), len as u32, source.cast()) };
        self.grow(len);
        len as u16
    }
}
