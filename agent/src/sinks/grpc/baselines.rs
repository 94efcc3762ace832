//! The service of baselines: what the agent has learnt, and what operators decide of it.
//!
//! The detection task owns the profiles. It is asked to clone one, to take one over or to note a word;
//! files are read and written here, beside the data path.

mod convert;
mod export;
mod import;
mod news;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::Services;
use super::connection::Caller;
use crate::alert::SensorFinding;
use crate::baseline::operate::{self, ErrorKind, OperateError, Scope};
use crate::baseline::{Learner, Workload};
use crate::proto;
use crate::proto::baseline_service_server::BaselineService;
use crate::proto::decide_baseline_request::What;
use crate::sinks::query::{BaselineError, QueryClient};

/// Exports that may be under way: each holds a file.
const MAX_EXPORTS: usize = 4;
/// Imports that may be: each holds a file and the profile that is read from it.
const MAX_IMPORTS: usize = 1;

/// The service.
#[derive(Clone, Debug)]
pub(super) struct Baselines {
    services: Arc<Services>,
    exports: Arc<Semaphore>,
    imports: Arc<Semaphore>,
}

impl From<BaselineError> for Status {
    fn from(error: BaselineError) -> Self {
        match error {
            BaselineError::Query(error) => error.into(),
            BaselineError::Off => Self::failed_precondition(error.to_string()),
            BaselineError::Refused(error) => error.into(),
        }
    }
}

impl From<OperateError> for Status {
    fn from(error: OperateError) -> Self {
        let why = error.to_string();
        match error.kind() {
            ErrorKind::NotFound => Self::not_found(why),
            ErrorKind::Invalid => Self::invalid_argument(why),
            ErrorKind::Precondition => Self::failed_precondition(why),
            ErrorKind::Exhausted => Self::resource_exhausted(why),
        }
    }
}

impl Baselines {
    /// Speaks for what these have.
    pub(super) fn new(services: Arc<Services>) -> Self {
        Self {
            services,
            exports: Arc::new(Semaphore::new(MAX_EXPORTS)),
            imports: Arc::new(Semaphore::new(MAX_IMPORTS)),
        }
    }

    fn queries(&self) -> &QueryClient {
        &self.services.queries
    }

    /// Has a change made in somebody's name. The stream tells of it also when who asked for it has gone.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Learner) -> Result<T, OperateError> + Send + 'static,
        finding: impl FnOnce(&T) -> SensorFinding + Send + 'static,
    ) -> Result<T, Status> {
        let services = Arc::clone(&self.services);
        let changing = tokio::spawn(async move {
            let done = services.queries.change_baselines(change).await?;
            news::tell(&services.findings, finding(&done));
            Ok::<_, BaselineError>(done)
        });
        match timeout(QueryClient::patience(), changing).await {
            Ok(Ok(done)) => Ok(done?),
            Ok(Err(_)) => Err(Status::internal("the change was given up")),
            Err(_) => Err(Status::deadline_exceeded(
                "the detection task did not answer in time: the stream tells when it is done",
            )),
        }
    }
}

#[tonic::async_trait]
impl BaselineService for Baselines {
    async fn list(
        &self,
        _request: Request<proto::ListBaselinesRequest>,
    ) -> Result<Response<proto::ListBaselinesResponse>, Status> {
        let workloads = self.queries().baselines(|learner| Ok(learner.workloads()));
        let now = now();
        let mut baselines = Vec::new();
        // One at a time, so that events are judged between them.
        for workload in workloads.await? {
            let asked = move |learner: &mut Learner| learner.summary(&workload, now);
            match self.queries().baselines(asked).await {
                Ok(summary) => baselines.push(convert::short(&summary)),
                // It was forgotten meanwhile.
                Err(BaselineError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Response::new(proto::ListBaselinesResponse { baselines }))
    }

    async fn get(
        &self,
        request: Request<proto::GetBaselineRequest>,
    ) -> Result<Response<proto::GetBaselineResponse>, Status> {
        let request = request.into_inner();
        let behaviour = request.behaviour.as_ref();
        let behaviour = behaviour.map(convert::behaviour).transpose()?;
        let workload = Workload::from_text(&request.workload);
        let (now, is_asked) = (now(), behaviour.is_some());
        let asked = move |learner: &mut Learner| {
            let summary = learner.summary(&workload, now)?;
            if !is_asked {
                return Ok((summary, None));
            }
            let file = learner.reviewed().get(&workload).cloned();
            Ok((
                summary,
                Some((learner.profile(&workload)?.into_owned(), file)),
            ))
        };
        let (summary, known) = self.queries().baselines(asked).await?;
        let knowledge = known.zip(behaviour).map(|((profile, file), behaviour)| {
            operate::examine(&profile, file.as_ref(), &behaviour)
        });
        Ok(Response::new(proto::GetBaselineResponse {
            baseline: Some(convert::summary(&summary)),
            knowledge: knowledge.as_ref().map(convert::knowledge),
        }))
    }

    async fn decide(
        &self,
        request: Request<proto::DecideBaselineRequest>,
    ) -> Result<Response<proto::DecideBaselineResponse>, Status> {
        let by = by(&request)?;
        let request = request.into_inner();
        let decision = convert::decision(request.decision())?;
        let workload = Workload::from_text(&request.workload);
        let (time, new_role) = (now(), request.new_role);
        let behaviour = match request.what {
            Some(What::Behaviour(behaviour)) => Some(convert::behaviour(&behaviour)?),
            Some(What::AllQuarantined(_)) => None,
            None => {
                let why = "say which: a behaviour, or all that is in quarantine";
                return Err(Status::invalid_argument(why));
            }
        };
        let change = move |learner: &mut Learner| match behaviour {
            Some(behaviour) => learner.decide(&workload, &behaviour, decision, time, new_role),
            None => learner.decide_quarantined(&workload, decision, time),
        };
        let decided = self.change(change, move |decided| news::decided(&by, decided));
        Ok(Response::new(convert::decided(&decided.await?)))
    }

    async fn lock(
        &self,
        request: Request<proto::LockBaselineRequest>,
    ) -> Result<Response<proto::LockBaselineResponse>, Status> {
        let by = by(&request)?;
        let request = request.into_inner();
        let phase = convert::phase_name(request.phase());
        let scope = Scope::parse(phase, &request.class)?;
        let (locked, time) = (request.locked, now());
        let workload = Workload::from_text(&request.workload);
        let told = workload.clone();
        let change = move |learner: &mut Learner| learner.lock(&workload, scope, locked, time);
        let finding = move |_: &Vec<_>| news::locked(&by, &told, scope, locked);
        let classes = self.change(change, finding).await?;
        Ok(Response::new(proto::LockBaselineResponse {
            classes: classes.iter().map(convert::relocked).collect(),
        }))
    }

    type ExportStream = ReceiverStream<Result<proto::ExportBaselinesResponse, Status>>;

    async fn export(
        &self,
        request: Request<proto::ExportBaselinesRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        self.begin_export(request.into_inner()).await
    }

    async fn import(
        &self,
        request: Request<Streaming<proto::ImportBaselinesRequest>>,
    ) -> Result<Response<proto::ImportBaselinesResponse>, Status> {
        let by = by(&request)?;
        let files = self.take_in(by, request.into_inner()).await?;
        Ok(Response::new(proto::ImportBaselinesResponse { files }))
    }
}

/// Who asks, in words.
fn by<T>(request: &Request<T>) -> Result<String, Status> {
    let caller = request.extensions().get::<Caller>();
    let caller = caller.ok_or_else(|| Status::internal("the connection is not known"))?;
    Ok(caller.peer.to_string())
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
