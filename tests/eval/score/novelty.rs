//! What ordinary work brought that was new, and what was predicted of it.

use std::collections::{BTreeMap, BTreeSet};

use gravlens::baseline::completeness::DAY;
use gravlens::baseline::{Class, Phase, Profile, Watched};
use serde::Serialize;

use crate::plan::Plan;
use crate::play::Told;

/// A class of a workload, predicted and actual.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Honesty {
    pub(crate) phase: &'static str,
    pub(crate) class: &'static str,
    pub(crate) state: &'static str,
    pub(crate) behaviours: usize,
    /// Expected of the whole held-out time.
    pub(crate) expected: f64,
    /// With probability 95 % not more.
    pub(crate) most: u64,
    pub(crate) actual: u64,
    /// Seconds of training until the class was provisional, and armed.
    pub(crate) provisional_after: Option<f64>,
    pub(crate) armed_after: Option<f64>,
}

/// Distinct new behaviours.
pub(super) fn new(acts: &[&Watched]) -> BTreeSet<String> {
    let new = acts.iter().filter(|watched| !watched.known);
    new.map(|watched| {
        let (phase, class) = (watched.phase.name(), watched.class);
        format!("{phase} {} {class}: {}", watched.role, watched.object)
    })
    .collect()
}

/// Distinct things that were told: again and for another reason is no other.
pub(super) fn distinct<'a>(told: impl Iterator<Item = &'a Told>) -> BTreeSet<String> {
    told.map(|told| {
        let (phase, class) = (told.phase.name(), told.class);
        format!("{phase} {class} by {}: {}", told.role, told.object)
    })
    .collect()
}

/// Predictions of a profile against what the held-out time of so many hours and starts brought.
pub(super) fn honesty(
    plan: &Plan,
    profile: &Profile,
    acts: &[&Watched],
    hours: f64,
    starts: usize,
) -> Vec<Honesty> {
    let mut actual: BTreeMap<(Phase, Class), BTreeSet<(&str, &str)>> = BTreeMap::new();
    for watched in acts.iter().filter(|watched| !watched.known) {
        let of_class = actual.entry((watched.phase, watched.class)).or_default();
        of_class.insert((watched.role.text(), &watched.object));
    }
    let start_hours = starts as f64 * plan.start_phase as f64 / 3_600.0;
    let run_days = (hours - start_hours).max(0.0) * 3_600.0 / DAY as f64;
    let mut all = Vec::new();
    for view in profile.classes() {
        let actual = actual
            .get(&(view.phase, view.class))
            .map_or(0, BTreeSet::len);
        let Some(prediction) = view.prediction else {
            continue;
        };
        if view.behaviours == 0 && actual == 0 {
            continue;
        }
        let periods = match view.phase {
            Phase::Start => starts as f64,
            Phase::Run => run_days,
        };
        all.push(Honesty {
            phase: view.phase.name(),
            class: view.class.name(),
            state: view.standing.state.name(),
            behaviours: view.behaviours,
            expected: prediction.expected * periods,
            most: prediction.most(periods),
            actual: actual as u64,
            provisional_after: None,
            armed_after: None,
        });
    }
    all
}

impl Honesty {
    /// Not more came than was said.
    pub(crate) fn is_within(&self) -> bool {
        self.actual <= self.most
    }
}
