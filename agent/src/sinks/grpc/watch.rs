//! `AlertService`: one subscription per call.

use std::sync::Arc;
use std::time::SystemTime;

use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Response, Status};

use super::connection::Caller;
use super::places::{NoRoom, Place, Places};
use super::{Services, convert};
use crate::alert::{
    FieldMask, Filter, OutgoingRecord, Start, StartError, Step, Subscription, timestamp,
};
use crate::proto::record::Body;
use crate::proto::stream_server::alert_service_server::AlertService;
use crate::proto::{self, WatchRequest, watch_request};

/// The service.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) services: Arc<Services>,
    pub(super) streams: Arc<Places>,
}

#[tonic::async_trait]
impl AlertService for Watch {
    type WatchStream = BoxStream<'static, Result<OutgoingRecord, Status>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let caller = request.extensions().get::<Caller>();
        let caller = caller.ok_or_else(|| Status::internal("the connection is not known"))?;
        let place = self.streams.take(caller.peer.client()).map_err(no_room)?;
        let services = Arc::clone(&self.services);
        let request = request.into_inner();
        let mask = FieldMask::new(&request.fields)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        // A time is looked for in files, also when the client has gone meanwhile: the place goes
        // along, so that there are never more such searches than streams.
        let begin = move || subscribe(&services, request).map(|begun| (begun, place));
        let ((subscription, until), place) = spawn_blocking(begin)
            .await
            .map_err(|_| Status::internal("the subscription could not begin"))??;
        let open = Open {
            services: Arc::clone(&self.services),
            next_heartbeat: Instant::now() + self.services.heartbeat,
            subscription,
            mask,
            until,
            phase: Phase::Hello,
            place: Arc::new(place),
        };
        Ok(Response::new(open.into_stream().boxed()))
    }
}

fn no_room(why: NoRoom) -> Status {
    Status::resource_exhausted(match why {
        NoRoom::Total(most) => {
            format!("{most} streams are open already; stream.max_streams allows no more")
        }
        NoRoom::Network(most) => format!(
            "{most} streams are open over the network already; what else stream.max_streams \
             allows is kept for the unix socket"
        ),
        NoRoom::Client(most) => format!(
            "this client has {most} streams open already; stream.max_streams_per_client allows no \
             more"
        ),
    })
}

/// Checks a request and begins reading; also the sequence number to end at.
fn subscribe(
    services: &Services,
    request: WatchRequest,
) -> Result<(Subscription, Option<u64>), Status> {
    let filter = Filter::new(request.filter.unwrap_or_default())
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let start = start(request.start)?;
    let subscription = Subscription::new(Arc::clone(&services.spool), start, filter)
        .map_err(|error @ StartError::BeyondEnd { .. }| Status::out_of_range(error.to_string()))?;
    let until = request.until_now.then(|| services.spool.bounds().newest);
    Ok((subscription, until))
}

