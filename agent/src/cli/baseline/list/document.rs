//! Summaries as JSON.

use serde::Serialize;

use super::super::words;
use crate::proto::{BaselineClass, BaselineSummary};
use crate::sinks::render;

/// How a workload stands.
#[derive(Debug, Serialize)]
pub(in crate::cli::baseline) struct Document<'a> {
    workload: &'a str,
    instances: u32,
    behaviours: u64,
    quarantined: u64,
    bytes: u64,
    watched: Watched,
    reviewed: bool,
    full: bool,
    stale: bool,
    drifting: bool,
    lossy: bool,
    classes: Vec<ClassDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct Watched {
    windows: u64,
    instances: u32,
    starts: u64,
    seconds: u64,
    /// When counting began anew.
    since: Option<String>,
    last: Option<String>,
}

/// How a class stands.
#[derive(Debug, Serialize)]
pub(in crate::cli::baseline) struct ClassDocument<'a> {
    phase: String,
    class: &'a str,
    state: String,
    behaviours: u64,
    quarantined: u64,
    /// A day of one container, or a start.
    expected: Option<f64>,
    bound: Option<f64>,
    eta: Option<Eta>,
    lock: Option<Lock>,
}

#[derive(Debug, Serialize)]
struct Eta {
    /// `null`: no time is enough.
    seconds: Option<u64>,
    starts: u64,
}

#[derive(Debug, Serialize)]
struct Lock {
    locked: bool,
    time: String,
}

impl<'a> From<&'a BaselineSummary> for Document<'a> {
    fn from(summary: &'a BaselineSummary) -> Self {
        let watched = summary.watched.unwrap_or_default();
        let time = |time: Option<&prost_types::Timestamp>| time.map(|_| render::time(time));
        Self {
            workload: &summary.workload,
            instances: summary.instances,
            behaviours: summary.behaviours,
            quarantined: summary.quarantined,
            bytes: summary.bytes,
            watched: Watched {
                windows: watched.windows,
                instances: watched.instances,
                starts: watched.starts,
                seconds: watched.seconds,
                since: time(summary.since.as_ref()),
                last: time(summary.last.as_ref()),
            },
            reviewed: summary.reviewed,
            full: summary.full,
            stale: summary.stale,
            drifting: summary.drifting,
            lossy: summary.lossy,
            classes: summary.classes.iter().map(ClassDocument::from).collect(),
        }
    }
}

impl<'a> From<&'a BaselineClass> for ClassDocument<'a> {
    fn from(class: &'a BaselineClass) -> Self {
        let predicted = class.predicted.as_ref();
        Self {
            phase: words::phase(class.phase()),
            class: &class.class,
            state: words::state(class.state()),
            behaviours: class.behaviours,
            quarantined: class.quarantined,
            expected: predicted.map(|predicted| predicted.expected),
            bound: predicted.map(|predicted| predicted.bound),
            eta: class.eta.as_ref().map(|eta| Eta {
                seconds: eta.seconds,
                starts: eta.starts,
            }),
            lock: class.lock.as_ref().map(|lock| Lock {
                locked: lock.locked,
                time: render::time(lock.time.as_ref()),
            }),
        }
    }
}
