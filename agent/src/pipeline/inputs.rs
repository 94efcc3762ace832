//! What the detection task takes in, and its loop.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::baselines::Reviewed;
use super::clock::Reading;
use super::detector::Detector;
use super::record::Recording;
use super::reload::NewRules;
use super::start;
use super::tasks::LastCall;
use crate::downtime::{Moment, Pulse};
use crate::enrich::container::ContainerMessage;
use crate::enrich::dns::ResolverMessage;
use crate::ingest::{Batch, boot_ns};
use crate::sinks::query::Query;
use crate::telemetry::service_manager;

/// Longest wait of anything that depends on time passing: a fifth of the identity grace.
const TICK: Duration = Duration::from_millis(50);
/// How often accounts are taken and losses reported.
const SETTLE: Duration = Duration::from_secs(1);

/// Everything that reaches the detection task.
pub(super) struct Inputs {
    /// Tells when to come to an end.
    pub(super) concluding: oneshot::Receiver<LastCall>,
    /// Mount point of the cgroup hierarchy and path of the scope, for scans.
    pub(super) scope: (PathBuf, String),
    pub(super) batches: mpsc::Receiver<Batch>,
    pub(super) messages: mpsc::Receiver<ContainerMessage>,
    pub(super) resolvers: mpsc::Receiver<ResolverMessage>,
    pub(super) scans: mpsc::Sender<ContainerMessage>,
    pub(super) questions: mpsc::Receiver<Query>,
    pub(super) rules: mpsc::Receiver<NewRules>,
    /// What reviewed baselines say from then on; `None` when baselines are off.
    pub(super) reviewed: Option<mpsc::Receiver<Reviewed>>,
    /// Since when the hooks are detached.
    pub(super) unwatched: Arc<OnceLock<Moment>>,
    /// Where the inputs go as well.
    pub(super) recording: Option<Recording>,
}

impl Inputs {
    /// The detection task: takes inputs until ingest has ended or its own time is over. The first
    /// sign of life comes when the GAP since the last one is in the stream.
    pub(super) async fn run(mut self, mut detector: Detector, pulse: Option<Arc<Pulse>>) {
        let mut ticked = Instant::now();
        let mut settled = ticked;
        let mut last_call = None;
        loop {
            if last_call.is_none() {
                last_call = self.concluding.try_recv().ok();
            }
            let take = last_call.map(|last: LastCall| last.take);
            if is_over(take) {
                break;
            }
            // Time matters to what waits; an idle agent need not wake up for it. What will wait in a
            // replay depends on its rules.
            let pause = if detector.is_waiting() || self.recording.is_some() {
                TICK
            } else {
                SETTLE
            };
            tokio::select! {
                batch = self.batches.recv() => match batch {
                    Some(batch) => detector.batch(&batch, take),
                    None => break,
                },
                Some(message) = self.messages.recv() => detector.container_message(message),
                Some(message) = self.resolvers.recv() => detector.resolvers(message),
                Some(question) = self.questions.recv() => detector.answer(question),
                Some(new) = self.rules.recv() => {
                    detector.take_over(new.rules);
                    // Who reloads may have ended meanwhile.
                    let _ = new.taken.send(());
                }
                Some(reviewed) = next(&mut self.reviewed) => detector.review(reviewed),
                () = sleep_until(ticked + pause) => {}
            }
            let now = Instant::now();
            if now >= ticked + pause {
                ticked = now;
                detector.tick(Reading::now());
                if detector.scan_wanted() {
                    self.scan();
                }
            }
            if now >= settled + SETTLE {
                settled = now;
                detector.settle();
                if let (Some(pulse), None) = (&pulse, self.unwatched.get()) {
                    pulse.beat();
                }
                service_manager::alive();
            }
            if !self.record(&mut detector, false).await {
                break;
            }
        }
        let last_call = last_call.or_else(|| self.concluding.try_recv().ok());
        // What has become known by now may still decide what waits.
        while let Ok(message) = self.messages.try_recv() {
            detector.container_message(message);
        }
        while let Ok(message) = self.resolvers.try_recv() {
            detector.resolvers(message);
        }
        let tell = last_call.unwrap_or_else(LastCall::unasked).tell;
        detector.finish(tell).await;
        self.record(&mut detector, true).await;
    }

    /// Passes on what was taken in to the capture, if there is one. False when it cannot be
    /// written any more.
    async fn record(&mut self, detector: &mut Detector, last: bool) -> bool {
        let Some(recording) = &mut self.recording else {
            return true;
        };
        if !last && recording.is_part_full(boot_ns()) {
            recording.begin_part(detector, &self.scope);
        }
        recording.pass_on(detector, last).await
    }

    /// Lists the cgroups off the data path.
    fn scan(&self) {
        let (mount, path) = self.scope.clone();
        let scans = self.scans.clone();
        tokio::task::spawn_blocking(move || match start::scan(&mount, &path) {
            // The detection task has ended when nobody receives.
            Ok(message) => drop(scans.blocking_send(message)),
            Err(error) => tracing::warn!(message = "Cannot list the cgroups.", %error),
        });
    }
}

/// The next thing of a queue that may not be there.
async fn next<T>(queue: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match queue {
        Some(queue) => queue.recv().await,
        None => None,
    }
}

/// Whether that time has come; never, where there is none.
pub(super) fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}
