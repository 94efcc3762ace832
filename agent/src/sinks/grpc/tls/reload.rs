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
    /// What was found last that is not in use.
    found: Found,
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// Found once. Several files are not replaced at once, and one may be half written, which can
    /// make a valid one with fewer clients or CAs: nothing is done before it is found again.
    Once(Content),
    /// It cannot be used, and that was told.
    Refused(Content),
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
            found: Found::Nothing,
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
                Ok(Ok((_, None))) => self.found = Found::Nothing,
                Ok(Ok((digest, Some(access)))) => self.changed(Ok(digest), access),
                Ok(Err(error)) => self.changed(Err(error.clone()), Err(error)),
                // A look that failed in itself says nothing of the files; the next one may.
                Err(_) => {}
            }
        }
    }

    fn changed(&mut self, content: Content, access: Result<Access, CredentialsError>) {
        match &self.found {
            Found::Refused(refused) if *refused == content => {}
            Found::Once(once) if *once == content => match (content, access) {
                (Ok(digest), Ok(access)) => self.take_over(digest, access),
                (content, Err(error)) => self.refuse(content, &error),
                // What cannot be read gives no access.
                (Err(_), Ok(_)) => {}
            },
            _ => self.found = Found::Once(content),
        }
    }

    fn take_over(&mut self, digest: Vec<u8>, access: Access) {
        self.access.send_replace(Arc::new(access));
        self.digest = digest;
        self.found = Found::Nothing;
        tracing::info!(message = "Changed credentials were taken over.");
    }

    fn refuse(&mut self, content: Content, error: &CredentialsError) {
        NotTakenOver { error }.emit();
        let finding = SensorFinding::credentials_not_taken(&error.to_string());
        // Without room the next look tells.
        if self.alerts.sensor(finding) {
            self.found = Found::Refused(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Spool, SpoolLimits, channel};

    #[tokio::test]
    async fn a_change_counts_when_it_is_found_twice() {
        let limits = SpoolLimits {
            bytes: 1 << 20,
            records: 16,
            age: None,
            memory_bytes: 1 << 16,
        };
        let (alerts, _stage) = channel(Spool::in_memory(limits, "a test").unwrap(), 16);
        let (access, mut taken) = watch::channel(Arc::default());
        let settings = config::Tcp::default();
        let mut reloader = Reloader::new(settings, access, alerts.downgrade(), vec![0]);
        let mut found = |digest: u8| {
            reloader.changed(Ok(vec![digest]), Ok(Access::default()));
            let is_taken = taken.has_changed().unwrap();
            taken.mark_unchanged();
            is_taken
        };
        // As a file that is being written grows.
        let looks = [1, 2, 3, 3].map(&mut found);
        assert_eq!(looks, [false, false, false, true]);
        assert!(!found(4), "another change begins anew");
    }
}
