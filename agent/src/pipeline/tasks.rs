//! The tasks of a running agent: whose end stops it, and in which order they stop.
//!
//! At the end the hooks are detached first. Then the stages end along the path of an event: the
//! rings are drained, detection works off its batches and decides what waits, the last alerts
//! reach the spool, the sinks send them. Ingest and detection know their limits and count what is
//! left then; a stage that hangs is ended without its account, and named in the log.

use std::future::{Future, pending};
use std::io;
use std::time::Duration;

use futures::future::select_all;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use super::RunError;
use crate::ingest::IngestError;
use crate::sinks::grpc::ServeError;

/// Longest way from the stop to the last record in the spool.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(5);
/// The part of it that silencing the programs may take: a grace period of the kernel, which on a
/// busy machine can be long. The records that are there must not pay for it.
const DETACHING_SHARE: u32 = 2;
/// The part of it that the stages behind the rings have for themselves.
const DETECTION_SHARE: u32 = 5;
/// The part of it that is left for the last account when detection takes no more batches.
const ACCOUNT_SHARE: u32 = 10;
/// The part of it that the alert stage has for itself.
const STORE_SHARE: u32 = 20;
/// Longest wait for the sinks after that; somewhat longer than streams may drain.
pub(super) const SINK_LIMIT: Duration = Duration::from_secs(4);

/// Until when detection may do what.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastCall {
    /// It takes batches until then; the records that are left are counted as lost in the queue.
    pub(super) take: Instant,
    /// It waits until then for room for what it has to tell.
    pub(super) tell: Instant,
}

impl LastCall {
    fn before(deadline: Instant, limit: Duration) -> Self {
        Self {
            take: deadline - limit / ACCOUNT_SHARE,
            tell: deadline - limit / STORE_SHARE,
        }
    }

    /// For a stage whose input has ended although nobody told the agent to stop.
    pub(super) fn unasked() -> Self {
        let now = Instant::now();
        Self {
            take: now,
            tell: now + STOP_LIMIT / ACCOUNT_SHARE,
        }
    }
}

/// A task that is awaited once.
struct Task<T> {
    name: &'static str,
    handle: Option<JoinHandle<T>>,
}

impl<T: Send + 'static> Task<T> {
    fn spawn(name: &'static str, task: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            name,
            handle: Some(tokio::spawn(task)),
        }
    }

    /// Waits for the end; for ever when there is no such task or its end has been told. A panic is
    /// an end without a result.
    async fn ended(&mut self) -> Option<T> {
        match &mut self.handle {
            Some(handle) => {
                let result = handle.await;
                self.handle = None;
                result.ok()
            }
            None => pending().await,
        }
    }

    /// Waits for the end of a task that has been told to end; `None` if that has been told before.
    async fn finish(mut self, deadline: Instant) -> Result<Option<T>, RunError> {
        let Some(mut handle) = self.handle.take() else {
            return Ok(None);
        };
        match timeout_at(deadline, &mut handle).await {
            Ok(Ok(result)) => Ok(Some(result)),
            Ok(Err(_)) => Err(RunError::TaskEnded(self.name)),
            Err(_) => {
                handle.abort();
                Err(RunError::NotStopped(self.name))
            }
        }
    }
}

/// The tasks of the data path.
pub(super) struct Stages<H> {
    hooks: H,
    drain: oneshot::Sender<Instant>,
    conclude: oneshot::Sender<LastCall>,
    ingest: Task<Result<(), IngestError>>,
    detector: Task<()>,
    alerts: Task<()>,
    keeper: Task<()>,
    helpers: JoinHandle<()>,
    limit: Duration,
}

/// What the data path is made of.
pub(super) struct Parts<H, I, D, A, K, R> {
    /// Dropping it detaches the programs.
    pub(super) hooks: H,
    /// Tells ingest to drain the rings, until when.
    pub(super) drain: oneshot::Sender<Instant>,
    /// Tells detection to come to an end, until when.
    pub(super) conclude: oneshot::Sender<LastCall>,
    pub(super) ingest: I,
    pub(super) detector: D,
    pub(super) alerts: A,
    /// Keeps what is learnt, until detection has ended.
    pub(super) keeper: Option<K>,
    /// Clients of container runtimes, look-ups, the reload of rules.
    pub(super) helpers: R,
}

