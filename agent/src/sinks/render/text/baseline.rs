//! What a baseline says, for people.

use std::time::Duration;

use super::{duration, row};
use crate::alert::printable;
use crate::baseline::completeness::up;
use crate::proto;
use crate::proto::baseline_prediction::Per;
use crate::sinks::render::enum_word;

/// Adds the rows of an alert's baseline evidence.
pub(super) fn rows(out: &mut String, evidence: &proto::BaselineEvidence) {
    let kind = enum_word(evidence.kind().as_str_name(), "BASELINE_KIND_").replace('_', " ");
    let phase = enum_word(evidence.phase().as_str_name(), "BASELINE_PHASE_");
    let state = enum_word(evidence.state().as_str_name(), "BASELINE_STATE_");
    let head = format!(
        "{kind} {} of {}, {phase} phase, {state}",
        printable(&evidence.class),
        printable(&evidence.workload)
    );
    row(out, "baseline", &head);
    if !evidence.object.is_empty() {
        row(out, "object", &printable(&evidence.object));
    }
    if !evidence.role.is_empty() {
        row(out, "role", &printable(&evidence.role));
    }
    if let Some(nearest) = &evidence.nearest {
        row(out, "nearest", &self::nearest(nearest));
    }
    if let Some(watched) = &evidence.watched {
        row(out, "watched", &self::watched(watched));
    }
    if let Some(predicted) = &evidence.predicted {
        row(out, "expected", &self::predicted(predicted));
    }
    if evidence.tainted {
        row(
            out,
            "tainted",
            "a rule has matched the process, or one that it descends from",
        );
    }
}

/// The known object that is most like the new one.
pub(in crate::sinks) fn nearest(nearest: &proto::BaselineNearest) -> String {
    let pattern = printable(&nearest.pattern);
    match &nearest.diverging {
        Some(diverging) => format!("{pattern}, differs at {}", printable(diverging)),
        None => pattern.into_owned(),
    }
}

fn watched(watched: &proto::BaselineExposure) -> String {
    let least = if watched.instances >= 16 {
        "at least "
    } else {
        ""
    };
    format!(
        "{} windows in {}, {} starts, {least}{} containers",
        watched.windows,
        duration(Duration::from_secs(watched.seconds)),
        watched.starts,
        watched.instances
    )
}

fn predicted(predicted: &proto::BaselinePrediction) -> String {
    let per = match predicted.per() {
        Per::Day => "a day of one container",
        Per::Start => "a start",
        Per::Unspecified => "in a time of a later version",
    };
    format!(
        "{:.1} new {per}, at most {:.1} (95 %)",
        predicted.expected,
        up(predicted.bound)
    )
}
