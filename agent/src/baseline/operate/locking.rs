//! Locks: an operator closes classes, whatever the numbers say, or gives them back to the numbers.

use super::super::class::Class;
use super::super::learner::Learner;
use super::super::profile::Phase;
use super::super::state::State;
use super::super::workload::Workload;
use super::OperateError;
use super::behaviour::{parse_class, parse_phase};

/// Which classes of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// In which phase; `None`: in both.
    pub phase: Option<Phase>,
    /// Which class; `None`: all of them.
    pub class: Option<Class>,
}

impl Scope {
    /// Reads what was named; an empty name stands for all.
    ///
    /// # Errors
    /// A name means nothing.
    pub fn parse(phase: &str, class: &str) -> Result<Self, OperateError> {
        let named = |name: &str| !name.is_empty();
        Ok(Self {
            phase: named(phase).then(|| parse_phase(phase)).transpose()?,
            class: named(class).then(|| parse_class(class)).transpose()?,
        })
    }

    fn has(self, phase: Phase, class: Class) -> bool {
        self.phase.is_none_or(|of| of == phase) && self.class.is_none_or(|of| of == class)
    }
}

/// A class that was locked or unlocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocked {
    /// Its phase.
    pub phase: Phase,
    /// The class.
    pub class: Class,
    /// How it stood.
    pub before: State,
    /// How it stands.
    pub now: State,
}

impl Learner {
    /// An operator locks classes of a workload at `time`, or unlocks them: then they go where their
    /// numbers put them.
    ///
    /// # Errors
    /// The workload is not known, or a reviewed file locks it.
    pub fn lock(
        &mut self,
        workload: &Workload,
        scope: Scope,
        locked: bool,
        time: u64,
    ) -> Result<Vec<Relocked>, OperateError> {
        if self.profile(workload)?.is_reviewed() && !locked {
            return Err(OperateError::LockedByFile {
                workload: workload.text().to_owned(),
            });
        }
        let settings = *self.settings();
        let profile = self.profile_to_change(workload)?;
        let mut changed: Vec<Relocked> = profile
            .classes()
            .filter(|view| scope.has(view.phase, view.class))
            .map(|view| Relocked {
                phase: view.phase,
                class: view.class,
                before: view.standing.state,
                now: view.standing.state,
            })
            .collect();
        for of in &changed {
            let lock = profile.locks.get(of.phase, of.class).then(locked, time);
            if lock.is_locked() != locked {
                return Err(OperateError::Overruled);
            }
            profile.locks.join(of.phase, of.class, lock);
        }
        profile.settle_all(&settings);
        for of in &mut changed {
            of.now = profile.standing(of.phase, of.class).state;
        }
        Ok(changed)
    }
}