impl<H: Send + 'static> Stages<H> {
    pub(super) fn spawn<I, D, A, K, R>(parts: Parts<H, I, D, A, K, R>) -> Self
    where
        I: Future<Output = Result<(), IngestError>> + Send + 'static,
        D: Future<Output = ()> + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
        K: Future<Output = ()> + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self {
            hooks: parts.hooks,
            drain: parts.drain,
            conclude: parts.conclude,
            ingest: Task::spawn("ingest", parts.ingest),
            detector: Task::spawn("detection", parts.detector),
            alerts: Task::spawn("alert", parts.alerts),
            keeper: Task {
                name: "baseline store",
                handle: parts.keeper.map(tokio::spawn),
            },
            helpers: tokio::spawn(parts.helpers),
            limit: STOP_LIMIT,
        }
    }

    /// Waits for a stop or for a task that ends without one, then stops everything in order.
    pub(super) async fn until_stopped(
        mut self,
        mut sinks: Sinks,
        stop: impl Future<Output = Result<(), RunError>>,
    ) -> Result<(), RunError> {
        let outcome = tokio::select! {
            outcome = stop => outcome,
            error = self.ended() => Err(error),
            error = sinks.ended() => Err(error),
        };
        if let Err(error) = &outcome {
            tracing::error!(message = "The agent cannot go on.", %error);
        }
        tracing::info!(message = "Stopping.");
        let drained = self.stop().await;
        let sent = sinks.stop().await;
        // The first failure is the cause of those that follow.
        outcome.and(drained).and(sent)
    }

    async fn ended(&mut self) -> RunError {
        tokio::select! {
            result = self.ingest.ended() => match result {
                Some(Err(error)) => error.into(),
                _ => RunError::TaskEnded(self.ingest.name),
            },
            _ = self.detector.ended() => RunError::TaskEnded(self.detector.name),
            _ = self.alerts.ended() => RunError::TaskEnded(self.alerts.name),
            _ = self.keeper.ended() => RunError::TaskEnded(self.keeper.name),
        }
    }

    async fn stop(self) -> Result<(), RunError> {
        let deadline = Instant::now() + self.limit;
        let hooks = self.hooks;
        // Waits for programs that run.
        let detached = spawn_blocking(move || drop(hooks));
        let enough = deadline - self.limit / DETACHING_SHARE;
        if timeout_at(enough, detached).await.is_err() {
            // What they still see belongs to the time in which nobody watches.
            tracing::warn!(message = "The hooks may not be silent yet.");
        }
        // Both may have ended already.
        let _ = self.drain.send(deadline - self.limit / DETECTION_SHARE);
        let _ = self.conclude.send(LastCall::before(deadline, self.limit));
        let ingest = match self.ingest.finish(deadline).await {
            Ok(Some(Err(error))) => Err(error.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        let detector = self.detector.finish(deadline).await;
        self.helpers.abort();
        let alerts = self.alerts.finish(deadline).await;
        let keeper = self.keeper.finish(deadline).await;
        let outcome = ingest.and(detector.map(drop)).and(alerts.map(drop));
        if let Err(error) = &outcome {
            tracing::error!(message = "Not everything reached the spool.", %error);
        }
        outcome.and(keeper.map(drop))
    }
}

/// The tasks behind the spool.
pub(super) struct Sinks {
    stop: oneshot::Sender<()>,
    server: Task<Result<(), ServeError>>,
    stdout: Task<io::Result<()>>,
    outputs: Vec<Task<()>>,
    metrics: Option<JoinHandle<()>>,
}

impl Sinks {
    /// The server ends when `stop` is dropped, standard output with the spool.
    pub(super) fn spawn(
        stop: oneshot::Sender<()>,
        server: impl Future<Output = Result<(), ServeError>> + Send + 'static,
        stdout: Option<impl Future<Output = io::Result<()>> + Send + 'static>,
    ) -> Self {
        Self {
            stop,
            server: Task::spawn("gRPC server", server),
            stdout: Task {
                name: "standard output",
                handle: stdout.map(tokio::spawn),
            },
            outputs: Vec::new(),
            metrics: None,
        }
    }

    /// Of a run that serves nobody: standard output alone, if anything.
    pub(super) fn printing(
        stdout: Option<impl Future<Output = io::Result<()>> + Send + 'static>,
    ) -> Self {
        Self {
            stop: oneshot::channel().0,
            server: Task {
                name: "gRPC server",
                handle: None,
            },
            stdout: Task {
                name: "standard output",
                handle: stdout.map(tokio::spawn),
            },
            outputs: Vec::new(),
            metrics: None,
        }
    }

    /// Adds an output that keeps its place by itself. It ends with the spool.
    pub(super) fn add(
        &mut self,
        name: &'static str,
        output: impl Future<Output = ()> + Send + 'static,
    ) {
        self.outputs.push(Task::spawn(name, output));
    }

    /// Adds the server of metrics, which answers until the outputs have ended.
    pub(super) fn metrics(&mut self, server: impl Future<Output = ()> + Send + 'static) {
        self.metrics = Some(tokio::spawn(server));
    }

    async fn ended(&mut self) -> RunError {
        tokio::select! {
            result = self.server.ended() => match result {
                Some(Err(error)) => error.into(),
                _ => RunError::TaskEnded(self.server.name),
            },
            result = self.stdout.ended() => match result {
                Some(Err(error)) => RunError::Stdout(error),
                _ => RunError::TaskEnded(self.stdout.name),
            },
            name = first_ended(&mut self.outputs) => RunError::TaskEnded(name),
        }
    }

    async fn stop(self) -> Result<(), RunError> {
        let deadline = Instant::now() + SINK_LIMIT;
        drop(self.stop);
        let server = match self.server.finish(deadline).await {
            Ok(Some(Err(error))) => Err(error.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        let stdout = match self.stdout.finish(deadline).await {
            Ok(Some(Err(error))) => Err(RunError::Stdout(error)),
            // As for a client that does not read: its own loss.
            Err(RunError::NotStopped(_)) => {
                tracing::warn!(message = "Standard output was not read to its end.");
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        let mut outputs = Ok(());
        for output in self.outputs {
            let name = output.name;
            match output.finish(deadline).await {
                // Its cursor says where the next start goes on.
                Err(RunError::NotStopped(_)) => tracing::warn!(
                    message = "An output did not send everything in time: the next start goes on \
                               there.",
                    output = name
                ),
                ended => outputs = outputs.and(ended.map(drop)),
            }
        }
        if let Some(metrics) = self.metrics {
            metrics.abort();
        }
        server.and(stdout).and(outputs)
    }
}

/// The name of the first that ends; waits for ever when there is none.
async fn first_ended(outputs: &mut [Task<()>]) -> &'static str {
    if outputs.is_empty() {
        return pending().await;
    }
    let ends = outputs.iter_mut().map(|output| {
        Box::pin(async {
            output.ended().await;
            output.name
        })
    });
    select_all(ends).await.0
}

#[cfg(test)]
mod tests;
