//! An alert as JSON.

use serde::Serialize;

use super::super::list::ClassDocument;
use super::super::told::Told;
use super::super::words;
use super::story::Story;
use crate::proto::{BaselineKnowledge, GetBaselineResponse};
use crate::sinks::render::{self, enum_word};

/// What is told of an alert.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    alert: &'a str,
    time: String,
    workload: &'a str,
    role: &'a str,
    phase: String,
    class: &'a str,
    object: &'a str,
    /// Of many that are told together.
    count: u64,
    samples: &'a [String],
    kind: String,
    state: String,
    /// Sentences.
    why: Vec<String>,
    nearest: Option<Nearest<'a>>,
    /// `null`: the agent does not know the workload any more.
    now: Option<Now<'a>>,
    accept: String,
    reject: String,
}

#[derive(Debug, Serialize)]
struct Nearest<'a> {
    pattern: &'a str,
    diverging: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Now<'a> {
    reviewed: bool,
    class: Option<ClassDocument<'a>>,
    behaviour: Option<Behaviour<'a>>,
}

#[derive(Debug, Serialize)]
struct Behaviour<'a> {
    role_known: bool,
    /// `null`: it is not known.
    trust: Option<String>,
    pattern: &'a str,
    first: Option<String>,
    last: Option<String>,
    windows: u32,
    instances: u32,
    decided: Option<String>,
    by_file: bool,
}

impl<'a> Document<'a> {
    pub(super) fn of(told: &'a Told, now: Option<&'a GetBaselineResponse>) -> Self {
        let story = Story::of(told, now);
        let [accept, reject] = story.commands();
        let evidence = &told.evidence;
        Self {
            alert: &told.alert.id,
            time: render::time(told.alert.time.as_ref()),
            workload: &evidence.workload,
            role: &evidence.role,
            phase: words::phase(evidence.phase()),
            class: &evidence.class,
            object: &evidence.object,
            count: evidence.count,
            samples: &evidence.samples,
            kind: enum_word(evidence.kind().as_str_name(), "BASELINE_KIND_"),
            state: words::state(evidence.state()),
            why: story.why(),
            nearest: evidence.nearest.as_ref().map(|nearest| Nearest {
                pattern: &nearest.pattern,
                diverging: nearest.diverging.as_deref(),
            }),
            now: now.map(|now| Now {
                reviewed: now
                    .baseline
                    .as_ref()
                    .is_some_and(|baseline| baseline.reviewed),
                class: story.class().map(ClassDocument::from),
                behaviour: now.knowledge.as_ref().map(Behaviour::from),
            }),
            accept,
            reject,
        }
    }
}

impl<'a> From<&'a BaselineKnowledge> for Behaviour<'a> {
    fn from(of: &'a BaselineKnowledge) -> Self {
        let time = |time: Option<&prost_types::Timestamp>| time.map(|_| render::time(time));
        let trust = words::trust(of.trust());
        Self {
            role_known: of.role_known,
            trust: (trust != "not known").then_some(trust),
            pattern: &of.pattern,
            first: time(of.first.as_ref()),
            last: time(of.last.as_ref()),
            windows: of.windows,
            instances: of.instances,
            decided: time(of.decided.as_ref()),
            by_file: of.by_file,
        }
    }
}
