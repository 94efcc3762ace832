//! Takes over credentials that changed, without a restart.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::Access;
use super::credentials::{Credentials, CredentialsError};
use crate::alert::{SensorFinding, WeakAlertSender};
use crate::config;
use crate::telemetry::{Counter, Failure};

/// Looks after the files. They are compared by content: in Kubernetes they are replaced by the
/// change of a link, and a tool may keep their times.
#[derive(Debug)]
pub(in super::super) struct Reloader {
    settings: config::Tcp,
    access: watch::Sender<Arc<Access>>,
    alerts: WeakAlertSender,
    /// What is in use.
    digest: Vec<u8>,
    /// What cannot be used.
    refused: Refused,
}

/// What was found last that cannot be used.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Nothing,
    /// Found once. Several files are not replaced at once, so it is looked at again.
    Once(Content),
    Told(Content),
}

/// Contents of the files: their digest, or why they cannot be read.
type Content = Result<Vec<u8>, CredentialsError>;

struct NotTakenOver<'a> {
    error: &'a CredentialsError,
}

impl Failure for NotTakenOver<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("credentials_not_taken_over");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "Changed credentials cannot be used: the old ones stay.",
            error = %self.error,
            total
        );
    }
}

impl Reloader {
    /// Loads the files for the first time. Blocks.
    pub(in super::super) fn start(
        settings: &config::Tcp,
    ) -> Result<(Access, Vec<u8>), CredentialsError> {
        let credentials = Credentials::read(settings)?;
        Ok((credentials.access()?, credentials.digest()))
    }

    /// Goes on from what [`Self::start`] loaded.
    pub(in super::super) fn new(
        settings: config::Tcp,
        access: watch::Sender<Arc<Access>>,
        alerts: WeakAlertSender,
        digest: Vec<u8>,
    ) -> Self {
        Self {
            settings,
            access,
            alerts,
            digest,
            refused: Refused::Nothing,
        }
    }

    /// Looks at the files that often, for ever.
    pub(in super::super) async fn run(mut self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            let (settings, known) = (self.settings.clone(), self.digest.clone());
            let read = spawn_blocking(move || {
                let credentials = Credentials::read(&settings)?;
                let digest = credentials.digest();
                let access = (digest != known).then(|| credentials.access());
                Ok::<_, CredentialsError>((digest, access))
            });
            match read.await {
                Ok(Ok((_, None))) => self.refused = Refused::Nothing,
                Ok(Ok((digest, Some(access)))) => self.changed(digest, access),
                Ok(Err(error)) => self.refuse(Err(error.clone()), &error),
                // The runtime is being shut down.
                Err(_) => return,
            }
        }
    }

    fn changed(&mut self, digest: Vec<u8>, access: Result<Access, CredentialsError>) {
        match access {
            Ok(access) => {
                self.access.send_replace(Arc::new(access));
                self.digest = digest;
                self.refused = Refused::Nothing;
                tracing::info!(message = "Changed credentials were taken over.");
            }
            Err(error) => self.refuse(Ok(digest), &error),
        }
    }

    fn refuse(&mut self, content: Content, error: &CredentialsError) {
        match &self.refused {
            Refused::Told(told) if *told == content => {}
            Refused::Once(once) if *once == content => {
                NotTakenOver { error }.emit();
                let finding = SensorFinding::credentials_not_taken(&error.to_string());
                // Without room the next look tells.
                if self.alerts.sensor(finding) {
                    self.refused = Refused::Told(content);
                }
            }
            _ => self.refused = Refused::Once(content),
        }
    }
}
