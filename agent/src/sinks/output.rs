//! What the outputs with a cursor have in common: each reads the spool at its own pace, hands
//! records to its target until the target has taken them, and then notes how far it has come.
//!
//! ```text
//! Spool -> Subscription -> [one batch] -> Target
//!                             cursor <------ accepted
//! ```
//!
//! The batch is the only buffer. While a target fails the output waits; what the spool's caps
//! evict meanwhile becomes a GAP in this output and nowhere else.

mod account;
mod cursor;
mod failures;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::{Instant, sleep};

pub use account::OutputAccount;
pub use cursor::{Cursor, CursorError};

use crate::alert::{Filter, OutgoingRecord, Spool, Start, Step, Subscription};
use crate::proto;
use crate::telemetry::Failure as _;
use cursor::CursorFile;
use failures::{CursorLost, DeliveryFailed, RecordDamaged, RecordRefused, RecordsRefused};

/// Records that an output holds at most, and so what a kill may have it send again.
const BATCH: usize = 256;
/// Their bytes, about.
const BATCH_BYTES: usize = 1 << 20;
/// Longest time for which a cursor stays behind records that the filter keeps back.
const FILTERED: Duration = Duration::from_secs(10);

/// First and longest pause between two attempts; each is about twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// Longest pause that a target may ask for.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// Where an output's records go.
pub trait Target: Send + 'static {
    /// A record in the form that the target takes.
    type Item: Send + Sync + 'static;

    /// The form of a record; `None` when the target has no place for it.
    fn form(&self, record: &proto::Record) -> Option<Self::Item>;

    /// Hands over the first of some items, at least one, and returns how many: those are the
    /// target's then, whatever becomes of the agent. `items` is not empty.
    fn deliver(
        &mut self,
        items: &[Self::Item],
    ) -> impl Future<Output = Result<usize, Refusal>> + Send;
}

/// Why a target did not take items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may take them later.
    Later {
        /// Why, in words.
        why: String,
        /// The pause that it asks for.
        after: Option<Duration>,
    },
    /// It will never take the first of them.
    Never {
        /// Why, in words.
        why: String,
    },
    /// It has dealt with the first of them, and will never take some of these; which, it does not
    /// say.
    Partly {
        /// How many it has dealt with, at least one.
        count: usize,
        /// How many of these it refuses, `count` at most.
        refused: usize,
        /// Why, in words.
        why: String,
    },
}

impl Refusal {
    /// It may take them later.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`map_err` gives the error away"
    )]
    pub fn later(why: impl ToString) -> Self {
        Self::Later {
            why: why.to_string(),
            after: None,
        }
    }
}

/// An output that has its place in the stream.
#[derive(Debug)]
pub struct Output {
    subscription: Subscription,
    cursor: CursorFile,
    /// What the file says, if it says something in the epoch of this run.
    saved: Option<u64>,
    account: Arc<OutputAccount>,
}

/// What follows a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    More,
    Load,
    Wait,
    End,
}

struct Batch<T> {
    /// Sequence number of each item.
    sequences: Vec<u64>,
    items: Vec<T>,
}

impl Output {
    /// Begins behind the cursor of that name in `cursors`. Without one it begins with the first
    /// record of this run; with one that cannot be read, at the oldest record kept.
    ///
    /// # Errors
    /// A newer version wrote the cursor.
    pub fn begin(
        name: &'static str,
        cursors: &Path,
        spool: &Arc<Spool>,
        filter: Filter,
    ) -> Result<Self, CursorError> {
        let cursor = CursorFile::new(cursors.join(name));
        let first = Cursor {
            epoch: spool.epoch(),
            sequence: spool.before_run(),
        };
        let mut saved = None;
        let start = match cursor.read() {
            // Another run's: it is written anew with this one's epoch.
            Ok(Some(Cursor { epoch, sequence })) => Start::After { epoch, sequence },
            Ok(None) => {
                let Cursor { epoch, sequence } = first;
                // At once: a kill before the first record is taken must not skip it.
                match cursor.write(first) {
                    Ok(()) => saved = Some(sequence),
                    Err(error) => cursor.not_written(name, error),
                }
                Start::After { epoch, sequence }
            }
            Err(error @ CursorError::Newer { .. }) => return Err(error),
            Err(error) => {
                let why = &error;
                CursorLost { output: name, why }.emit();
                Start::Oldest
            }
        };
        let subscription = Subscription::new(Arc::clone(spool), start, filter.clone())
            .or_else(|error| {
                let why = &error;
                CursorLost { output: name, why }.emit();
                Subscription::new(Arc::clone(spool), Start::Oldest, filter)
            })
            // Only a cursor can be beyond the end.
            .expect("the oldest record is no cursor");
        let account = Arc::new(OutputAccount::new(name, subscription.progress()));
        Ok(Self {
            subscription,
            cursor,
            saved,
            account,
        })
    }

    /// What became of records.
    pub fn account(&self) -> Arc<OutputAccount> {
        Arc::clone(&self.account)
    }

