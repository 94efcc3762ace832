//! The way to the task that reloads rules.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::telemetry::RuleSetFacts;

/// Requests that wait at the same time; whoever comes beyond them is told so.
const CAPACITY: usize = 8;

/// How long an asker waits. Two looks at the files and a load take some seconds at most, unless the
/// files change all the time.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The set was taken over.
    Reloaded,
    /// The files say what is in force already.
    Unchanged,
    /// Rules were refused: the old set stays.
    Refused,
    /// Files cannot be read: the old set stays.
    Unreadable,
    /// The files go on changing: the old set stays for now.
    Unsettled,
}

/// The answer to whoever asked for a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadAnswer {
    /// What came of it.
    pub outcome: ReloadOutcome,
    /// The set that is in force now.
    pub facts: RuleSetFacts,
    /// Why it was not taken over; bounded.
    pub reasons: Vec<String>,
    /// Of a set that was taken over: what may surprise its author; bounded.
    pub warnings: Vec<String>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// Too many wait already.
    #[error("{CAPACITY} reloads are asked for already: wait for their answers")]
    Busy,
    /// The reload is not through in time. It may be later.
    #[error("the reload is not through after {} s", PATIENCE.as_secs())]
    TimedOut,
    /// The task has ended.
    #[error("the agent is stopping")]
    Stopped,
}

/// Somebody asks for a reload.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Who, in words.
    pub by: String,
    /// The way back for the answer. An asker may have gone: ignore a failed send.
    pub reply: oneshot::Sender<ReloadAnswer>,
}

/// The asking side.
#[derive(Clone, Debug)]
pub struct ReloadClient {
    requests: mpsc::Sender<ReloadRequest>,
}

/// The two ends of the queue of requests.
pub fn channel() -> (ReloadClient, mpsc::Receiver<ReloadRequest>) {
    let (requests, receiver) = mpsc::channel(CAPACITY);
    (ReloadClient { requests }, receiver)
}

impl ReloadClient {
    /// Asks for a reload in somebody's name and waits for what comes of it.
    ///
    /// # Errors
    /// See [`ReloadError`].
    pub async fn reload(&self, by: String) -> Result<ReloadAnswer, ReloadError> {
        let (reply, answer) = oneshot::channel();
        let request = ReloadRequest { by, reply };
        self.requests
            .try_send(request)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => ReloadError::Busy,
                mpsc::error::TrySendError::Closed(_) => ReloadError::Stopped,
            })?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(ReloadError::Stopped),
            Err(_) => Err(ReloadError::TimedOut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_gets_no_answer_is_told_why() {
        let (client, receiver) = channel();
        let all = (0..=CAPACITY).map(|_| client.reload("a test".to_owned()));
        let answers = futures::future::join_all(all).await;
        let late = answers
            .iter()
            .filter(|it| **it == Err(ReloadError::TimedOut));
        assert_eq!(late.count(), CAPACITY);
        assert!(answers.contains(&Err(ReloadError::Busy)));
        drop(receiver);
        assert_eq!(
            client.reload("a test".to_owned()).await,
            Err(ReloadError::Stopped)
        );
    }
}
