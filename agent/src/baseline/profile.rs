//! What is known of a workload.

mod merge;
mod objects;
mod shrink;
mod size;

use std::collections::BTreeMap;

pub(super) use self::objects::{Found, Objects};
use super::class::Class;
use super::completeness::{Incidence, Prediction, Unit};
use super::drift::Versions;
use super::evidence::{Exposure, Seen, Trust};
use super::learner::LearnSettings;
use super::lock::Locks;
use super::role::Role;
use super::state::{Case, Eta, Flags, Standing, State, next};

/// The part of an instance's life that a behaviour belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// From its start on, for a fixed time.
    Start,
    /// After that.
    Run,
}

impl Phase {
    /// Both, in the order of profiles.
    pub const ALL: [Self; 2] = [Self::Start, Self::Run];

    /// Its name in profiles and alerts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Run => "run",
        }
    }

    /// The phase of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// What is counted in it.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Start => Unit::Start,
            Self::Run => Unit::Window,
        }
    }
}

/// The objects of one role in one phase, by class.
#[derive(Clone, Debug, Default)]
pub(super) struct Behaviours([[Option<Box<Objects>>; Class::ALL.len()]; Phase::ALL.len()]);

impl Behaviours {
    pub(super) fn get(&self, phase: Phase, class: Class) -> Option<&Objects> {
        self.0[phase as usize][class.index()].as_deref()
    }

    pub(super) fn get_mut(&mut self, phase: Phase, class: Class) -> Option<&mut Objects> {
        self.0[phase as usize][class.index()].as_deref_mut()
    }

    pub(super) fn entry(&mut self, phase: Phase, class: Class) -> &mut Objects {
        self.0[phase as usize][class.index()].get_or_insert_with(|| Box::new(Objects::of(class)))
    }

    fn all(&self) -> impl Iterator<Item = &Objects> {
        self.0.iter().flatten().flatten().map(|objects| &**objects)
    }
}

/// All that is known of a workload: a join-semilattice, but for the standings, which follow from the
/// rest and from what was before.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    pub(super) exposure: Exposure,
    pub(super) versions: Versions,
    /// Classes that operators hold.
    pub(super) locks: Locks,
    pub(super) roles: BTreeMap<Role, Behaviours>,
    standings: [[Standing; Class::ALL.len()]; Phase::ALL.len()],
    predictions: [[Option<Prediction>; Class::ALL.len()]; Phase::ALL.len()],
    /// What the classes may claim of guarded paths alone. It follows from the rest.
    guarded: [[Claim; Class::ALL.len()]; Phase::ALL.len()],
    /// It has become too large once, and patterns are coarser since.
    full: bool,
    /// What held beside the states when they were settled last.
    flags: [Flags; Phase::ALL.len()],
    /// For how many bytes paths are made coarser, when the settings are known.
    path_bytes: Option<usize>,
    /// Bytes of paths, when they were still too many after all was done.
    least: usize,
    /// Of what a file says: it is a reviewed one. Of what was learnt: there is such a file of the
    /// workload, and it says all that the workload may do. No file that is written tells of it.
    reviewed: bool,
}

/// What may be claimed.
#[derive(Clone, Copy, Debug, Default)]
struct Claim {
    standing: Standing,
    prediction: Option<Prediction>,
}

/// How a class of a workload stands in a phase.
#[derive(Clone, Copy, Debug)]
pub struct ClassView<'a> {
    /// The class.
    pub class: Class,
    /// The phase.
    pub phase: Phase,
    /// Its state.
    pub standing: Standing,
    /// What is still to be expected; `None` before the first whole unit.
    pub prediction: Option<&'a Prediction>,
    /// Behaviours that are kept.
    pub behaviours: usize,
}

impl Profile {
    /// What was watched.
    pub fn exposure(&self) -> &Exposure {
        &self.exposure
    }