    /// Hands every record to the target until the spool ends. When the target does not take the
    /// last ones at once, the next start goes on with them.
    pub async fn run(self, target: impl Target) {
        let (epoch, place) = (
            self.subscription.spool().epoch(),
            self.subscription.progress().complete_through,
        );
        let pump = Pump {
            target,
            epoch,
            accepted: place,
            saved: self.saved,
            saved_at: Instant::now(),
            output: self,
        };
        pump.run().await;
    }
}

struct Pump<T> {
    output: Output,
    target: T,
    epoch: u64,
    /// Everything up to this sequence number is dealt with.
    accepted: u64,
    /// What the cursor says; `None` until it was written in this run.
    saved: Option<u64>,
    saved_at: Instant,
}

impl<T: Target> Pump<T> {
    async fn run(mut self) {
        loop {
            let (batch, then) = self.collect();
            let sent = !batch.items.is_empty();
            if !self.send(&batch).await {
                tracing::warn!(
                    message = "An output has not sent everything: the next start goes on there.",
                    output = self.output.account.name()
                );
                return;
            }
            let unsaved = self.saved.is_none();
            if sent || unsaved || then == Then::End || self.saved_at.elapsed() >= FILTERED {
                self.save().await;
            }
            match then {
                Then::More => tokio::task::yield_now().await,
                Then::Load => self.output.subscription.load().await,
                Then::Wait => self.output.subscription.wait().await,
                Then::End => return,
            }
        }
    }

    fn collect(&mut self) -> (Batch<T::Item>, Then) {
        let mut batch = Batch {
            sequences: Vec::new(),
            items: Vec::new(),
        };
        let mut bytes = 0;
        let then = loop {
            if batch.items.len() >= BATCH || bytes >= BATCH_BYTES {
                break Then::More;
            }
            match self.output.subscription.step() {
                Step::Record(record) => {
                    if let Some(item) = self.form(&record) {
                        bytes += record.encoded_len();
                        batch.sequences.push(record.sequence);
                        batch.items.push(item);
                    }
                }
                Step::Filtered => break Then::More,
                Step::Behind => break Then::Load,
                Step::Idle => break Then::Wait,
                Step::End => break Then::End,
            }
        };
        (batch, then)
    }

    fn form(&self, record: &OutgoingRecord) -> Option<T::Item> {
        self.target.form(&decoded(record)?)
    }

    /// Whether everything is dealt with. It is not when the spool has ended and the target fails.
    async fn send(&mut self, batch: &Batch<T::Item>) -> bool {
        let mut next = 0;
        let mut pauses = pauses();
        while next < batch.items.len() {
            let account = Arc::clone(&self.output.account);
            match self.target.deliver(&batch.items[next..]).await {
                Ok(count) => {
                    next += count;
                    account.delivered(count);
                    pauses = self::pauses();
                }
                Err(Refusal::Never { why }) => {
                    let sequence = batch.sequences[next];
                    next += 1;
                    account.dropped(1);
                    RecordRefused {
                        output: account.name(),
                        sequence,
                        why: &why,
                    }
                    .emit();
                }
                Err(Refusal::Partly {
                    count,
                    refused,
                    why,
                }) => {
                    let first = batch.sequences[next];
                    next += count;
                    account.delivered(count - refused);
                    account.dropped(refused);
                    RecordsRefused {
                        output: account.name(),
                        between: (first, batch.sequences[next - 1]),
                        refused,
                        why: &why,
                    }
                    .emit();
                    pauses = self::pauses();
                }
                Err(Refusal::Later { why, after }) => {
                    account.failed();
                    DeliveryFailed {
                        output: account.name(),
                        why: &why,
                    }
                    .emit();
                    self.save().await;
                    if self.output.subscription.is_closed() {
                        return false;
                    }
                    let asked = after.unwrap_or_default().min(LONGEST_ASKED);
                    let pause = pauses.next().unwrap_or(PAUSES.1).max(asked);
                    tokio::select! {
                        () = sleep(pause) => {}
                        // The last attempt.
                        () = self.output.subscription.closed() => {}
                    }
                }
            }
            if let Some(last) = next.checked_sub(1) {
                self.accepted = batch.sequences[last];
            }
        }
        let progress = self.output.subscription.progress();
        self.accepted = progress.complete_through;
        self.output.account.progressed(progress);
        true
    }

    /// Notes what is dealt with, so that another run goes on behind it.
    async fn save(&mut self) {
        if self.saved == Some(self.accepted) {
            return;
        }
        let cursor = Cursor {
            epoch: self.epoch,
            sequence: self.accepted,
        };
        self.saved_at = Instant::now();
        match self.output.cursor.save(cursor).await {
            Ok(()) => self.saved = Some(self.accepted),
            Err(error) => {
                let name = self.output.account.name();
                self.output.cursor.not_written(name, error);
            }
        }
    }
}

/// The record as it is on the wire; one that cannot be read is told of.
pub(super) fn decoded(record: &OutgoingRecord) -> Option<proto::Record> {
    match record.decode() {
        Ok(decoded) => Some(decoded),
        Err(error) => {
            let sequence = record.sequence;
            RecordDamaged { sequence, error }.emit();
            None
        }
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(PAUSES.0)
        .with_max_delay(PAUSES.1)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
