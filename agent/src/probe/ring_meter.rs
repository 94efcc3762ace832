//! How full a ring is, read from the positions that the kernel keeps in the ring's first two pages.

use std::{
    os::fd::AsFd,
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::{
    mm::{MapFlags, ProtFlags, mmap, munmap},
    param::page_size,
};

use super::ProbeError;

/// Looks at a ring without taking part in it.
#[derive(Debug)]
pub struct RingMeter {
    name: &'static str,
    capacity: u32,
    consumer: Position,
    producer: Position,
}

impl RingMeter {
    /// A meter of the ring `map`, which has `capacity` bytes.
    pub(super) fn new(
        name: &'static str,
        map: impl AsFd,
        capacity: u32,
    ) -> Result<Self, ProbeError> {
        Ok(Self {
            name,
            capacity,
            consumer: Position::map(&map, 0)?,
            producer: Position::map(&map, page_size() as u64)?,
        })
    }

    /// Name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Size.
    pub fn capacity_bytes(&self) -> u64 {
        self.capacity.into()
    }

    /// Bytes put into it so far, with the eight bytes that the kernel adds to each record and its
    /// padding to eight.
    pub fn written_bytes(&self) -> u64 {
        self.producer.read() as u64
    }

    /// Bytes not consumed yet.
    pub fn used_bytes(&self) -> u64 {
        // In this order: the consumer never passes a producer that is read later. Both may have
        // moved on between the two.
        let consumed = self.consumer.read();
        let produced = self.producer.read();
        (produced.wrapping_sub(consumed) as u64).min(self.capacity_bytes())
    }
}

/// A page of a ring that begins with a position.
#[derive(Debug)]
struct Position(NonNull<AtomicUsize>);

// SAFETY: the mapping belongs to the process, not to a thread, and is read atomically only.
unsafe impl Send for Position {}

impl Position {
    fn map(map: &impl AsFd, offset: u64) -> Result<Self, ProbeError> {
        // SAFETY: a new mapping at an address that the kernel chooses; it keeps the map alive.
        let page = unsafe {
            mmap(
                null_mut(),
                page_size(),
                ProtFlags::READ,
                MapFlags::SHARED,
                map,
                offset,
            )
        };
        let page = page.map_err(|error| ProbeError::io("cannot map a ring", error.into()))?;
        NonNull::new(page.cast())
            .map(Self)
            .ok_or_else(|| ProbeError::Load("a ring was mapped at address 0".to_owned()))
    }

    fn read(&self) -> usize {
        // SAFETY: the page stays mapped until `self` is dropped, is aligned, and begins with an
        // unsigned long that the kernel reads and writes atomically.
        unsafe { self.0.as_ref() }.load(Ordering::Acquire)
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and no reference into it is left.
        let unmapped = unsafe { munmap(self.0.as_ptr().cast(), page_size()) };
        debug_assert!(unmapped.is_ok(), "a mapping of our own can be undone");
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::FileExt};

    use super::*;

    /// A file with the first two pages of a ring.
    fn ring(consumed: usize, produced: usize) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(2 * page_size() as u64).unwrap();
        file.write_at(&consumed.to_ne_bytes(), 0).unwrap();
        file.write_at(&produced.to_ne_bytes(), page_size() as u64)
            .unwrap();
        file
    }

    #[test]
    fn what_is_produced_and_not_consumed_is_in_use() {
        let file = ring(4_096, 5_000);
        let meter = RingMeter::new("bulk", &file, 8_192).unwrap();
        assert_eq!((meter.used_bytes(), meter.capacity_bytes()), (904, 8_192));
        file.write_at(&5_000_usize.to_ne_bytes(), 0).unwrap();
        assert_eq!(meter.used_bytes(), 0);
    }

    #[test]
    fn positions_wrap_around() {
        let meter = RingMeter::new("bulk", ring(usize::MAX - 9, 10), 8_192).unwrap();
        assert_eq!(meter.used_bytes(), 20);
    }
}