    /// How its classes stand, those without any behaviour included.
    pub fn classes(&self) -> impl Iterator<Item = ClassView<'_>> {
        Phase::ALL.into_iter().flat_map(move |phase| {
            Class::ALL.into_iter().map(move |class| ClassView {
                class,
                phase,
                standing: self.standing(phase, class),
                prediction: self.predictions[phase as usize][class.index()].as_ref(),
                behaviours: self.seen(phase, class).count(),
            })
        })
    }

    /// Every behaviour, in canonical order: role, phase, class and pattern. Of two with one pattern, of
    /// which one is learnt and the other kept apart, the learnt one comes first.
    pub fn behaviours(&self) -> impl Iterator<Item = (&Role, Phase, Class, String, &Seen)> {
        self.roles.iter().flat_map(|(role, behaviours)| {
            Phase::ALL.into_iter().flat_map(move |phase| {
                Class::ALL.into_iter().flat_map(move |class| {
                    let objects = behaviours.get(phase, class);
                    let patterns = objects.into_iter().flat_map(Objects::patterns);
                    patterns.map(move |(pattern, seen)| (role, phase, class, pattern, seen))
                })
            })
        })
    }

    /// It has become too large once, and patterns are coarser since.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// What held beside the states of a phase when its last unit ended.
    pub fn flags(&self, phase: Phase) -> Flags {
        self.flags[phase as usize]
    }

    /// Classes that operators hold.
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    pub(super) fn standing(&self, phase: Phase, class: Class) -> Standing {
        self.standings[phase as usize][class.index()]
    }

    /// How a class stood in an earlier run.
    pub(super) fn set_standing(&mut self, phase: Phase, class: Class, standing: Standing) {
        self.standings[phase as usize][class.index()] = standing;
    }

    /// It has become too large in an earlier run.
    pub(super) fn set_full(&mut self) {
        self.full = true;
    }

    /// A reviewed file says all that the workload may do, or no longer does.
    pub(super) fn set_reviewed(&mut self, reviewed: bool) {
        self.reviewed = reviewed;
    }

    /// A reviewed file says all that the workload may do.
    pub fn is_reviewed(&self) -> bool {
        self.reviewed
    }

    /// What is known of an object of a role.
    pub(super) fn known(
        &self,
        role: &Role,
        phase: Phase,
        class: Class,
        object: Found<'_>,
    ) -> Option<Seen> {
        let behaviours = self.roles.get(role)?;
        behaviours.get(phase, class)?.get(object).copied()
    }

    pub(super) fn prediction(&self, phase: Phase, class: Class) -> Option<&Prediction> {
        self.predictions[phase as usize][class.index()].as_ref()
    }

    /// What may be claimed of a guarded path, and by which prediction. Such paths are few and an attack
    /// needs them, so they are a class of their own as well: that other files keep coming does not keep
    /// them from being told.
    pub(super) fn of_guarded(&self, phase: Phase, class: Class) -> (State, Option<&Prediction>) {
        let claim = &self.guarded[phase as usize][class.index()];
        let state = self.standing(phase, class).state;
        if claim.standing.state > state {
            (claim.standing.state, claim.prediction.as_ref())
        } else {
            (state, self.prediction(phase, class))
        }
    }

    /// Estimates anew what is to come in a phase, after a unit of it has ended, and lets the classes
    /// go where that puts them.
    pub(super) fn settle(&mut self, phase: Phase, flags: Flags, settings: &LearnSettings) {
        self.path_bytes = Some(settings.profile_bytes);
        self.full |= self.shrink(settings.profile_bytes);
        let flags = Flags {
            full: self.full,
            ..flags
        };
        self.flags[phase as usize] = flags;
        for class in Class::ALL {
            let since = self.exposure.since();
            let incidence = Incidence::tally(self.seen(phase, class), since);
            let prediction = Prediction::new(phase.unit(), incidence, &self.exposure);
            self.predictions[phase as usize][class.index()] = prediction;
            if class.is_of_files() {
                let incidence = Incidence::tally(self.seen_guarded(phase, class), since);
                let prediction = Prediction::new(phase.unit(), incidence, &self.exposure);
                self.guarded[phase as usize][class.index()].prediction = prediction;
            }
        }
        self.stand(phase, settings);
        if phase == Phase::Run {
            // What starting is waits for the horizon too, and nobody may start any more.
            self.stand(Phase::Start, settings);
        }
    }

    /// Lets the classes go where their predictions put them.
    fn stand(&mut self, phase: Phase, settings: &LearnSettings) {
        let flags = self.flags[phase as usize];
        for class in Class::ALL {
            let place = (phase as usize, class.index());
            let go = |from, prediction: &Option<Prediction>| {
                let case = self.case((phase, class), prediction.as_ref(), flags, settings);
                next(from, &case, &settings.state)
            };
            let claim = self.guarded[place.0][place.1];
            let standing = go(
                self.standing(phase, class),
                &self.predictions[place.0][place.1],
            );
            let guarded = go(claim.standing, &claim.prediction);
            self.standings[place.0][place.1] = standing;
            self.guarded[place.0][place.1].standing = guarded;
        }
    }

    /// Lets all classes go where what is known puts them, as after a unit in which nothing came.
    pub(super) fn settle_all(&mut self, settings: &LearnSettings) {
        for phase in Phase::ALL {
            self.settle(phase, self.flags(phase), settings);
        }
    }

    /// How many behaviours of a class count for that.
    pub fn count_of(&self, phase: Phase, class: Class, trust: Trust) -> usize {
        let seen = self.seen(phase, class);
        seen.filter(|seen| seen.trust() == trust).count()
    }

    /// How many behaviours of all classes do.
    pub fn count_of_all(&self, trust: Trust) -> usize {
        let classes = Phase::ALL.into_iter();
        classes
            .flat_map(|phase| Class::ALL.map(|class| self.count_of(phase, class, trust)))
            .sum()
    }

    /// What a class still needs to be armed, if nothing new comes any more and `live` instances go
    /// on; `None` before the first whole unit.
    pub fn eta(
        &self,
        phase: Phase,
        class: Class,
        live: u32,
        settings: &LearnSettings,
    ) -> Option<Eta> {
        let prediction = self.prediction(phase, class)?;
        let case = self.case((phase, class), Some(prediction), Flags::default(), settings);
        Some(case.eta(prediction, &settings.state, live))
    }

    fn case<'a>(
        &'a self,
        (phase, class): (Phase, Class),
        prediction: Option<&'a Prediction>,
        flags: Flags,
        settings: &LearnSettings,
    ) -> Case<'a> {
        Case {
            exposure: &self.exposure,
            prediction,
            flags,
            starts_waived: settings.starts_waived,
            locked: self.reviewed || self.locks.get(phase, class).is_locked(),
        }
    }

    fn seen_guarded(&self, phase: Phase, class: Class) -> impl Iterator<Item = &Seen> {
        let roles = self.roles.values();
        roles
            .filter_map(move |behaviours| behaviours.get(phase, class))
            .flat_map(Objects::seen_guarded)
    }

    fn seen(&self, phase: Phase, class: Class) -> impl Iterator<Item = &Seen> {
        let roles = self.roles.values();
        roles
            .filter_map(move |behaviours| behaviours.get(phase, class))
            .flat_map(Objects::seen)
    }
}
