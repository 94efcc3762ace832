//! What all metrics of one answer are taken from.

use std::sync::Arc;
use std::time::SystemTime;

use super::Sources;
use crate::alert::{Bounds, SpoolLimits, SpoolUsage};
use crate::proto;
use crate::sinks::output::OutputAccount;
use crate::telemetry::{Accounting, AgentFacts, StatusSnapshot, counters};

/// The agent at one moment.
#[derive(Debug)]
pub(super) struct View {
    pub(super) now: SystemTime,
    pub(super) facts: Arc<AgentFacts>,
    pub(super) accounting: Accounting,
    /// `None`: the detection task did not answer.
    pub(super) snapshot: Option<StatusSnapshot>,
    pub(super) alerts: proto::AlertAccount,
    pub(super) bounds: Bounds,
    pub(super) usage: SpoolUsage,
    pub(super) limits: SpoolLimits,
    pub(super) outputs: Vec<Arc<OutputAccount>>,
    pub(super) failures: Vec<(&'static str, u64)>,
}

impl View {
    /// Asks everybody. Waits for the detection task for as long as any question does.
    pub(super) async fn of(sources: &Sources) -> Self {
        let services = &sources.services;
        let snapshot = services.queries.status_in_turn().await.ok();
        let usage = services.spool.usage();
        Self {
            now: SystemTime::now(),
            facts: services.board.facts(),
            accounting: services.board.accounting(),
            snapshot,
            alerts: services.alerts.account(usage.evicted_alerts),
            bounds: services.spool.bounds(),
            usage,
            limits: services.spool.limits(),
            outputs: sources.outputs.clone(),
            failures: counters(),
        }
    }
}
