//! What the workloads did, as the learner took it in: for whoever compares it with other learners.

use std::sync::Arc;
use std::time::SystemTime;

use super::super::act::Act;
use super::super::class::Class;
use super::super::profile::Phase;
use super::super::role::Role;
use super::super::workload::Workload;
use super::judge::Judgement;
use crate::model::{ContainerView, Event, Process};

/// An act that came for the first time in its unit.
#[derive(Clone, Debug)]
pub struct Watched {
    /// When.
    pub time: SystemTime,
    /// The workload.
    pub workload: Workload,
    /// Id of the container; nothing for a service of the node.
    pub container: String,
    /// Who did it.
    pub process: Arc<Process>,
    /// Its role: of an execution that of who started it.
    pub role: Role,
    /// The phase that the instance was in.
    pub phase: Phase,
    /// Its class.
    pub class: Class,
    /// The object as it was, with nothing taken out: `tcp 10.1.2.3:443`.
    pub exact: String,
    /// The object, general as profiles have it.
    pub object: String,
    /// The profile had it before.
    pub known: bool,
    /// A rule had matched the process, or one that it descends from.
    pub tainted: bool,
}

impl Watched {
    pub(super) fn of(judgement: &Judgement<'_>, act: &Act<'_>, object: &str, known: bool) -> Self {
        Self {
            time: judgement.event.time,
            workload: judgement.instance.workload.clone(),
            container: container_of(judgement.event),
            process: Arc::clone(&judgement.event.process),
            role: judgement.role.clone(),
            phase: judgement.phase,
            class: act.class,
            exact: act.object.exact(),
            object: object.to_owned(),
            known,
            tainted: judgement.tainted,
        }
    }
}

fn container_of(event: &Event<'_>) -> String {
    match &event.container {
        ContainerView::Container(container) => container.id.clone(),
        _ => String::new(),
    }
}
