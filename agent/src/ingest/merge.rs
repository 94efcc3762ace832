//! Records of several rings in the order of their times.

use gravlens_common::{RecordHeader, record_flags};

/// Records in time order, in one piece of memory.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    index: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    boot_ns: u64,
    start: usize,
    len: usize,
}

impl Batch {
    /// The records, oldest first.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.index
            .iter()
            .map(|entry| &self.bytes[entry.start..entry.start + entry.len])
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// No records.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn push(&mut self, boot_ns: u64, record: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.index.push(Entry {
            boot_ns,
            start,
            len: record.len(),
        });
    }
}

/// Collects records and releases those that are complete.
#[derive(Debug, Default)]
pub(super) struct Merger {
    waiting: Batch,
    /// Time of the newest record released so far.
    released_ns: u64,
}

/// Where a record's time stands: the last field of its header.
const TIME_AT: usize = std::mem::offset_of!(RecordHeader, boot_ns);
const FLAGS_AT: usize = std::mem::offset_of!(RecordHeader, flags);

impl Merger {
    /// Takes a record as it came out of a ring. One without a whole header keeps its place at the
    /// end and is left to the decoder to refuse.
    pub(super) fn push(&mut self, record: &[u8]) {
        let time = record
            .get(TIME_AT..TIME_AT + 8)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(self.released_ns, u64::from_ne_bytes);
        self.waiting.push(time, record);
    }

    /// Number of records that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Time of the record pushed last before the `after` newest ones.
    pub(super) fn newest_before(&self, after: usize) -> Option<u64> {
        let end = self.waiting.len().checked_sub(after)?;
        self.waiting.index[..end].last().map(|entry| entry.boot_ns)
    }

    /// Releases, in order, every record with a time up to `watermark_ns`, the moment before which
    /// all rings have been drained. A record older than what was released before is flagged.
    pub(super) fn release(&mut self, watermark_ns: u64) -> Batch {
        let mut all = std::mem::take(&mut self.waiting);
        // Stable: records of one time keep the order of their ring.
        all.index.sort_by_key(|entry| entry.boot_ns);
        let split = all
            .index
            .partition_point(|entry| entry.boot_ns <= watermark_ns);
        for entry in &all.index[split..] {
            self.waiting.push(
                entry.boot_ns,
                &all.bytes[entry.start..entry.start + entry.len],
            );
        }
        all.index.truncate(split);
        self.flag_late(&mut all);
        all
    }

    fn flag_late(&mut self, batch: &mut Batch) {
        for entry in &batch.index {
            if entry.boot_ns < self.released_ns
                && let Some(flags) = batch.bytes.get_mut(entry.start + FLAGS_AT..)
                && let Some(low) = flags.first_mut()
            {
                *low |= record_flags::OUT_OF_ORDER as u8;
            }
        }
        if let Some(newest) = batch.index.last() {
            self.released_ns = self.released_ns.max(newest.boot_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zerocopy::{FromBytes, IntoBytes};

    use super::*;

    fn record(boot_ns: u64) -> Vec<u8> {
        RecordHeader {
            boot_ns,
            ..RecordHeader::default()
        }
        .as_bytes()
        .to_vec()
    }

    fn times(batch: &Batch) -> Vec<(u64, u16)> {
        batch
            .records()
            .map(|bytes| {
                let header = RecordHeader::read_from_bytes(bytes).unwrap();
                (header.boot_ns, header.flags)
            })
            .collect()
    }

    #[test]
    fn what_is_newer_than_the_watermark_waits() {
        let mut merger = Merger::default();
        for time in [30, 10, 20] {
            merger.push(&record(time));
        }
        assert_eq!(times(&merger.release(20)), [(10, 0), (20, 0)]);
        assert_eq!(merger.len(), 1);
        assert_eq!(times(&merger.release(40)), [(30, 0)]);
    }

    #[test]
    fn a_record_that_comes_too_late_says_so() {
        let mut merger = Merger::default();
        merger.push(&record(30));
        merger.release(30);
        merger.push(&record(20));
        assert_eq!(
            times(&merger.release(40)),
            [(20, record_flags::OUT_OF_ORDER)]
        );
    }

    #[test]
    fn a_fragment_is_passed_on_for_the_decoder_to_refuse() {
        let mut merger = Merger::default();
        merger.push(&[1, 2, 3]);
        assert_eq!(merger.release(0).len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_unflagged_records_are_in_order(
            passes in proptest::collection::vec(
                (proptest::collection::vec(0u64..100, 0..20), 0u64..120), 0..10)
        ) {
            let mut merger = Merger::default();
            let mut pushed = 0;
            let mut seen = Vec::new();
            for (arrivals, watermark) in &passes {
                for time in arrivals {
                    merger.push(&record(*time));
                }
                pushed += arrivals.len();
                seen.extend(times(&merger.release(*watermark)));
            }
            seen.extend(times(&merger.release(u64::MAX)));
            prop_assert_eq!(seen.len(), pushed);
            let mut newest = 0;
            for (time, flags) in seen {
                prop_assert!(flags != 0 || time >= newest);
                newest = newest.max(time);
            }
        }
    }
}
