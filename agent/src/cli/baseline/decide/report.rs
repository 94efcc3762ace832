//! What was decided, as a reviewed file with comments, and as JSON.

use serde::Serialize;

use super::super::words;
use crate::alert::printable;
use crate::proto::{BaselineDecision, DecideBaselineResponse, DecidedBehaviour};
use crate::sinks::render;

/// Behaviours that are told one by one.
const MAX_TOLD: usize = 20;

/// The patch, with what there is to say in front as comments.
pub(super) fn text(
    workload: &str,
    decision: BaselineDecision,
    answer: &DecideBaselineResponse,
) -> String {
    let mut text = String::new();
    let mut say = |line: &str| text.push_str(&format!("# {line}\n"));
    let plural = if answer.count == 1 { "" } else { "s" };
    say(&format!(
        "{} {} behaviour{plural} of '{}':",
        words::decided(decision),
        answer.count,
        printable(workload)
    ));
    for decided in answer.decided.iter().take(MAX_TOLD) {
        say(&format!("  {}", told(decided)));
    }
    let told = answer.decided.len().min(MAX_TOLD) as u64;
    if answer.count > told {
        say(&format!("  and {} more", answer.count - told));
    }
    if answer.restarted.is_some() {
        say("the workload counts as changed: its classes arm anew");
    }
    if answer.restarted.is_some() && answer.never_learnt > 0 {
        say(&format!(
            "{} of its behaviours never become ordinary: decide of each by itself",
            answer.never_learnt
        ));
    }
    say(match (answer.by_file, answer.reviewed) {
        (true, _) => "the reviewed file of this workload says so already",
        (false, true) => {
            "the reviewed file of this workload is to say the same: merge this into it"
        }
        (false, false) => {
            "for review, and for other nodes: this is a reviewed file of these behaviours alone"
        }
    });
    text.push_str(&answer.patch);
    text
}

fn told(decided: &DecidedBehaviour) -> String {
    let behaviour = decided.behaviour.clone().unwrap_or_default();
    format!(
        "{} {} {} of {} (was {})",
        words::phase(behaviour.phase()),
        printable(&behaviour.class),
        printable(&behaviour.object),
        printable(&behaviour.role),
        match words::trust(decided.before()).as_str() {
            "not known" => "not known".to_owned(),
            trust => trust.replace('_', " "),
        }
    )
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    workload: &'a str,
    decision: &'static str,
    count: u64,
    /// The first of them.
    decided: Vec<Decided<'a>>,
    patch: &'a str,
    reviewed: bool,
    by_file: bool,
    restarted: Option<String>,
    never_learnt: u64,
}

#[derive(Debug, Serialize)]
struct Decided<'a> {
    role: &'a str,
    phase: String,
    class: &'a str,
    object: &'a str,
    /// `null`: it was not known.
    before: Option<String>,
}

impl<'a> Document<'a> {
    pub(super) fn of(
        workload: &'a str,
        decision: BaselineDecision,
        answer: &'a DecideBaselineResponse,
    ) -> Self {
        let restarted = answer.restarted.as_ref();
        Self {
            workload,
            decision: words::decided(decision),
            count: answer.count,
            decided: answer.decided.iter().filter_map(Decided::of).collect(),
            patch: &answer.patch,
            reviewed: answer.reviewed,
            by_file: answer.by_file,
            restarted: restarted.map(|time| render::time(Some(time))),
            never_learnt: answer.never_learnt,
        }
    }
}

impl<'a> Decided<'a> {
    fn of(decided: &'a DecidedBehaviour) -> Option<Self> {
        let behaviour = decided.behaviour.as_ref()?;
        let before = words::trust(decided.before());
        Some(Self {
            role: &behaviour.role,
            phase: words::phase(behaviour.phase()),
            class: &behaviour.class,
            object: &behaviour.object,
            before: (before != "not known").then_some(before),
        })
    }
}
