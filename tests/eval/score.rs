//! What the recordings say of the learner.

mod interval;
mod novelty;
mod recall;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use gravlens::baseline::Watched;
use gravlens::baseline::Workload as Learnt;
use gravlens::baseline::state::State;
use serde::Serialize;

use crate::plan::Plan;
use crate::play::{Played, Profiles, Reached, play, rules};
use crate::recording::{Phase, capture};
use crate::reference::{self, MODES, Reference};
use crate::truth::Truth;
use crate::workloads::{self, Workload};

pub(crate) use interval::{most_an_hour, of_share, quantile};
pub(crate) use novelty::Honesty;
pub(crate) use recall::Found;

/// What was learnt with rules, or without, and what was told then.
#[derive(Debug)]
struct Round {
    profiles: Profiles,
    train: Played,
    held_out: Played,
    attacks: Played,
}

/// Recordings of some groups, played.
#[derive(Debug)]
struct Batch {
    workloads: Vec<&'static Workload>,
    off: Round,
    on: Round,
    /// What was told of attacks after such attacks while it was learnt, if that was recorded.
    poisoned_off: Option<Played>,
    poisoned_on: Option<Played>,
    train_truth: Truth,
    held_out_truth: Truth,
    attacks_truth: Truth,
}

/// A way to learn beside ours.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Beside {
    pub(crate) mode: &'static str,
    /// Distinct alerts on held-out work.
    pub(crate) novelties: usize,
    pub(crate) found: usize,
}

/// What came of a workload.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Score {
    pub(crate) workload: &'static str,
    /// Nothing was tuned by it.
    pub(crate) held_out_service: bool,
    pub(crate) train_hours: f64,
    pub(crate) held_out_hours: f64,
    pub(crate) starts: usize,
    pub(crate) attacks: usize,
    pub(crate) found_off: usize,
    pub(crate) found_on: usize,
    pub(crate) mimicry: usize,
    pub(crate) found_mimicry: usize,
    pub(crate) poison: usize,
    pub(crate) found_poisoned_off: usize,
    pub(crate) found_poisoned_on: usize,
    /// Distinct things told of held-out work in armed classes.
    pub(crate) false_armed: Vec<String>,
    /// And in all.
    pub(crate) false_all: usize,
    /// Distinct alerts of rules on held-out work.
    pub(crate) false_rules: Vec<String>,
    /// The same while it was learnt: their processes taught nothing.
    pub(crate) train_rules: Vec<String>,
    /// New behaviours of held-out work in all classes.
    pub(crate) novelties: Vec<String>,
    pub(crate) profile_bytes: usize,
    /// Classes with any behaviour, and those of them that are armed in each phase that has any.
    pub(crate) pairs: usize,
    pub(crate) armed_pairs: usize,
    /// The same when it was learnt with rules.
    pub(crate) armed_pairs_on: usize,
    pub(crate) classes: Vec<Honesty>,
    pub(crate) references: Vec<Beside>,
}

/// What came of all.
#[derive(Debug, Serialize)]
pub(crate) struct Scores {
    pub(crate) plan: Plan,
    pub(crate) seen: u64,
    pub(crate) lost: u64,
    pub(crate) workloads: Vec<Score>,
    pub(crate) attacks: Vec<Found>,
}

/// Plays the recordings of some groups that lie in these folders, and scores them.
pub(crate) fn score(plan: &Plan, folders: &[PathBuf]) -> Result<Scores> {
    let mut scores = Scores {
        plan: *plan,
        seen: 0,
        lost: 0,
        workloads: Vec::new(),
        attacks: Vec::new(),
    };
    for folder in folders {
        let batch = Batch::play(plan, folder)?;
        let rounds = [&batch.off.train, &batch.off.held_out, &batch.off.attacks];
        scores.seen += rounds.iter().map(|played| played.seen).sum::<u64>();
        scores.lost += rounds.iter().map(|played| played.lost).sum::<u64>();
        let train = batch
            .workloads
            .iter()
            .map(|workload| acts(&batch.off.train, workload));
        let references: Vec<Vec<Box<dyn Reference>>> = train
            .map(|acts| MODES.iter().map(|mode| mode.taught(&acts)).collect())
            .collect();
        let found = recall::of(&batch, &references);
        for (place, workload) in batch.workloads.iter().enumerate() {
            scores
                .workloads
                .push(batch.score(plan, workload, &references[place], &found));
        }
        scores.attacks.extend(found);
    }
    Ok(scores)
}

/// What a workload did.
fn acts<'a>(played: &'a Played, workload: &Workload) -> Vec<&'a Watched> {
    let name = workload.learnt_as();
    let all = played.watched.iter();
    all.filter(|watched| watched.workload.text() == name)
        .collect()
}

/// Rules that told of a workload.
fn ruled(played: &Played, truth: &Truth, workload: &Workload) -> Vec<String> {
    let of = |id: &str| truth.containers.get(id).map(|(name, _)| name.as_str());
    let ours = played
        .ruled
        .iter()
        .filter(|ruled| of(&ruled.container) == Some(workload.name));
    let names: BTreeSet<&str> = ours.map(|ruled| ruled.rule.as_str()).collect();
    names.into_iter().map(str::to_owned).collect()
}

