//! What is asked of who learns, and what is told it.

use std::fmt;

use tokio::sync::oneshot;

use super::{PATIENCE, Query, QueryClient, QueryError, within_patience};
use crate::baseline::Learner;
use crate::baseline::operate::OperateError;

/// Something to do with the learner between two events. It is short; what takes long is done before,
/// or with a profile that was cloned.
pub struct BaselineWork(Box<Work>);

type Work = dyn FnOnce(Option<&mut Learner>) + Send;

impl fmt::Debug for BaselineWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BaselineWork")
    }
}

/// Why it is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// The detection task does not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Nobody learns.
    #[error("this agent learns no baselines: set baselines.enabled = true, and start it again")]
    Off,
    /// What is asked for is not there, or not allowed.
    #[error(transparent)]
    Refused(#[from] OperateError),
}

impl BaselineWork {
    fn new<T: Send + 'static>(
        work: impl FnOnce(&mut Learner) -> Result<T, OperateError> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<T, BaselineError>>) {
        let (reply, answer) = oneshot::channel();
        let work = move |learner: Option<&mut Learner>| {
            let done = match learner {
                Some(learner) => work(learner).map_err(BaselineError::from),
                None => Err(BaselineError::Off),
            };
            // An asker may have gone.
            let _ = reply.send(done);
        };
        (Self(Box::new(work)), answer)
    }

    /// Does it.
    pub fn with(self, learner: Option<&mut Learner>) {
        (self.0)(learner);
    }
}

impl QueryClient {
    /// Asks who learns, and waits for the answer for as long as others do.
    ///
    /// # Errors
    /// See [`BaselineError`].
    pub async fn baselines<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Learner) -> Result<T, OperateError> + Send + 'static,
    ) -> Result<T, BaselineError> {
        let (work, answer) = BaselineWork::new(work);
        self.put(Query::Baselines(work))?;
        within_patience(answer).await?
    }

    /// Tells who learns something that must not be lost sight of: waits until it is done or can no
    /// longer be, however long that takes.
    ///
    /// # Errors
    /// See [`BaselineError`]; never [`QueryError::TimedOut`].
    pub async fn change_baselines<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Learner) -> Result<T, OperateError> + Send + 'static,
    ) -> Result<T, BaselineError> {
        let (work, answer) = BaselineWork::new(work);
        self.put(Query::Baselines(work))?;
        answer.await.map_err(|_| QueryError::Stopped)?
    }

    /// How long who asks waits at most.
    pub const fn patience() -> std::time::Duration {
        PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::channel;
    use super::*;
    use crate::baseline::LearnSettings;

    #[tokio::test]
    async fn who_learns_nothing_says_which_setting_to_change() {
        let (client, mut questions) = channel();
        let answering = tokio::spawn(async move {
            let mut learner = None;
            while let Some(Query::Baselines(work)) = questions.recv().await {
                work.with(learner.as_mut());
                learner = Some(Learner::new(LearnSettings::default(), BTreeMap::new()));
            }
        });
        let asked = || client.baselines(|learner| Ok(learner.workloads()));
        let off = asked().await.unwrap_err();
        assert!(off.to_string().contains("baselines.enabled"), "{off}");
        assert_eq!(asked().await, Ok(Vec::new()));
        drop(client);
        answering.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_waited_for_and_a_question_is_not() {
        let (client, mut questions) = channel();
        let asked = client.baselines(|learner| Ok(learner.workloads()));
        let error = asked.await.unwrap_err();
        assert_eq!(error, BaselineError::Query(QueryError::TimedOut));
        let late = async {
            tokio::time::sleep(PATIENCE * 3).await;
            let mut learner = Learner::new(LearnSettings::default(), BTreeMap::new());
            while let Ok(Query::Baselines(work)) = questions.try_recv() {
                work.with(Some(&mut learner));
            }
        };
        let changed = client.change_baselines(|learner| Ok(learner.workloads()));
        let (changed, ()) = tokio::join!(changed, late);
        assert_eq!(changed, Ok(Vec::new()));
        drop(questions);
        let stopped = client.change_baselines(|learner| Ok(learner.workloads()));
        let stopped = stopped.await.unwrap_err();
        assert_eq!(stopped, BaselineError::Query(QueryError::Stopped));
    }
}
