//! Batches on their way to the detection task: bounded by number and by bytes, *wait* when full.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Batch;
use crate::telemetry::{Gauge, QueueDepth, WhenFull, queue_gauge};

/// The ingest task's end.
#[derive(Debug)]
pub struct BatchSender {
    batches: mpsc::Sender<Batch>,
    room: Arc<Semaphore>,
    bytes: u32,
}

/// A queue of at most `count` batches with `bytes` of content; one that is larger goes alone. The
/// batch that the receiver works on counts until it is dropped.
pub fn queue(count: usize, bytes: u32) -> (BatchSender, mpsc::Receiver<Batch>) {
    let (batches, receiver) = mpsc::channel(count);
    let sender = BatchSender {
        batches,
        room: Arc::new(Semaphore::new(bytes as usize)),
        bytes,
    };
    (sender, receiver)
}

/// Room for one batch.
pub(super) struct Slot<'a> {
    permit: mpsc::Permit<'a, Batch>,
    room: OwnedSemaphorePermit,
}

impl Slot<'_> {
    pub(super) fn send(self, mut batch: Batch) {
        batch.room = Some(self.room);
        self.permit.send(batch);
    }
}

impl BatchSender {
    /// Waits for room; `None` when the receiver is gone. Given up half-way, it takes nothing.
    pub(super) async fn reserve(&self, cost: usize) -> Option<Slot<'_>> {
        let cost = u32::try_from(cost).unwrap_or(u32::MAX).min(self.bytes);
        let room = tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(cost) => room.ok()?,
            () = self.batches.closed() => return None,
        };
        let permit = self.batches.reserve().await.ok()?;
        Some(Slot { permit, room })
    }

    /// The receiver is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.batches.is_closed()
    }

    /// Waits until the receiver is gone.
    pub(super) async fn closed(&self) {
        self.batches.closed().await;
    }

    /// How full the queue is: in batches and in bytes.
    pub fn gauges(&self) -> [Gauge; 2] {
        let (room, bytes) = (Arc::clone(&self.room), u64::from(self.bytes));
        [
            queue_gauge("batches", &self.batches, WhenFull::Wait),
            Box::new(move || QueueDepth {
                name: "batches (bytes)".to_owned(),
                capacity: bytes,
                depth: bytes - room.available_permits() as u64,
                when_full: WhenFull::Wait,
                times_full: None,
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::ingest::batch::Entry;
    use crate::ingest::merge::Lane;

    fn batch(bytes: usize) -> Batch {
        let mut batch = Batch::default();
        let entry = Entry {
            boot_ns: 0,
            taken_ns: 0,
            lane: Lane::Bulk,
            start: 0,
            len: bytes,
        };
        batch.push(entry, &vec![0; bytes]);
        batch
    }

    async fn send(sender: &BatchSender, batch: Batch) -> bool {
        let wait = timeout(Duration::from_millis(20), sender.reserve(batch.cost()));
        let Ok(slot) = wait.await else {
            return false;
        };
        slot.expect("the receiver is there").send(batch);
        true
    }

    #[tokio::test]
    async fn bytes_bound_the_queue_until_a_batch_is_worked_off() {
        let (sender, mut receiver) = queue(8, 1_000);
        assert!(send(&sender, batch(500)).await);
        assert!(!send(&sender, batch(500)).await);
        let [batches, bytes] = sender.gauges().map(|gauge| gauge());
        assert_eq!((batches.depth, batches.capacity), (1, 8));
        assert_eq!(bytes.depth, Entry::cost(500) as u64);
        let taken = receiver.recv().await;
        assert!(!send(&sender, batch(500)).await);
        drop(taken);
        assert!(send(&sender, batch(500)).await);
    }

    #[tokio::test]
    async fn a_batch_larger_than_the_queue_goes_alone() {
        let (sender, mut receiver) = queue(8, 1_000);
        assert!(send(&sender, batch(5_000)).await);
        assert!(!send(&sender, batch(1)).await);
        assert_eq!(receiver.recv().await.map(|batch| batch.len()), Some(1));
    }

    #[tokio::test]
    async fn a_receiver_that_is_gone_ends_the_wait() {
        let (sender, receiver) = queue(8, 1_000);
        assert!(send(&sender, batch(5_000)).await);
        drop(receiver);
        assert!(sender.reserve(1).await.is_none());
    }
}