impl Batch {
    fn play(plan: &Plan, folder: &std::path::Path) -> Result<Self> {
        let place = |phase: Phase| folder.join(phase.name());
        let file = |phase| capture(&place(phase));
        let settings = plan.settings();
        let round = |on: bool| -> Result<Round> {
            let rules = rules(on)?;
            let mut profiles = Profiles::new();
            let train = play(&file(Phase::Train), &rules, &settings, &mut profiles)?;
            let after = |phase| play(&file(phase), &rules, &settings, &mut profiles.clone());
            Ok(Round {
                held_out: after(Phase::HeldOut)?,
                attacks: after(Phase::Attacks)?,
                train,
                profiles,
            })
        };
        let poisoned = |on: bool| -> Result<Option<Played>> {
            if !place(Phase::Poison).is_dir() {
                return Ok(None);
            }
            let rules = rules(on)?;
            let mut profiles = Profiles::new();
            play(&file(Phase::Poison), &rules, &settings, &mut profiles)?;
            play(&file(Phase::Train), &rules, &settings, &mut profiles)?;
            play(&file(Phase::Attacks), &rules, &settings, &mut profiles).map(Some)
        };
        let train_truth = Truth::read(&place(Phase::Train))?;
        let names: BTreeSet<&str> = train_truth
            .containers
            .values()
            .map(|(name, _)| name.as_str())
            .collect();
        Ok(Self {
            workloads: names
                .iter()
                .filter_map(|name| workloads::named(name))
                .collect(),
            off: round(false)?,
            on: round(true)?,
            poisoned_off: poisoned(false)?,
            poisoned_on: poisoned(true)?,
            held_out_truth: Truth::read(&place(Phase::HeldOut))?,
            attacks_truth: Truth::read(&place(Phase::Attacks))?,
            train_truth,
        })
    }

    fn place(&self, workload: &str) -> Option<usize> {
        self.workloads.iter().position(|one| one.name == workload)
    }

    fn score(
        &self,
        plan: &Plan,
        workload: &'static Workload,
        references: &[Box<dyn Reference>],
        found: &[Found],
    ) -> Score {
        let name = workload.learnt_as();
        let found: Vec<&Found> = found
            .iter()
            .filter(|one| one.workload == workload.name)
            .collect();
        let count = |which: &dyn Fn(&Found) -> bool| found.iter().filter(|one| which(one)).count();
        let held_out = acts(&self.off.held_out, workload);
        let told = self
            .off
            .held_out
            .told
            .iter()
            .filter(|told| told.workload == name);
        let armed = told.clone().filter(|told| told.is_alert());
        let hours = self.held_out_truth.hours(workload.name);
        let starts = self.held_out_truth.count(workload.name);
        let profile = self.off.profiles.get(&Learnt::from_text(&name));
        let mut classes = profile.map_or_else(Vec::new, |profile| {
            novelty::honesty(plan, profile, &held_out, hours, starts)
        });
        reached(&self.off.train.reached, &name, &mut classes);
        let (pairs, armed_pairs) = pairs(&classes);
        let on = self.on.profiles.get(&Learnt::from_text(&name));
        let on = on.map_or_else(Vec::new, |profile| {
            novelty::honesty(plan, profile, &[], hours, starts)
        });
        let armed_pairs_on = self::pairs(&on).1;
        let beside = MODES.iter().zip(references).enumerate();
        let beside = beside.map(|(place, (mode, reference))| Beside {
            mode: mode.name,
            novelties: reference::alerts(&**reference, &held_out).len(),
            found: count(&|one| !one.mimicry && one.references.get(place) == Some(&true)),
        });
        Score {
            workload: workload.name,
            held_out_service: workload.held_out,
            train_hours: self.train_truth.hours(workload.name),
            held_out_hours: hours,
            starts: self.train_truth.count(workload.name),
            attacks: count(&|one| !one.mimicry),
            found_off: count(&|one| !one.mimicry && one.off.is_some()),
            found_on: count(&|one| !one.mimicry && one.on.is_some()),
            mimicry: count(&|one| one.mimicry),
            found_mimicry: count(&|one| one.mimicry && one.off.is_some()),
            poison: count(&|one| one.poison),
            found_poisoned_off: count(&|one| one.poison && one.poisoned_off.is_some()),
            found_poisoned_on: count(&|one| one.poison && one.poisoned_on.is_some()),
            false_armed: novelty::distinct(armed).into_iter().collect(),
            false_all: novelty::distinct(told).len(),
            false_rules: ruled(&self.on.held_out, &self.held_out_truth, workload),
            train_rules: ruled(&self.on.train, &self.train_truth, workload),
            novelties: novelty::new(&held_out).into_iter().collect(),
            profile_bytes: profile.map_or(0, gravlens::baseline::Profile::bytes),
            pairs,
            armed_pairs,
            armed_pairs_on,
            classes,
            references: beside.collect(),
        }
    }
}

/// Notes when the classes were in which state.
fn reached(reached: &Reached, workload: &str, classes: &mut [Honesty]) {
    for ((name, phase, class), states) in reached {
        let found = classes.iter_mut().find(|honesty| {
            name == workload && honesty.phase == phase.name() && honesty.class == class.name()
        });
        if let Some(honesty) = found {
            honesty.provisional_after = states.get(&State::Provisional).copied();
            honesty.armed_after = states.get(&State::Armed).copied();
        }
    }
}

/// Classes with any behaviour, and those that are armed in every phase that has any.
fn pairs(classes: &[Honesty]) -> (usize, usize) {
    let with_any = classes.iter().filter(|class| class.behaviours > 0);
    let names: BTreeSet<&str> = with_any.clone().map(|class| class.class).collect();
    let is_armed = |name: &&&str| {
        let mut phases = with_any.clone().filter(|class| class.class == **name);
        phases.all(|class| matches!(class.state, "armed" | "locked"))
    };
    (names.len(), names.iter().filter(is_armed).count())
}
