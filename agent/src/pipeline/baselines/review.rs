//! Takes over reviewed files that changed, without a restart. They count by content; those that
//! cannot be used change nothing, and are told once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::alert::{SensorFinding, WeakAlertSender};
use crate::baseline::file::{FileError, folder_digest, merged, read_reviewed};
use crate::baseline::{Profile, Workload};
use crate::telemetry::Board;

/// Between two looks at the folder.
const SWEEP: Duration = Duration::from_secs(5);
/// Between tries to put a finding into a full queue.
const RETRY: Duration = Duration::from_millis(200);

/// What reviewed files say.
#[derive(Clone, Debug, Default)]
pub(in crate::pipeline) struct Reviewed {
    pub(super) profiles: BTreeMap<Workload, Profile>,
    /// Of the files' names and contents.
    pub(super) digest: String,
}

impl Reviewed {
    /// Reads a folder; one that is not there has nothing to say.
    ///
    /// # Errors
    /// A file cannot be used.
    pub(super) fn read(folder: Option<&Path>) -> Result<Self, FileError> {
        let Some(folder) = folder.filter(|folder| folder.exists()) else {
            return Ok(Self::default());
        };
        let (files, digest) = read_reviewed(folder)?;
        Ok(Self {
            profiles: merged(files),
            digest,
        })
    }

    /// Of the files.
    pub(in crate::pipeline) fn digest(&self) -> &str {
        &self.digest
    }

    /// For the learner.
    pub(in crate::pipeline) fn into_profiles(self) -> BTreeMap<Workload, Profile> {
        self.profiles
    }
}

/// The task that looks at the files.
pub(in crate::pipeline) struct Review {
    pub(in crate::pipeline) folder: PathBuf,
    /// Digest of the files that were seen last, whether they could be used or not.
    pub(in crate::pipeline) seen: String,
    pub(in crate::pipeline) hangup: Signal,
    /// To the detection task.
    pub(in crate::pipeline) reviewed: mpsc::Sender<Reviewed>,
    pub(in crate::pipeline) board: Board,
    pub(in crate::pipeline) alerts: WeakAlertSender,
}

impl Review {
    /// Looks for ever.
    pub(in crate::pipeline) async fn run(mut self) {
        loop {
            tokio::select! {
                () = sleep(SWEEP) => {}
                Some(()) = self.hangup.recv() => {}
            }
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let digest = self.digest().await;
        if digest == self.seen {
            return;
        }
        let folder = self.folder.clone();
        let read = spawn_blocking(move || Reviewed::read(Some(&folder))).await;
        match read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
            Ok(reviewed) => self.take_over(reviewed).await,
            Err(error) => {
                self.seen = digest;
                tracing::error!(message = "Reviewed baselines cannot be used: the old ones stay.", why = %error);
                self.tell(SensorFinding::baselines_not_reviewed(&error.to_string()))
                    .await;
            }
        }
    }

    async fn take_over(&mut self, reviewed: Reviewed) {
        // They may have changed once more between the two looks.
        self.seen.clone_from(&reviewed.digest);
        let workloads = reviewed.profiles.len();
        let digest = reviewed.digest.clone();
        self.board.change_facts(|facts| {
            if let Some(baselines) = &mut facts.baselines {
                baselines.reviewed_workloads = workloads;
                baselines.reviewed_digest.clone_from(&digest);
            }
        });
        // When detection has ended, nobody needs it.
        let _ = self.reviewed.send(reviewed).await;
        tracing::info!(message = "Reviewed baselines were read anew.", workloads);
        self.tell(SensorFinding::baselines_reviewed(workloads, &digest))
            .await;
    }

    async fn digest(&self) -> String {
        let folder = self.folder.clone();
        let digest = spawn_blocking(move || folder_digest(&folder)).await;
        digest.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    async fn tell(&self, finding: SensorFinding) {
        while !self.alerts.sensor(finding.clone()) {
            sleep(RETRY).await;
        }
    }
}
