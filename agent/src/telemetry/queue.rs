//! How full queues are.

use serde::Serialize;
use tokio::sync::mpsc;

/// What a queue does when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// The sender waits.
    Wait,
    /// The sender keeps the new element and offers it again.
    KeepAndRetry,
    /// The new element is dropped and counted.
    DropNewest,
    /// The oldest element is dropped and counted.
    EvictOldest,
}

impl WhenFull {
    /// Name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::KeepAndRetry => "keep_and_retry",
            Self::DropNewest => "drop_newest",
            Self::EvictOldest => "evict_oldest",
        }
    }
}

/// How full a queue is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueDepth {
    /// Name: `batches`, `alerts`.
    pub name: String,
    /// Elements that fit.
    pub capacity: u64,
    /// Elements in it.
    pub depth: u64,
    /// Policy.
    pub when_full: WhenFull,
    /// How often the policy has dropped, evicted or put off an element; `None` when senders wait.
    pub times_full: Option<u64>,
}

/// Looks at a queue.
pub type Gauge = Box<dyn Fn() -> QueueDepth + Send>;

/// A gauge of a channel. It keeps no sender: the channel ends without it.
pub fn queue_gauge<T: Send + 'static>(
    name: &'static str,
    sender: &mpsc::Sender<T>,
    when_full: WhenFull,
) -> Gauge {
    let capacity = sender.max_capacity();
    let sender = sender.downgrade();
    Box::new(move || {
        let free = sender.upgrade().map_or(capacity, |open| open.capacity());
        QueueDepth {
            name: name.to_owned(),
            capacity: capacity as u64,
            depth: (capacity - free) as u64,
            when_full,
            times_full: None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gauge_shows_the_depth_and_does_not_keep_the_queue_open() {
        let (sender, mut receiver) = mpsc::channel(4);
        let gauge = queue_gauge("letters", &sender, WhenFull::Wait);
        sender.send('a').await.unwrap();
        assert_eq!((gauge().depth, gauge().capacity), (1, 4));
        drop(sender);
        assert_eq!(receiver.recv().await, Some('a'));
        assert_eq!(receiver.recv().await, None);
        assert_eq!(gauge().depth, 0);
    }
}
