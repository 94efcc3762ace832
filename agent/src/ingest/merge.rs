//! Records of both rings in the order of their times.

use gravlens_common::{RecordHeader, record_flags};

use super::batch::{Batch, Entry};

/// What waits of one ring at most, in bytes of memory: a ring whose records wait for the other
/// ring's is not read beyond it. So the merge holds twice this and one record more of each ring.
pub(super) const LANE_BYTES: usize = 1 << 20;

/// Longest wait of a bulk record for older critical ones, and of critical records that fill their
/// lane for older bulk ones.
pub(super) const MAX_WAIT_NS: u64 = 20_000_000;

/// Where a record came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Critical,
    Bulk,
}

/// A ring.
pub(super) trait Source {
    /// Hands the oldest record to `with`; false when there is none.
    fn take(&mut self, with: &mut dyn FnMut(&[u8])) -> bool;
}

/// Collects records and releases those that are complete.
#[derive(Debug, Default)]
pub(super) struct Merger {
    waiting: Batch,
    lanes: [LaneState; 2],
    /// Time of the newest record released so far.
    released_ns: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct LaneState {
    /// Memory of the records that wait.
    cost: usize,
    /// Time of the record taken last. Records of several CPUs are at most slightly out of order
    /// within a ring.
    newest_ns: u64,
    /// Records were left in the ring.
    left: bool,
}

/// Where a record's time stands: the last field of its header.
const TIME_AT: usize = std::mem::offset_of!(RecordHeader, boot_ns);
const FLAGS_AT: usize = std::mem::offset_of!(RecordHeader, flags);

impl Merger {
    /// Takes what a ring has, as far as there is room for it.
    pub(super) fn fill(&mut self, lane: Lane, ring: &mut impl Source, now_ns: u64) {
        let mut left = true;
        while left && self.lanes[lane as usize].cost < LANE_BYTES {
            left = ring.take(&mut |record| self.push(lane, record, now_ns));
        }
        self.lanes[lane as usize].left = left;
    }

    /// Takes a record as it came out of a ring. One without a whole header keeps its place at the
    /// end and is left to the decoder to refuse.
    pub(super) fn push(&mut self, lane: Lane, record: &[u8], now_ns: u64) {
        let boot_ns = record
            .get(TIME_AT..TIME_AT + 8)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(self.released_ns, u64::from_ne_bytes);
        let entry = Entry {
            boot_ns,
            taken_ns: now_ns,
            lane,
            start: 0,
            len: record.len(),
        };
        let state = &mut self.lanes[lane as usize];
        state.newest_ns = boot_ns;
        state.cost += Entry::cost(record.len());
        self.waiting.push(entry, record);
    }

    /// Number of records that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A ring was left with records.
    pub(super) fn has_more(&self) -> bool {
        self.lanes.iter().any(|lane| lane.left)
    }

    /// Releases, in order, what is complete: every record up to the moment before which both rings
    /// have been drained, `now_ns` being when the clock was read before they were. A bulk record
    /// that has waited too long goes with them, flagged; so is a record older than what was
    /// released before.
    pub(super) fn release(&mut self, now_ns: u64) -> Batch {
        self.split(self.watermark(now_ns), now_ns.saturating_sub(MAX_WAIT_NS))
    }

    /// Releases everything: nothing will come any more.
    pub(super) fn release_all(&mut self) -> Batch {
        self.split(u64::MAX, 0)
    }

    fn watermark(&self, now_ns: u64) -> u64 {
        let through = |lane: Lane| match self.lanes[lane as usize] {
            LaneState {
                left: true,
                newest_ns,
                ..
            } => newest_ns.min(now_ns),
            LaneState { left: false, .. } => now_ns,
        };
        if self.is_critical_stuck(now_ns) {
            through(Lane::Critical)
        } else {
            through(Lane::Critical).min(through(Lane::Bulk))
        }
    }

    /// Critical records fill their lane because older bulk records are still in their ring. Were
    /// they to wait on, file traffic would make the critical ring overflow.
    fn is_critical_stuck(&self, now_ns: u64) -> bool {
        let overdue_ns = now_ns.saturating_sub(MAX_WAIT_NS);
        self.lanes[Lane::Critical as usize].cost >= LANE_BYTES
            && self
                .waiting
                .index
                .iter()
                .any(|entry| entry.lane == Lane::Critical && entry.taken_ns <= overdue_ns)
    }

    fn split(&mut self, watermark_ns: u64, overdue_ns: u64) -> Batch {
        let mut all = std::mem::take(&mut self.waiting);
        for lane in &mut self.lanes {
            lane.cost = 0;
        }
        // Stable: records of one time keep the order of their ring.
        all.index.sort_by_key(|entry| entry.boot_ns);
        let index = std::mem::take(&mut all.index);
        for entry in index {
            let overdue = entry.lane == Lane::Bulk && entry.taken_ns <= overdue_ns;
            if entry.boot_ns <= watermark_ns || overdue {
                all.index.push(entry);
            } else {
                self.lanes[entry.lane as usize].cost += Entry::cost(entry.len);
                self.waiting.push(entry, all.record(&entry));
            }
        }
        self.flag(&mut all, watermark_ns);
        all
    }

    /// Flags what comes too late, and what goes before older records may have come.
    fn flag(&mut self, batch: &mut Batch, watermark_ns: u64) {
        for entry in &batch.index {
            let in_order = (self.released_ns..=watermark_ns).contains(&entry.boot_ns);
            if !in_order
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
mod tests;
