//! The task that owns the store.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::baseline::store::{BaselineStore, BaselineStoreError};
use crate::baseline::{Profile, Workload};
use crate::telemetry::{Counter, Failure};

/// Profiles of which more is known than when they were kept last.
pub(in crate::pipeline) type Changed = Vec<(Workload, Profile)>;

/// Between tries to keep what could not be kept.
const RETRY: Duration = Duration::from_secs(10);

/// Keeps what it is given.
pub(in crate::pipeline) struct Keeper {
    store: BaselineStore,
    changed: mpsc::Receiver<Changed>,
    /// The newest of what could not be kept.
    waiting: BTreeMap<Workload, Profile>,
}

/// A keeper and the way to it. While it writes, nothing more is taken: whoever brings it comes again
/// with all that has changed by then.
pub(in crate::pipeline) fn keeper(store: BaselineStore) -> (mpsc::Sender<Changed>, Keeper) {
    let (sender, changed) = mpsc::channel(1);
    let keeper = Keeper {
        store,
        changed,
        waiting: BTreeMap::new(),
    };
    (sender, keeper)
}

impl Keeper {
    /// Keeps what comes until nothing can come any more.
    pub(in crate::pipeline) async fn run(mut self) {
        loop {
            let next = if self.waiting.is_empty() {
                Ok(self.changed.recv().await)
            } else {
                timeout(RETRY, self.changed.recv()).await
            };
            let ended = matches!(next, Ok(None));
            if let Ok(Some(changed)) = next {
                self.waiting.extend(changed);
            }
            if !self.waiting.is_empty() {
                self = self.keep().await;
            }
            if ended {
                return;
            }
        }
    }

    /// Writes where waiting for the disk keeps nobody else.
    async fn keep(mut self) -> Self {
        let kept = spawn_blocking(move || {
            let changed: Changed = std::mem::take(&mut self.waiting).into_iter().collect();
            if let Err(error) = self.store.keep(&changed) {
                NotKept { why: &error }.emit();
                self.waiting = changed.into_iter().collect();
            }
            self
        });
        match kept.await {
            Ok(keeper) => keeper,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

struct NotKept<'a> {
    why: &'a BaselineStoreError,
}

impl Failure for NotKept<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("baselines_not_kept");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "What was learnt cannot be kept: it is tried again, and lost with the agent.",
            why = %self.why,
            total
        );
    }
}
