//! What is kept and where: the account that readers and the writer share, under one lock.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::SystemTime;

use super::store::{self, Entry};
use super::writer::Written;
use super::{Fetch, Missing, SpoolLimits};
use crate::alert::Stored;

/// Records in memory and in files.
#[derive(Debug)]
pub(super) struct Kept {
    /// The newest records.
    pub(super) recent: VecDeque<Arc<Stored>>,
    pub(super) recent_bytes: usize,
    /// Sequence number of the first of them, or the next.
    pub(super) recent_first: u64,
    pub(super) entries: VecDeque<Entry>,
    pub(super) oldest: u64,
    pub(super) evicted_alerts: u64,
    /// Records that turned out not to be readable, and are not told of yet.
    pub(super) lost: u64,
    pub(super) not_durable: Option<String>,
}

impl Kept {
    pub(super) fn newest(&self) -> u64 {
        self.recent_first - 1 + self.recent.len() as u64
    }

    /// The first number from there on that can be read, and what is skipped for it.
    pub(super) fn skip(&self, first: u64) -> (u64, Option<(RangeInclusive<u64>, Missing)>) {
        if first < self.oldest {
            let gone = first..=self.oldest - 1;
            return (self.oldest, Some((gone, Missing::Evicted)));
        }
        if first >= self.recent_first {
            return (first, None);
        }
        let readable = self
            .entries
            .iter()
            .flat_map(|entry| &entry.contents.whole)
            .find(|range| *range.end() >= first)
            .map_or(self.recent_first, |range| first.max(*range.start()));
        if readable == first {
            return (first, None);
        }
        let mut missing = self
            .entries
            .iter()
            .flat_map(|entry| &entry.contents.missing);
        let next_missing = missing.find(|range| *range.end() >= first);
        if let Some(missing) = next_missing.filter(|range| range.contains(&first)) {
            let end = *missing.end();
            return (end + 1, Some((first..=end, Missing::NeverStored)));
        }
        // One reason at a time: what is behind the files has left memory.
        if first > self.in_files() {
            let gone = first..=self.recent_first - 1;
            return (self.recent_first, Some((gone, Missing::NeverStored)));
        }
        let end = readable.min(self.in_files() + 1).min(self.recent_first);
        let end = next_missing.map_or(end, |missing| end.min(*missing.start()));
        (end, Some((first..=end - 1, Missing::Damaged)))
    }

    /// Where the file is that has that record.
    pub(super) fn locate(&self, sequence: u64) -> Option<Fetch> {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.through >= sequence)?;
        let whole = entry
            .contents
            .whole
            .iter()
            .find(|range| range.contains(&sequence))?;
        Some(Fetch::of(entry, sequence..=*whole.end()))
    }

    /// Last sequence number that was written to a file.
    pub(super) fn in_files(&self) -> u64 {
        self.entries.back().map_or(0, |entry| entry.through)
    }

    /// What is in memory alone.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Arc<Stored>> {
        let skip = (self.in_files() + 1).saturating_sub(self.recent_first);
        self.recent
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
    }

    pub(super) fn push(&mut self, stored: Arc<Stored>) {
        self.recent_bytes += stored.cost();
        self.recent.push_back(stored);
    }

    /// Takes records that are in a file now into its account.
    pub(super) fn stored(&mut self, written: Written) {
        self.entries.extend(written.segment);
        if let Some(entry) = self.entries.back_mut() {
            entry.contents.missing.extend(written.missing);
            for record in &written.records {
                entry.contents.add(record);
                entry.through = record.sequence;
            }
        }
    }

    /// Lets memory go down to its cap. What is in no file is lost by that.
    pub(super) fn trim(&mut self, limits: SpoolLimits) {
        let in_files = self.in_files();
        // The newest record is kept whatever it costs: a reader that waits must see it.
        while self.recent.len() > 1
            && (self.recent_bytes > limits.memory_bytes || self.recent.len() > limits.records)
        {
            let Some(evicted) = self.recent.pop_front() else {
                return;
            };
            self.recent_first += 1;
            self.recent_bytes -= evicted.cost();
            if evicted.sequence > in_files {
                self.evicted_alerts += u64::from(evicted.facts.is_alert());
                if self.entries.is_empty() {
                    self.oldest = self.recent_first;
                }
            }
        }
    }

    /// Takes the files out that are beyond the caps.
    pub(super) fn evict(&mut self, limits: SpoolLimits, now: SystemTime) -> Vec<Entry> {
        let count = store::beyond(&self.entries, limits, now);
        let gone: Vec<Entry> = self.entries.drain(..count).collect();
        if let Some(oldest) = self.entries.front()
            && count > 0
        {
            self.oldest = oldest.first;
        }
        self.evicted_alerts += gone.iter().map(|entry| entry.contents.alerts).sum::<u64>();
        gone
    }
}
