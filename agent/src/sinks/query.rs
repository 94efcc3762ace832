//! Questions that only the detection task can answer, because it owns the state.

mod baselines;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

pub use self::baselines::{BaselineError, BaselineWork};
use crate::model::Container;
use crate::telemetry::{RulesSnapshot, StatusSnapshot};

/// Questions under way at the same time. When there are more, the asker is told that the agent is
/// busy; detection never waits.
const CAPACITY: usize = 32;

/// How long an asker waits for the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A question with the way back for its answer. An asker may have gone: ignore a failed send.
#[derive(Debug)]
pub enum Query {
    /// Rings, queues, accounts.
    Status(oneshot::Sender<StatusSnapshot>),
    /// Containers that run or have ended lately.
    Containers(oneshot::Sender<Vec<Arc<Container>>>),
    /// The loaded rules.
    Rules(oneshot::Sender<RulesSnapshot>),
    /// Something about baselines.
    Baselines(BaselineWork),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Too many questions wait.
    #[error("the agent is busy: too many questions wait for an answer")]
    Busy,
    /// The detection task did not answer in time.
    #[error("the detection task did not answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    /// The detection task has ended.
    #[error("the agent is stopping")]
    Stopped,
}

/// The asking side.
#[derive(Clone, Debug)]
pub struct QueryClient {
    questions: mpsc::Sender<Query>,
}

/// The two ends of the queue of questions. The detection task polls the receiver between events.
pub fn channel() -> (QueryClient, mpsc::Receiver<Query>) {
    let (questions, receiver) = mpsc::channel(CAPACITY);
    (QueryClient { questions }, receiver)
}

impl QueryClient {
    /// Asks for rings, queues and accounts.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn status(&self) -> Result<StatusSnapshot, QueryError> {
        self.ask(Query::Status).await
    }

    /// The same; waits for its turn where others are told that the agent is busy. For few askers
    /// that come by themselves: other people's questions say nothing about the detection task.
    ///
    /// # Errors
    /// See [`QueryError`]; never [`QueryError::Busy`].
    pub async fn status_in_turn(&self) -> Result<StatusSnapshot, QueryError> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            // The answer's end tells when there is nobody to ask.
            let _ = self.questions.send(Query::Status(reply)).await;
            answer.await
        };
        within_patience(asked).await
    }

    /// Asks for the containers.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn containers(&self) -> Result<Vec<Arc<Container>>, QueryError> {
        self.ask(Query::Containers).await
    }

    /// Asks for the rules.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn rules(&self) -> Result<RulesSnapshot, QueryError> {
        self.ask(Query::Rules).await
    }

    async fn ask<T>(&self, query: fn(oneshot::Sender<T>) -> Query) -> Result<T, QueryError> {
        let (reply, answer) = oneshot::channel();
        self.put(query(reply))?;
        within_patience(answer).await
    }

    /// Puts a question into the queue, if there is room.
    fn put(&self, query: Query) -> Result<(), QueryError> {
        self.questions.try_send(query).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => QueryError::Busy,
            mpsc::error::TrySendError::Closed(_) => QueryError::Stopped,
        })
    }
}

async fn within_patience<T>(
    answer: impl Future<Output = Result<T, oneshot::error::RecvError>>,
) -> Result<T, QueryError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(QueryError::Stopped),
        Err(_) => Err(QueryError::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_beyond_the_capacity_is_refused_at_once() {
        let (client, receiver) = channel();
        let waiting: Vec<_> = (0..CAPACITY)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.status().await })
            })
            .collect();
        while client.questions.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(client.rules().await, Err(QueryError::Busy));
        drop(receiver);
        for question in waiting {
            assert_eq!(question.await.unwrap(), Err(QueryError::Stopped));
        }
        assert_eq!(client.rules().await, Err(QueryError::Stopped));
    }

    #[tokio::test]
    async fn a_question_that_waits_for_its_turn_is_answered_by_a_task_that_is_asked_much() {
        let (client, mut receiver) = channel();
        let ask = || {
            let client = client.clone();
            tokio::spawn(async move { client.status().await })
        };
        let waiting: Vec<_> = (0..CAPACITY).map(|_| ask()).collect();
        while client.questions.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        let patient = {
            let client = client.clone();
            tokio::spawn(async move { client.status_in_turn().await })
        };
        tokio::task::yield_now().await;
        for _ in 0..=CAPACITY {
            let Some(Query::Status(reply)) = receiver.recv().await else {
                panic!("no question");
            };
            let _ = reply.send(StatusSnapshot::default());
        }
        for question in waiting.into_iter().chain([patient]) {
            assert!(question.await.unwrap().is_ok());
        }
        drop(receiver);
        let stopped = client.status_in_turn().await;
        assert_eq!(stopped, Err(QueryError::Stopped));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_answer_is_not_busy() {
        let (client, _receiver) = channel();
        let waiting = (0..CAPACITY).map(|_| client.status());
        let waiting = futures::future::join_all(waiting);
        assert!(
            waiting
                .await
                .iter()
                .all(|it| *it == Err(QueryError::TimedOut))
        );
        let silent = client.status_in_turn().await;
        assert_eq!(silent, Err(QueryError::TimedOut));
    }
}