fn start(start: Option<watch_request::Start>) -> Result<Start, Status> {
    use watch_request::Start as Asked;
    match start {
        None | Some(Asked::Live(_)) => Ok(Start::Live),
        Some(Asked::Oldest(_)) => Ok(Start::Oldest),
        Some(Asked::Cursor(cursor)) => Ok(Start::After {
            epoch: cursor.epoch,
            sequence: cursor.sequence,
        }),
        Some(Asked::Since(time)) => SystemTime::try_from(time)
            .map(Start::Since)
            .map_err(|_| Status::invalid_argument("`since` is no time")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Hello,
    Running,
    Stopping,
    Done,
}

/// A stream that is open. It does nothing unless its client reads.
struct Open {
    services: Arc<Services>,
    subscription: Subscription,
    mask: Option<FieldMask>,
    next_heartbeat: Instant,
    until: Option<u64>,
    phase: Phase,
    /// Kept while something is read for the stream, also when its client has gone meanwhile.
    place: Arc<Place>,
}

impl Open {
    fn into_stream(self) -> impl Stream<Item = Result<OutgoingRecord, Status>> + Send + 'static {
        stream::unfold(self, |mut open| async move {
            let record = open.next().await?;
            Some((record, open))
        })
    }

    async fn next(&mut self) -> Option<Result<OutgoingRecord, Status>> {
        match self.phase {
            Phase::Hello => {
                self.phase = Phase::Running;
                return Some(Ok(self.hello()));
            }
            Phase::Running => {}
            Phase::Stopping => {
                self.phase = Phase::Done;
                return Some(Err(Status::unavailable("the agent is stopping")));
            }
            Phase::Done => return None,
        }
        loop {
            // Looked at first: a busy stream needs heartbeats too.
            if Instant::now() >= self.next_heartbeat {
                return Some(Ok(self.heartbeat_record()));
            }
            if self.reached_its_end() {
                self.phase = Phase::Done;
                return Some(Ok(self.heartbeat_record()));
            }
            match self.subscription.step() {
                Step::Record(record) => return Some(Ok(self.wanted(record))),
                Step::Filtered => tokio::task::yield_now().await,
                Step::Behind => {
                    let place = Arc::clone(&self.place);
                    self.subscription.load_holding(place).await;
                }
                Step::Idle => self.wait().await,
                Step::End => {
                    self.phase = Phase::Stopping;
                    return Some(Ok(self.heartbeat_record()));
                }
            }
        }
    }

    fn wanted(&self, record: OutgoingRecord) -> OutgoingRecord {
        match &self.mask {
            Some(mask) => record.masked(mask),
            None => record,
        }
    }

    fn reached_its_end(&self) -> bool {
        let position = self.subscription.progress().complete_through;
        self.until.is_some_and(|until| position >= until) && !self.subscription.owes_gap()
    }

    /// Waits for a record; a heartbeat that comes due ends the wait too.
    async fn wait(&mut self) {
        tokio::select! {
            () = self.subscription.wait() => {}
            () = sleep_until(self.next_heartbeat) => {}
        }
    }

    fn own(&self, body: Body) -> OutgoingRecord {
        let epoch = self.services.spool.epoch();
        OutgoingRecord::own(epoch, (0, 0), SystemTime::now(), body)
    }

    fn hello(&self) -> OutgoingRecord {
        let facts = self.services.board.facts();
        let bounds = self.services.spool.bounds();
        let seconds = self.services.heartbeat.as_secs().max(1);
        self.own(Body::Hello(proto::Hello {
            progress: Some(convert::progress(self.subscription.progress())),
            node: facts.node.clone(),
            agent_version: facts.version.to_owned(),
            kernel_release: facts.kernel.release.clone(),
            boot_id: facts.kernel.boot_id.clone(),
            rules: Some(convert::rule_set(
                &facts.rules,
                facts.failed_reload.as_ref(),
            )),
            hooks: facts.hooks.iter().map(convert::hook).collect(),
            oldest_sequence: bounds.oldest,
            newest_sequence: bounds.newest,
            heartbeat_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
            agent_started: Some(timestamp(facts.started)),
            baselines: facts.baselines.as_ref().map(convert::baselines),
        }))
    }

    fn heartbeat_record(&mut self) -> OutgoingRecord {
        // Counted from now: a client that stalled needs one heartbeat, not all that it missed.
        self.next_heartbeat = Instant::now() + self.services.heartbeat;
        let accounting = self.services.board.accounting();
        let evicted = self.services.spool.usage().evicted_alerts;
        self.own(Body::Heartbeat(proto::Heartbeat {
            progress: Some(convert::progress(self.subscription.progress())),
            events: Some(convert::events(&accounting.events)),
            alerts: Some(self.services.alerts.account(evicted)),
            events_time: Some(timestamp(accounting.taken)),
            canary_age_ms: accounting
                .canary_age
                .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        }))
    }
}
