//! Profiles of other nodes, taken in.

use super::super::learner::{LearnSettings, Learner};
use super::super::profile::Profile;
use super::super::workload::Workload;
use super::OperateError;

/// Workloads that may be known after an import; what the node itself runs has no bound here.
const MAX_WORKLOADS: usize = 10_000;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenIn {
    /// Behaviours that were known before; `None`: the workload was not known.
    pub before: Option<usize>,
    /// Behaviours that are known now.
    pub now: usize,
}

/// Makes a profile no larger than those of this node are, so that taking it in is short.
pub fn prepare(profile: &mut Profile, settings: &LearnSettings) {
    profile.settle_all(settings);
}

impl Learner {
    /// Takes in what another node knows of a workload: of a profile that was [prepared](prepare).
    ///
    /// # Errors
    /// Too many workloads are known.
    pub fn take_in(
        &mut self,
        workload: &Workload,
        other: Profile,
    ) -> Result<TakenIn, OperateError> {
        let before = self.profiles().get(workload).map(count);
        if before.is_none() && self.profiles().len() >= MAX_WORKLOADS {
            return Err(OperateError::TooManyWorkloads {
                most: MAX_WORKLOADS,
            });
        }
        let settings = *self.settings();
        self.touch(workload);
        let profile = self.profile_mut(workload);
        profile.take_in(other);
        profile.settle_all(&settings);
        let now = count(profile);
        Ok(TakenIn { before, now })
    }
}

fn count(profile: &Profile) -> usize {
    profile.classes().map(|view| view.behaviours).sum()
}
