//! Files with profiles, read and taken in.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::{Baselines, news};
use crate::baseline::file::{self, FileError};
use crate::baseline::operate::prepare;
use crate::baseline::{LearnSettings, Learner, Profile, Workload};
use crate::proto::imported_baseline::Outcome;
use crate::proto::{ImportBaselinesRequest, ImportedBaseline};
use crate::sinks::query::{BaselineError, QueryClient};

/// Most bytes of a file. Those of one node are smaller by far.
const MAX_BYTES: usize = 4 << 20;
/// Most bytes of a name.
const MAX_NAME: usize = 4 << 10;
/// Most files of a call.
const MAX_FILES: usize = 1_000;
/// How long a call may take in all: less than its answer may.
const PATIENCE: Duration = Duration::from_secs(50);

impl Baselines {
    /// Takes in all files of a call, in somebody's name. The stream tells of it also when who sends them
    /// has gone.
    pub(super) async fn take_in(
        &self,
        by: String,
        pieces: impl Stream<Item = Result<ImportBaselinesRequest, Status>> + Send + Unpin + 'static,
    ) -> Result<Vec<ImportedBaseline>, Status> {
        let permit = Arc::clone(&self.imports).try_acquire_owned();
        let permit = permit.map_err(|_| {
            Status::resource_exhausted("another import is under way: try again when it has ended")
        })?;
        let settings = self
            .queries()
            .baselines(|learner| Ok(*learner.settings()))
            .await?;
        let mut import = Import {
            queries: self.queries().clone(),
            settings,
            file: None,
            files: Vec::new(),
        };
        let findings = self.services.findings.clone();
        let importing = tokio::spawn(async move {
            let _permit = permit;
            let all = import.all(pieces).await;
            if let Some(finding) = news::imported(&by, &import.files) {
                news::tell(&findings, finding);
            }
            all.map(|()| import.files)
        });
        importing
            .await
            .map_err(|_| Status::internal("the import was given up"))?
    }
}

struct Import {
    queries: QueryClient,
    settings: LearnSettings,
    /// The one that pieces come of.
    file: Option<File>,
    files: Vec<ImportedBaseline>,
}

struct File {
    name: String,
    bytes: Vec<u8>,
    /// It has more than may be: the rest is not kept.
    too_large: bool,
}

impl Import {
    async fn all(
        &mut self,
        mut pieces: impl Stream<Item = Result<ImportBaselinesRequest, Status>> + Unpin,
    ) -> Result<(), Status> {
        let until = Instant::now() + PATIENCE;
        loop {
            let piece = timeout_at(until, pieces.next()).await.map_err(|_| {
                let taken = self.files.len();
                Status::deadline_exceeded(format!(
                    "not all came within {} s; the first {taken} files were dealt with",
                    PATIENCE.as_secs()
                ))
            })?;
            match piece.transpose()? {
                Some(piece) => self.take(piece).await?,
                None => return self.finish().await,
            }
        }
    }

    async fn take(&mut self, piece: ImportBaselinesRequest) -> Result<(), Status> {
        if !piece.file.is_empty() {
            self.finish().await?;
            self.begin(piece.file)?;
        }
        let Some(file) = &mut self.file else {
            let why = "the first piece of a file has its name";
            return Err(Status::invalid_argument(why));
        };
        file.too_large |= file.bytes.len() + piece.chunk.len() > MAX_BYTES;
        if file.too_large {
            file.bytes = Vec::new();
        } else {
            file.bytes.extend_from_slice(&piece.chunk);
        }
        Ok(())
    }

    fn begin(&mut self, name: String) -> Result<(), Status> {
        if name.len() > MAX_NAME {
            let why = format!("the name of a file has at most {MAX_NAME} bytes");
            return Err(Status::invalid_argument(why));
        }
        if self.files.len() == MAX_FILES {
            let why = format!("at most {MAX_FILES} files can be imported at once");
            return Err(Status::invalid_argument(why));
        }
        self.file = Some(File {
            name,
            bytes: Vec::new(),
            too_large: false,
        });
        Ok(())
    }

    /// The file is whole.
    async fn finish(&mut self) -> Result<(), Status> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let (name, settings) = (file.name.clone(), self.settings);
        let read = spawn_blocking(move || file.read(&settings));
        let read = read
            .await
            .map_err(|_| Status::internal("the file cannot be read"))?;
        let imported = match read {
            Ok((workload, profile)) => self.merge(name, workload, profile).await?,
            Err(error) => refused(error),
        };
        self.files.push(imported);
        Ok(())
    }

    async fn merge(
        &self,
        file: String,
        workload: Workload,
        profile: Profile,
    ) -> Result<ImportedBaseline, Status> {
        let named = workload.text().to_owned();
        let change = move |learner: &mut Learner| learner.take_in(&workload, profile);
        let imported = ImportedBaseline {
            file,
            workload: named,
            ..ImportedBaseline::default()
        };
        match self.queries.change_baselines(change).await {
            Ok(taken) => Ok(ImportedBaseline {
                outcome: Outcome::Merged.into(),
                is_new: taken.before.is_none(),
                behaviours_before: taken.before.unwrap_or(0) as u64,
                behaviours: taken.now as u64,
                ..imported
            }),
            Err(BaselineError::Refused(error)) => Ok(ImportedBaseline {
                outcome: Outcome::Refused.into(),
                reason: error.to_string(),
                ..imported
            }),
            Err(error) => Err(error.into()),
        }
    }
}

impl File {
    fn read(self, settings: &LearnSettings) -> Result<(Workload, Profile), FileError> {
        let refused = |file: String, reason: String| FileError {
            file,
            place: None,
            reason,
        };
        if self.too_large {
            let reason = format!("has more than {} MiB: no agent wrote it", MAX_BYTES >> 20);
            return Err(refused(self.name, reason));
        }
        let (workload, mut profile) = file::read_bytes(&self.bytes, &self.name)?;
        if profile.is_reviewed() {
            let reason = "has no evidence, so it is a reviewed file: put it into the folder that the \
                          agent's setting baselines.dir names";
            return Err(refused(self.name, reason.to_owned()));
        }
        prepare(&mut profile, settings);
        Ok((workload, profile))
    }
}

fn refused(error: FileError) -> ImportedBaseline {
    let number = |number: usize| u32::try_from(number).ok();
    ImportedBaseline {
        file: error.file,
        outcome: Outcome::Refused.into(),
        reason: error.reason,
        line: error.place.and_then(|(line, _)| number(line)),
        column: error.place.and_then(|(_, column)| number(column)),
        ..ImportedBaseline::default()
    }
}
