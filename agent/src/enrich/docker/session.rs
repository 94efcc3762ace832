//! One connection to the engine, from the first answer to the last.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bollard::errors::Error;
use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::{EventsOptionsBuilder, ListContainersOptionsBuilder};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures::stream::{FuturesUnordered, Stream, StreamExt};
use tokio::sync::mpsc;

use super::DockerSettings;
use super::inspect::{InspectError, inspect};
use super::work::Work;
use crate::enrich::container::{ContainerMessage, ContainerRequest};
use crate::model::{ContainerMetadata, Runtime};

/// The engine replays events from this long before the subscription: it sends the reply's header
/// before it subscribes.
const REPLAYED: Duration = Duration::from_secs(2);

/// Why a session ended.
pub(super) enum Ended {
    /// The agent stops.
    Stopped,
    /// The engine went away.
    Lost(Arc<str>),
}

/// A live connection to the engine.
pub(super) struct Session<'a> {
    settings: &'a DockerSettings,
    docker: Docker,
    work: Work,
}

type Events = Pin<Box<dyn Stream<Item = Result<EventMessage, Error>> + Send>>;
type Answer = (String, Result<Arc<ContainerMetadata>, InspectError>);

impl<'a> Session<'a> {
    /// Connects, agrees on an API version and has the engine answer once.
    pub(super) async fn open(settings: &'a DockerSettings) -> Result<Self, Arc<str>> {
        let path = settings.socket.to_string_lossy();
        let connect = async {
            Docker::connect_with_unix(
                &path,
                settings.timeout.as_secs().max(1),
                API_DEFAULT_VERSION,
            )?
            .negotiate_version()
            .await
        };
        let docker = connect
            .await
            .map_err(|error| format!("cannot reach Docker at {path}: {error}"))?;
        Ok(Self {
            settings,
            docker,
            work: Work::default(),
        })
    }

    /// Follows the engine's events and answers requests.
    pub(super) async fn run(
        mut self,
        requests: &mut mpsc::Receiver<ContainerRequest>,
        messages: &mpsc::Sender<ContainerMessage>,
    ) -> Ended {
        let back = ContainerMessage::RuntimeBack {
            runtime: Runtime::Docker,
        };
        if messages.send(back).await.is_err() {
            return Ended::Stopped;
        }
        let mut events = self.subscribe();
        let docker = self.docker.clone();
        let mut running = Some(Box::pin(list_running(&docker)));
        let mut answers = FuturesUnordered::new();
        loop {
            while let Some(id) = self.work.next(self.settings.concurrency) {
                answers.push(patient_inspect(&docker, self.settings, id));
            }
            tokio::select! {
                // Events come first, so that the subscription stands before the list is asked for.
                biased;
                event = events.next(), if self.work.has_room() => match event {
                    Some(Ok(event)) => {
                        if let Some(gone) = self.take_event(&event)
                            && messages.send(gone).await.is_err()
                        {
                            return Ended::Stopped;
                        }
                    }
                    Some(Err(error)) => return lost(&format!("Docker's event stream broke: {error}")),
                    None => return lost("Docker closed its event stream"),
                },
                Some((id, answer)) = answers.next() => {
                    self.work.done(&id);
                    if messages.send(to_message(id, answer)).await.is_err() {
                        return Ended::Stopped;
                    }
                }
                request = requests.recv(), if self.work.has_room() => match request {
                    Some(request) => self.work.wanted(&request.id),
                    None => return Ended::Stopped,
                },
                ids = async { running.as_mut().expect("guarded").await }, if running.is_some() => {
                    running = None;
                    match ids {
                        Ok(ids) => ids.iter().for_each(|id| self.work.wanted(id)),
                        Err(error) => return lost(&format!("Docker cannot list its containers: {error}")),
                    }
                }
                () = messages.closed() => return Ended::Stopped,
            }
        }
    }

    fn subscribe(&self) -> Events {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .saturating_sub(REPLAYED);
        let filters = HashMap::from([("type", vec!["container"])]);
        let options = EventsOptionsBuilder::default()
            .since(&since.as_secs().to_string())
            .filters(&filters)
            .build();
        Box::pin(self.docker.events(Some(options)))
    }

    /// Notes what an event changes. A removed container is told at once.
    fn take_event(&mut self, event: &EventMessage) -> Option<ContainerMessage> {
        if event.typ != Some(EventMessageTypeEnum::CONTAINER) {
            return None;
        }
        let id = event.actor.as_ref()?.id.as_deref()?;
        match event.action.as_deref()? {
            "create" | "start" | "restart" | "die" | "rename" | "update" => self.work.changed(id),
            "destroy" => return Some(ContainerMessage::Gone { id: id.to_owned() }),
            _ => {}
        }
        None
    }
}

async fn list_running(docker: &Docker) -> Result<Vec<String>, Error> {
    let options = ListContainersOptionsBuilder::default().build();
    let running = docker.list_containers(Some(options)).await?;
    Ok(running
        .into_iter()
        .filter_map(|summary| summary.id)
        .collect())
}

/// Inspects a container, again with growing waits when the engine fails to answer.
async fn patient_inspect(docker: &Docker, settings: &DockerSettings, id: String) -> Answer {
    let mut delay = settings.retry_delay;
    let mut attempt = 1;
    loop {
        let answer = inspect(docker, &id).await;
        let again = matches!(answer, Err(InspectError::Engine(_)));
        if !again || attempt >= settings.attempts {
            return (id, answer);
        }
        tokio::time::sleep(delay).await;
        delay *= 2;
        attempt += 1;
    }
}

fn to_message(
    id: String,
    answer: Result<Arc<ContainerMetadata>, InspectError>,
) -> ContainerMessage {
    let runtime = Runtime::Docker;
    match answer {
        Ok(metadata) => ContainerMessage::Full {
            runtime,
            id,
            metadata,
        },
        Err(error) => ContainerMessage::Failed {
            runtime,
            id,
            why: error.to_string().into(),
        },
    }
}

fn lost(why: &str) -> Ended {
    Ended::Lost(why.into())
}
