//! Decisions: an operator says whether a behaviour belongs to its workload.
//!
//! A decision is joined to what is known, as if another node had told of it, so it makes no difference
//! which of two that are merged has it.

use super::super::evidence::{Decision, Seen, Trust};
use super::super::file::{Evidence, UNDATED};
use super::super::learner::Learner;
use super::super::profile::Profile;
use super::super::workload::Workload;
use super::behaviour::may_be_role;
use super::{Behaviour, OperateError};

/// Decisions may let a profile take so many times what it may come to take by learning.
const ROOM: usize = 4;

/// What was decided.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Of which workload.
    pub workload: Workload,
    /// What.
    pub decision: Decision,
    /// Of which behaviours, in the order of profiles.
    pub items: Vec<DecidedItem>,
    /// The workload has a reviewed file.
    pub reviewed: bool,
    /// The file says so already: nothing had to be done.
    pub by_file: bool,
    /// The exposure begins anew at this time, as the workload is another one now.
    pub restarted: Option<u64>,
    /// Behaviours that no time makes ordinary and of which nobody has decided.
    pub never_learnt: usize,
}

/// A behaviour of which was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedItem {
    /// The behaviour.
    pub behaviour: Behaviour,
    /// What it counted for before; `None` when it was not known.
    pub before: Option<Trust>,
}

impl Decided {
    fn of(
        workload: &Workload,
        profile: &Profile,
        decision: Decision,
        items: Vec<DecidedItem>,
    ) -> Self {
        Self {
            workload: workload.clone(),
            decision,
            items,
            reviewed: profile.is_reviewed(),
            by_file: false,
            restarted: None,
            never_learnt: profile.count_of_all(Trust::NeverLearnt),
        }
    }

    /// What a reviewed file has to have for the same: a reviewed file of these behaviours alone, with
    /// which it can be merged.
    pub fn patch(&self) -> String {
        let mut profile = Profile::default();
        for DecidedItem { behaviour, .. } in &self.items {
            join(&mut profile, behaviour, self.decision, UNDATED);
        }
        profile.to_yaml(&self.workload, Evidence::Without)
    }
}

impl Learner {
    /// An operator decides of a behaviour at `time`, whether it is known or not; of a role that is not
    /// known only if it is said to be a `new_role`.
    ///
    /// # Errors
    /// Workload or role are not known, or a reviewed file says the opposite.
    pub fn decide(
        &mut self,
        workload: &Workload,
        behaviour: &Behaviour,
        decision: Decision,
        time: u64,
        new_role: bool,
    ) -> Result<Decided, OperateError> {
        let profile = self.profile(workload)?;
        let file = self.reviewed().get(workload);
        has_role(&profile, file, workload, behaviour, new_role)?;
        has_room(&profile, workload, self.settings().profile_bytes)?;
        if let Some(seen) = file.and_then(|file| behaviour.known_to(file))
            && let Some((says, _)) = seen.decision()
        {
            if says != decision {
                return Err(OperateError::reviewed(workload, says));
            }
            let item = DecidedItem {
                behaviour: behaviour.clone(),
                before: Some(seen.trust()),
            };
            let mut decided = Decided::of(workload, &profile, decision, vec![item]);
            decided.by_file = true;
            return Ok(decided);
        }
        let profile = self.profile_to_change(workload)?;
        let item = decide(profile, behaviour, decision, time)?;
        Ok(Decided::of(workload, profile, decision, vec![item]))
    }

