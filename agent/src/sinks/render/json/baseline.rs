//! What a baseline says.

use schemars::JsonSchema;
use serde::Serialize;

use super::is_default;
use crate::proto;
use crate::sinks::render::enum_word;

/// What a baseline says of the behaviour that an alert is about.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Baseline<'a> {
    /// Why it is told: `new`, `quarantined`, `seen_once`, `returning`, `never_ordinary`, `rejected`,
    /// `flood`, `drift` or `rollout`.
    kind: String,
    /// Whose baseline: `pod NAMESPACE/OWNER/CONTAINER`, `image REPOSITORY` or `container ID`.
    workload: &'a str,
    /// Class of the behaviour: `exec`, `file_read` and so on.
    class: &'a str,
    /// Phase that the container was in: `start` or `run`.
    phase: String,
    /// How the class stood in that phase: `cold`, `learning`, `provisional`, `armed` or `locked`.
    state: String,
    /// Who did it.
    #[serde(skip_serializing_if = "str::is_empty")]
    role: &'a str,
    /// What it was done to, general as in profiles.
    #[serde(skip_serializing_if = "str::is_empty")]
    object: &'a str,
    /// The known object that is most like it.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<Nearest<'a>>,
    /// What was watched of the workload before.
    watched: Option<Watched>,
    /// New behaviours that were still to be expected; left out before anything was watched as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted: Option<Predicted>,
    /// A rule has matched the process, or one that it descends from.
    #[serde(skip_serializing_if = "is_default")]
    tainted: bool,
    /// Behaviours that are told together.
    #[serde(skip_serializing_if = "is_default")]
    count: u64,
    /// Some of them: their classes and objects.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    samples: &'a [String],
}

#[derive(Debug, JsonSchema, Serialize)]
struct Nearest<'a> {
    pattern: &'a str,
    /// The first segment of the new path that is not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    diverging: Option<&'a str>,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Watched {
    /// Whole windows, of all containers.
    windows: u64,
    /// Containers; 16 stands for so many or more.
    instances: u32,
    /// Starts of a container.
    starts: u64,
    /// Seconds in the windows, summed over the containers.
    seconds: u64,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Predicted {
    /// In what: a `day` of one container, or a `start`.
    per: String,
    expected: f64,
    /// Not more than so many, with 95 % confidence.
    bound: f64,
}

impl<'a> From<&'a proto::BaselineEvidence> for Baseline<'a> {
    fn from(evidence: &'a proto::BaselineEvidence) -> Self {
        Self {
            kind: enum_word(evidence.kind().as_str_name(), "BASELINE_KIND_"),
            workload: &evidence.workload,
            class: &evidence.class,
            phase: enum_word(evidence.phase().as_str_name(), "BASELINE_PHASE_"),
            state: enum_word(evidence.state().as_str_name(), "BASELINE_STATE_"),
            role: &evidence.role,
            object: &evidence.object,
            nearest: evidence.nearest.as_ref().map(|nearest| Nearest {
                pattern: &nearest.pattern,
                diverging: nearest.diverging.as_deref(),
            }),
            watched: evidence.watched.map(|watched| Watched {
                windows: watched.windows,
                instances: watched.instances,
                starts: watched.starts,
                seconds: watched.seconds,
            }),
            predicted: evidence.predicted.map(|predicted| Predicted {
                per: enum_word(predicted.per().as_str_name(), "PER_"),
                expected: predicted.expected,
                bound: predicted.bound,
            }),
            tainted: evidence.tainted,
            count: evidence.count,
            samples: &evidence.samples,
        }
    }
}
