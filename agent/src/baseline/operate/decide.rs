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
    /// The workload has a reviewed file, which does not have it yet.
    pub reviewed: bool,
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
        let most = self.most_bytes();
        let profile = self.profile_to_change(workload)?;
        has_role(profile, workload, behaviour, new_role)?;
        has_room(profile, workload, most)?;
        let item = decide(profile, workload, behaviour, decision, time)?;
        Ok(self.decided(workload, decision, vec![item], None))
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
        let profile = self.profile_to_change(workload)?;
        let behaviours = quarantined(profile);
        if behaviours.is_empty() {
            return Err(OperateError::NothingWaits {
                workload: workload.text().to_owned(),
            });
        }
        let items = behaviours
            .iter()
            .map(|behaviour| decide(profile, workload, behaviour, decision, time))
            .collect::<Result<Vec<_>, _>>()?;
        let restarted = (decision == Decision::Accepted).then(|| {
            // Clocks differ: it has to be after the last time.
            let since = time.max(profile.exposure().since().saturating_add(1));
            profile.exposure.restart(since);
            since
        });
        Ok(self.decided(workload, decision, items, restarted))
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

    fn most_bytes(&self) -> usize {
        Profile::ceiling(self.settings().profile_bytes).saturating_mul(ROOM)
    }

    fn decided(
        &mut self,
        workload: &Workload,
        decision: Decision,
        items: Vec<DecidedItem>,
        restarted: Option<u64>,
    ) -> Decided {
        let settings = *self.settings();
        let profile = self.profile_mut(workload);
        if restarted.is_some() {
            profile.settle_all(&settings);
        }
        Decided {
            workload: workload.clone(),
            decision,
            items,
            reviewed: profile.is_reviewed(),
            restarted,
            never_learnt: profile.count_of_all(Trust::NeverLearnt),
        }
    }
}

fn has_role(
    profile: &Profile,
    workload: &Workload,
    behaviour: &Behaviour,
    new_role: bool,
) -> Result<(), OperateError> {
    let role = &behaviour.role;
    if profile.roles.contains_key(role) {
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

fn has_room(profile: &Profile, workload: &Workload, most: usize) -> Result<(), OperateError> {
    if profile.bytes() <= most {
        return Ok(());
    }
    Err(OperateError::Full {
        workload: workload.text().to_owned(),
    })
}

fn quarantined(profile: &Profile) -> Vec<Behaviour> {
    let waiting = profile
        .behaviours()
        .filter(|(.., seen)| seen.trust() == Trust::Quarantined);
    waiting
        .map(|(role, phase, class, object, _)| Behaviour {
            role: role.clone(),
            phase,
            class,
            object,
        })
        .collect()
}

fn decide(
    profile: &mut Profile,
    workload: &Workload,
    behaviour: &Behaviour,
    decision: Decision,
    time: u64,
) -> Result<DecidedItem, OperateError> {
    let known = known(profile, behaviour);
    let item = DecidedItem {
        behaviour: behaviour.clone(),
        before: known.map(|seen| seen.trust()),
    };
    if profile.is_reviewed()
        && let Some((says, UNDATED)) = known.and_then(|seen| seen.decision())
    {
        return match says == decision {
            // The file goes on to say it, and may come to say something else.
            true => Ok(item),
            false => Err(OperateError::reviewed(workload, says)),
        };
    }
    join(profile, behaviour, decision, time);
    let said = self::known(profile, behaviour).and_then(|seen| seen.decision());
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

/// What is known of it, or of the pattern that it fits.
fn known(profile: &Profile, behaviour: &Behaviour) -> Option<Seen> {
    let behaviours = profile.roles.get(&behaviour.role)?;
    let objects = behaviours.get(behaviour.phase, behaviour.class)?;
    behaviour.found(|object| objects.get(object).copied())
}

fn join(profile: &mut Profile, behaviour: &Behaviour, decision: Decision, time: u64) {
    let mut seen = Seen::default();
    seen.decide(decision, time);
    let behaviours = profile.roles.entry(behaviour.role.clone()).or_default();
    let objects = behaviours.entry(behaviour.phase, behaviour.class);
    behaviour.found(|object| objects.put(object, &seen));
}
