//! A stream of alerts for tests of outputs.

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::alert::{
    AlertCounts, AlertSender, Spool, SpoolLimits, WeakAlertSender, channel, sample,
};
use crate::model::ContainerView;

pub(crate) const LIMITS: SpoolLimits = SpoolLimits {
    bytes: 16 << 20,
    records: 100_000,
    age: None,
    memory_bytes: 1 << 20,
};

/// One run of an agent, as far as outputs see it.
pub(crate) struct Stream {
    sender: AlertSender,
    stage: JoinHandle<()>,
    pub(crate) spool: Arc<Spool>,
}

impl Stream {
    /// Goes on with the spool in a directory.
    pub(crate) fn open(directory: &Path) -> Self {
        Self::with(directory, LIMITS)
    }

    pub(crate) fn with(directory: &Path, limits: SpoolLimits) -> Self {
        let (writer, _) = Spool::open(&directory.join("spool"), limits).unwrap();
        let spool = Arc::clone(writer.spool());
        let (sender, stage) = channel(writer, 1024);
        let stage = tokio::spawn(stage.run());
        Self {
            sender,
            stage,
            spool,
        }
    }

    /// Raises alerts and waits until they are stored.
    pub(crate) async fn raise(&self, count: u64) {
        let newest = self.spool.bounds().newest + count;
        for _ in 0..count {
            self.sender
                .raise(sample::alert_in(ContainerView::Host(None)));
        }
        until(|| self.spool.bounds().newest >= newest).await;
    }

    /// The way in for findings about the agent itself.
    pub(crate) fn findings(&self) -> WeakAlertSender {
        self.sender.downgrade()
    }

    /// The account of its alerts.
    pub(crate) fn counts(&self) -> Arc<AlertCounts> {
        Arc::clone(self.sender.counts())
    }

    /// Ends the stream in order.
    pub(crate) async fn end(self) {
        drop(self.sender);
        self.stage.await.unwrap();
    }
}

/// Waits until something holds, for as long as a busy machine may need.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("what was waited for did not come about within a minute");
}
