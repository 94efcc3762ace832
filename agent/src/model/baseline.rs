//! What a baseline says of an event, as alerts carry it.

/// Why a baseline tells of a behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaselineKind {
    /// It never came, or only too late to be learnt.
    New,
    /// It came too late to be learnt, and comes again.
    Quarantined,
    /// It is no habit yet.
    SeenOnce,
    /// It stayed away for longer than it ever had.
    Returning,
    /// Of a kind that no time makes ordinary.
    NeverOrdinary,
    /// An operator said that it does not belong here.
    Rejected,
    /// More came in one window than is told one by one.
    Flood,
    /// More of a class came than was predicted.
    Drift,
    /// What a new version of the workload does and none before it did.
    Rollout,
}

/// The part of a container's life that a behaviour belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaselinePhase {
    /// From its start on, for a fixed time.
    Start,
    /// After that.
    Run,
}

/// How far a class of a workload is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaselineState {
    /// Nothing was watched.
    Cold,
    /// Too little is known.
    Learning,
    /// Enough for a hint.
    Provisional,
    /// Enough for an alert.
    Armed,
    /// Closed by an operator.
    Locked,
}

/// What a baseline says of the behaviour that an alert is about.
#[derive(Clone, Debug, PartialEq)]
pub struct BaselineEvidence {
    /// Why it is told.
    pub kind: BaselineKind,
    /// Whose baseline.
    pub workload: String,
    /// Class of the behaviour, by the name that it has in profiles.
    pub class: &'static str,
    /// Phase that the container was in.
    pub phase: BaselinePhase,
    /// How the class stood in that phase.
    pub state: BaselineState,
    /// Who did it; empty when it is about no single one.
    pub role: String,
    /// What it was done to, general as in profiles; empty when it is about no single one.
    pub object: String,
    /// The known object that is most like it.
    pub nearest: Option<BaselineNearest>,
    /// What was watched before.
    pub watched: BaselineExposure,
    /// What was still to be expected; `None` before anything was watched as a whole.
    pub predicted: Option<BaselinePrediction>,
    /// A rule has matched the process, or one that it descends from.
    pub tainted: bool,
    /// Behaviours that are told together; 0 when it is about a single one.
    pub count: u64,
    /// Some of them: their classes and objects.
    pub samples: Vec<String>,
}

/// A known object that is like one that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaselineNearest {
    /// It as profiles have it.
    pub pattern: String,
    /// The first segment of the new path that is not in it; `None` when the new path ends before.
    pub diverging: Option<String>,
}

/// What was watched of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaselineExposure {
    /// Whole windows, of all containers.
    pub windows: u64,
    /// Containers, 16 standing for so many or more.
    pub instances: u32,
    /// Starts of a container.
    pub starts: u64,
    /// Seconds in the windows, summed over the containers.
    pub seconds: u64,
}

/// New behaviours of a class that were still to be expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaselinePrediction {
    /// In what.
    pub per: PredictedPer,
    /// So many.
    pub expected: f64,
    /// Not more than so many, with 95 % confidence.
    pub bound: f64,
}

/// What a prediction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PredictedPer {
    /// A day of one container.
    Day,
    /// A start of a container.
    Start,
}
