//! What was new, and how much stands behind saying so.

use std::fmt;

use super::super::class::Class;
use super::super::completeness::Prediction;
use super::super::evidence::Exposure;
use super::super::generalise::tree::Nearest;
use super::super::profile::Phase;
use super::super::role::Role;
use super::super::state::State;
use super::super::workload::Workload;
use crate::model::{ContainerView, Event, Priority};

/// Why something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It never came, or only too late to be learnt.
    New,
    /// It came too late to be learnt, and comes again.
    Quarantined,
    /// It came once before.
    Unestablished,
    /// It stayed away for longer than it ever had.
    Returning,
    /// Of a kind that no time makes ordinary.
    Grave,
    /// An operator said that it does not belong here.
    Rejected,
    /// More of a class came in one window than an instance may teach: none of it is told one by one.
    Flood,
    /// More of a class came than was predicted: the workload is not what it was.
    Drift,
    /// What a new version does and none before it did.
    Rollout,
}

impl Kind {
    /// Its name in alerts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Quarantined => "quarantined",
            Self::Unestablished => "seen once",
            Self::Returning => "returning",
            Self::Grave => "never ordinary",
            Self::Rejected => "rejected",
            Self::Flood => "flood",
            Self::Drift => "drift",
            Self::Rollout => "rollout",
        }
    }
}

/// What was watched before something was called new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Whole windows.
    pub windows: u64,
    /// Instances, 16 standing for so many or more.
    pub instances: usize,
    /// Seconds in these windows, summed over the instances.
    pub seconds: u64,
    /// Starts.
    pub starts: u64,
}

impl Evidence {
    pub(super) fn of(exposure: &Exposure) -> Self {
        let totals = exposure.totals();
        Self {
            windows: totals.windows,
            instances: exposure.instances().count(),
            seconds: totals.seconds,
            starts: totals.starts,
        }
    }
}

/// Something that is told.
#[derive(Clone, Debug)]
pub struct Novel {
    /// Why.
    pub kind: Kind,
    /// Its class.
    pub class: Class,
    /// The phase that the instance is in.
    pub phase: Phase,
    /// How the class stood.
    pub state: State,
    /// The workload.
    pub workload: Workload,
    /// What happened. Its container is known by its workload if the event waited for that.
    pub event: Event<'static>,
    /// The event waited until it was known which workload its container belongs to.
    pub waited: bool,
    /// Its role: of an execution that of who started it.
    pub role: Role,
    /// The object, general as profiles have it.
    pub object: String,
    /// What came nearest to it.
    pub nearest: Option<Nearest>,
    /// What was watched before.
    pub evidence: Evidence,
    /// What was still expected; `None` before the first whole unit.
    pub prediction: Option<Prediction>,
    /// A rule has matched the process, or one that it descends from.
    pub tainted: bool,
    /// Behaviours that are told together; 0 when it is about a single one.
    pub count: u64,
    /// Some of them: their classes and objects.
    pub samples: Vec<String>,
}

impl Novel {
    /// Id of the container; nothing for a service of the node.
    pub fn container_id(&self) -> &str {
        match &self.event.container {
            ContainerView::Container(container) => &container.id,
            ContainerView::Host(_) | ContainerView::Unknown { .. } => "",
        }
    }

    /// How urgent it is: by how sure it is that it is new, and by what an attack could do with it.
    pub fn priority(&self) -> Priority {
        match (self.kind, self.state) {
            (Kind::Rejected | Kind::Grave, _) => Priority::Warning,
            (Kind::Drift, _) => Priority::Warning,
            (Kind::Flood | Kind::Rollout, _) => Priority::Notice,
            (_, State::Cold | State::Learning | State::Provisional) => Priority::Informational,
            (Kind::Unestablished | Kind::Returning, _) => Priority::Notice,
            (Kind::New | Kind::Quarantined, _) if self.class.worth() >= 4 => Priority::Warning,
            (Kind::New | Kind::Quarantined, _) => Priority::Notice,
        }
    }
}

impl fmt::Display for Novel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} of {} by {}: {}",
            self.phase.name(),
            self.kind.name(),
            self.class,
            self.workload,
            self.role,
            self.object
        )?;
        if self.count > 0 {
            write!(f, "{} together", self.count)?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, " (nearest: {}", nearest.pattern)?;
            if let Some(diverging) = &nearest.diverging {
                write!(f, ", differs at {diverging}")?;
            }
            f.write_str(")")?;
        }
        let Evidence {
            windows,
            instances,
            starts,
            ..
        } = self.evidence;
        write!(
            f,
            " [{windows} windows of {instances} instances, {starts} starts"
        )?;
        if let Some(prediction) = &self.prediction {
            write!(f, "; {prediction}")?;
        }
        f.write_str("]")
    }
}
