//! Records in time order, in one piece of memory.

use tokio::sync::OwnedSemaphorePermit;

use super::merge::Lane;

/// Records in time order, in one piece of memory.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) index: Vec<Entry>,
    /// Its part of the queue's bytes, given back when the batch has been worked off.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// One record of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) boot_ns: u64,
    /// When it came out of its ring.
    pub(super) taken_ns: u64,
    pub(super) lane: Lane,
    pub(super) start: usize,
    pub(super) len: usize,
}

impl Entry {
    /// Memory that a record of this length takes in a batch.
    pub(super) const fn cost(len: usize) -> usize {
        len + size_of::<Self>()
    }
}

impl Batch {
    /// The records, oldest first.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.index.iter().map(|entry| self.record(entry))
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// No records.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Memory that its content takes.
    pub(super) fn cost(&self) -> usize {
        self.bytes.len() + self.index.len() * size_of::<Entry>()
    }

    pub(super) fn record(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start..entry.start + entry.len]
    }

    /// Adds a record; `entry.start` is set here.
    pub(super) fn push(&mut self, entry: Entry, record: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.index.push(Entry { start, ..entry });
    }
}
