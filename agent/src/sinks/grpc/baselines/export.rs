//! Profiles, written as files.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

use super::Baselines;
use crate::baseline::file::Evidence;
use crate::baseline::{Learner, Workload};
use crate::proto::{ExportBaselinesRequest, ExportBaselinesResponse};
use crate::sinks::query::{BaselineError, QueryClient};

/// Bytes of a piece.
const PIECE: usize = 48 << 10;
/// Pieces that wait for the transport.
const WAITING: usize = 2;
/// Workloads that may be named.
const MAX_NAMED: usize = 1_000;
/// How long a client may leave a piece untaken.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

type Piece = Result<ExportBaselinesResponse, Status>;

impl Baselines {
    /// Begins an export, which a task of its own goes on with.
    pub(super) async fn begin_export(
        &self,
        request: ExportBaselinesRequest,
    ) -> Result<Response<ReceiverStream<Piece>>, Status> {
        if request.workloads.len() > MAX_NAMED {
            let why = format!("at most {MAX_NAMED} workloads can be named");
            return Err(Status::invalid_argument(why));
        }
        let permit = Arc::clone(&self.exports).try_acquire_owned();
        let permit = permit.map_err(|_| {
            let why = "as many exports as may be are under way: try again when one has ended";
            Status::resource_exhausted(why)
        })?;
        let workloads = match &request.workloads[..] {
            [] => {
                self.queries()
                    .baselines(|learner| Ok(learner.workloads()))
                    .await?
            }
            named => named.iter().map(|name| Workload::from_text(name)).collect(),
        };
        let evidence = match request.without_evidence {
            true => Evidence::Without,
            false => Evidence::With,
        };
        let (pieces, stream) = mpsc::channel(WAITING);
        let export = Export {
            queries: self.queries().clone(),
            pieces,
            evidence,
            in_force: request.in_force,
            all: request.workloads.is_empty(),
            _permit: permit,
        };
        tokio::spawn(export.run(workloads));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

struct Export {
    queries: QueryClient,
    pieces: mpsc::Sender<Piece>,
    evidence: Evidence,
    /// With what reviewed files say.
    in_force: bool,
    /// Nobody named a workload: one that has gone meanwhile is not missing.
    all: bool,
    _permit: OwnedSemaphorePermit,
}

/// The client has gone, or takes nothing.
struct Gone;

impl Export {
    async fn run(self, workloads: Vec<Workload>) {
        for workload in workloads {
            let file = match self.file(&workload).await {
                Ok(file) => file,
                Err(BaselineError::Refused(_)) if self.all => continue,
                Err(error) => {
                    let _ = self.send(Err(error.into())).await;
                    return;
                }
            };
            if self.send_file(&workload, &file).await.is_err() {
                return;
            }
        }
    }

    async fn file(&self, workload: &Workload) -> Result<String, BaselineError> {
        let asked = workload.clone();
        let in_force = self.in_force;
        let asked = move |learner: &mut Learner| {
            let file = learner.reviewed().get(&asked).filter(|_| in_force);
            Ok((learner.profile(&asked)?.into_owned(), file.cloned()))
        };
        let (learnt, file) = self.queries.baselines(asked).await?;
        let (workload, evidence) = (workload.clone(), self.evidence);
        let writing = spawn_blocking(move || match file {
            Some(file) => learnt.under(&file).to_yaml(&workload, evidence),
            None => learnt.to_yaml(&workload, evidence),
        });
        // Blocking tasks are given up only when the agent stops.
        writing
            .await
            .map_err(|_| BaselineError::Query(crate::sinks::query::QueryError::Stopped))
    }

    async fn send_file(&self, workload: &Workload, file: &str) -> Result<(), Gone> {
        let pieces = file.as_bytes().chunks(PIECE);
        let count = pieces.len();
        for (number, piece) in pieces.enumerate() {
            let piece = ExportBaselinesResponse {
                workload: workload.text().to_owned(),
                chunk: piece.to_vec(),
                last: number + 1 == count,
            };
            self.send(Ok(piece)).await?;
        }
        Ok(())
    }

    async fn send(&self, piece: Piece) -> Result<(), Gone> {
        let sent = self.pieces.send_timeout(piece, TAKEN_WITHIN).await;
        sent.map_err(|_| Gone)
    }
}