    /// An operator decides at `time` of all that is in quarantine. If it is accepted, the workload has
    /// changed: what was watched before says nothing of what is to come, and all classes arm anew.
    ///
    /// # Errors
    /// The workload is not known, or nothing is in quarantine.
    pub fn decide_quarantined(
        &mut self,
        workload: &Workload,
        decision: Decision,
        time: u64,
    ) -> Result<Decided, OperateError> {
        let profile = self.profile(workload)?;
        let behaviours = quarantined(&profile, self.reviewed().get(workload));
        if behaviours.is_empty() {
            return Err(OperateError::NothingWaits {
                workload: workload.text().to_owned(),
            });
        }
        let settings = *self.settings();
        let profile = self.profile_to_change(workload)?;
        let items = behaviours
            .iter()
            .map(|behaviour| decide(profile, behaviour, decision, time))
            .collect::<Result<Vec<_>, _>>()?;
        let mut decided = Decided::of(workload, profile, decision, items);
        if decision == Decision::Accepted {
            // Clocks differ: it has to be after the last time.
            let since = time.max(profile.exposure().since().saturating_add(1));
            profile.exposure.restart(since);
            profile.settle_all(&settings);
            decided.restarted = Some(since);
        }
        Ok(decided)
    }

    /// A profile that something is to be done to.
    pub(super) fn profile_to_change(
        &mut self,
        workload: &Workload,
    ) -> Result<&mut Profile, OperateError> {
        self.profile(workload)?;
        self.touch(workload);
        Ok(self.profile_mut(workload))
    }
}

fn has_role(
    profile: &Profile,
    file: Option<&Profile>,
    workload: &Workload,
    behaviour: &Behaviour,
    new_role: bool,
) -> Result<(), OperateError> {
    let role = &behaviour.role;
    let mut known = std::iter::once(profile).chain(file);
    if known.any(|profile| profile.roles.contains_key(role)) {
        return Ok(());
    }
    if !may_be_role(role) {
        return Err(OperateError::BadRole {
            role: role.text().to_owned(),
        });
    }
    if new_role {
        return Ok(());
    }
    Err(OperateError::UnknownRole {
        workload: workload.text().to_owned(),
        asked: role.text().to_owned(),
        known: profile.roles.keys().cloned().collect(),
    })
}

fn has_room(profile: &Profile, workload: &Workload, paths: usize) -> Result<(), OperateError> {
    if profile.bytes() <= Profile::ceiling(paths).saturating_mul(ROOM) {
        return Ok(());
    }
    Err(OperateError::Full {
        workload: workload.text().to_owned(),
    })
}

/// All that waits for a decision: of what a file has decided nothing does.
fn quarantined(profile: &Profile, file: Option<&Profile>) -> Vec<Behaviour> {
    let waiting = profile
        .behaviours()
        .filter(|(.., seen)| seen.trust() == Trust::Quarantined);
    let waiting = waiting.map(|(role, phase, class, object, _)| Behaviour {
        role: role.clone(),
        phase,
        class,
        object,
    });
    let is_decided = |behaviour: &Behaviour| {
        let said = file.and_then(|file| behaviour.known_to(file));
        said.is_some_and(|seen| seen.decision().is_some())
    };
    waiting.filter(|behaviour| !is_decided(behaviour)).collect()
}

fn decide(
    profile: &mut Profile,
    behaviour: &Behaviour,
    decision: Decision,
    time: u64,
) -> Result<DecidedItem, OperateError> {
    let before = behaviour.known_to(profile).map(|seen| seen.trust());
    let item = DecidedItem {
        behaviour: behaviour.clone(),
        before,
    };
    join(profile, behaviour, decision, time);
    let said = behaviour.known_to(profile).and_then(|seen| seen.decision());
    let Some((said, when)) = said.filter(|word| *word != (decision, time)) else {
        return Ok(item);
    };
    // Something was said of it later, by a clock that is ahead: this is the last word all the same.
    join(profile, behaviour, decision, when.saturating_add(1));
    if said != decision && when == u64::MAX {
        return Err(OperateError::Overruled);
    }
    Ok(item)
}

fn join(profile: &mut Profile, behaviour: &Behaviour, decision: Decision, time: u64) {
    let mut seen = Seen::default();
    seen.decide(decision, time);
    let behaviours = profile.roles.entry(behaviour.role.clone()).or_default();
    let objects = behaviours.entry(behaviour.phase, behaviour.class);
    behaviour.found(|object| objects.put(object, &seen));
}
