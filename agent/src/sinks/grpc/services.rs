//! The services that answer once: status, containers, rules.

use std::sync::Arc;
use std::time::SystemTime;

use tonic::{Request, Response, Status};

use super::connection::Caller;
use super::places::Places;
use super::{Services, convert};
use crate::alert::{encode_container, timestamp};
use crate::proto;
use crate::proto::container_service_server::ContainerService;
use crate::proto::rule_service_server::RuleService;
use crate::proto::status_service_server::StatusService;
use crate::sinks::query::QueryError;
use crate::sinks::reload::ReloadError;
use crate::telemetry::StatusSnapshot;

/// The three services.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    pub(super) services: Arc<Services>,
    pub(super) streams: Arc<Places>,
}

impl From<QueryError> for Status {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Busy => Self::resource_exhausted(error.to_string()),
            QueryError::TimedOut => Self::deadline_exceeded(error.to_string()),
            QueryError::Stopped => Self::unavailable(error.to_string()),
        }
    }
}

impl From<ReloadError> for Status {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::Busy => Self::resource_exhausted(error.to_string()),
            ReloadError::TimedOut => Self::deadline_exceeded(error.to_string()),
            ReloadError::Stopped => Self::unavailable(error.to_string()),
        }
    }
}

#[tonic::async_trait]
impl StatusService for Answers {
    async fn get(
        &self,
        _request: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::GetStatusResponse>, Status> {
        let snapshot = self.services.queries.status().await?;
        Ok(Response::new(self.status(&snapshot)))
    }
}

impl Answers {
    fn status(&self, snapshot: &StatusSnapshot) -> proto::GetStatusResponse {
        let facts = self.services.board.facts();
        let uptime = SystemTime::now().duration_since(facts.started);
        proto::GetStatusResponse {
            node: facts.node.clone(),
            agent_version: facts.version.to_owned(),
            started: Some(timestamp(facts.started)),
            // 0 when the clock was set back behind the start.
            uptime_seconds: uptime.map_or(0, |uptime| uptime.as_secs()),
            pid: std::process::id(),
            kernel: Some(convert::kernel(&facts.kernel)),
            scope_cgroup: facts.scope_cgroup.clone(),
            rules: Some(convert::rule_set(
                &facts.rules,
                facts.failed_reload.as_ref(),
            )),
            hooks: facts.hooks.iter().map(convert::hook).collect(),
            rings: snapshot.rings.iter().map(convert::ring).collect(),
            queues: snapshot.queues.iter().map(convert::queue).collect(),
            events: Some(convert::events(&snapshot.totals())),
            losses: snapshot.losses.iter().map(convert::loss).collect(),
            containers: snapshot.containers,
            processes: snapshot.processes,
            stream: Some(self.stream()),
            failures: convert::failures(),
            cgroups: Some(convert::cgroups(snapshot.cgroups)),
            not_seen: facts.blind_spots.clone(),
            canary: Some(convert::canary(&snapshot.canary)),
            integrity: Some(convert::integrity(&snapshot.integrity)),
            kept_events: facts.approvers.iter().map(convert::kept_events).collect(),
            baselines: facts.baselines.as_ref().map(convert::baselines),
        }
    }

    fn stream(&self) -> proto::StreamStatus {
        let spool = &self.services.spool;
        let (bounds, usage, limits) = (spool.bounds(), spool.usage(), spool.limits());
        let cap = self.services.max_streams;
        proto::StreamStatus {
            epoch: spool.epoch(),
            oldest_sequence: bounds.oldest,
            newest_sequence: bounds.newest,
            records: usage.records as u64,
            bytes: usage.bytes as u64,
            records_cap: limits.records as u64,
            bytes_cap: limits.bytes as u64,
            subscribers: u32::try_from(self.streams.count()).unwrap_or(u32::MAX),
            subscribers_cap: u32::try_from(cap).unwrap_or(u32::MAX),
            not_durable: usage.not_durable.unwrap_or_default(),
        }
    }
}

#[tonic::async_trait]
impl ContainerService for Answers {
    async fn list(
        &self,
        _request: Request<proto::ListContainersRequest>,
    ) -> Result<Response<proto::ListContainersResponse>, Status> {
        let containers = self.services.queries.containers().await?;
        let mut containers: Vec<_> = containers
            .iter()
            .map(|container| encode_container(container, false))
            .collect();
        containers.sort_unstable_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(Response::new(proto::ListContainersResponse { containers }))
    }
}

#[tonic::async_trait]
impl RuleService for Answers {
    async fn list(
        &self,
        _request: Request<proto::ListRulesRequest>,
    ) -> Result<Response<proto::ListRulesResponse>, Status> {
        let rules = self.services.queries.rules().await?;
        let facts = self.services.board.facts();
        let generation = rules.facts.generation;
        let entries = rules.rules.iter();
        Ok(Response::new(proto::ListRulesResponse {
            set: Some(convert::rule_set(
                &rules.facts,
                facts.failed_reload.as_ref(),
            )),
            set_digest: rules.facts.digest,
            rules: entries
                .map(|rule| convert::rule(rule, generation))
                .collect(),
        }))
    }

    async fn reload(
        &self,
        request: Request<proto::ReloadRulesRequest>,
    ) -> Result<Response<proto::ReloadRulesResponse>, Status> {
        let caller = request.extensions().get::<Caller>();
        let caller = caller.ok_or_else(|| Status::internal("the connection is not known"))?;
        let by = caller.peer.to_string();
        let answer = self.services.reloads.reload(by).await?;
        let facts = self.services.board.facts();
        Ok(Response::new(convert::reload(
            answer,
            facts.failed_reload.as_ref(),
        )))
    }
}
