//! What operators ask of the learner, and what they decide.
//!
//! Each operation is short: who owns the learner does it between two events. What takes longer, such
//! as reading files and writing them, is done with a profile that was cloned.
//!
//! # Precedence
//! What counts for a behaviour, the strongest first:
//!
//! 1. the word of a reviewed file;
//! 2. the word of an operator, on this node or on one whose profile was imported;
//! 3. what the agent has noted: quarantine, or that no time makes it ordinary;
//! 4. what was learnt.
//!
//! No decision is taken that a reviewed file contradicts, for it would not count: the file is to be
//! changed where it is reviewed.

mod behaviour;
mod decide;
mod error;
mod examine;
mod import;
mod in_force;
mod locking;
mod summary;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::learner::Learner;
use super::profile::Profile;
use super::workload::Workload;

pub use self::behaviour::Behaviour;
pub use self::decide::{Decided, DecidedItem};
pub use self::error::{ErrorKind, OperateError};
pub use self::examine::{Examined, examine};
pub use self::import::{TakenIn, prepare};
pub use self::locking::{Relocked, Scope};
pub use self::summary::{ClassSummary, Summary};

impl Learner {
    /// Every workload that is known, or that a reviewed file is about, in the order of the names.
    pub fn workloads(&self) -> Vec<Workload> {
        let known = self.profiles().keys().chain(self.reviewed().keys());
        let known: BTreeSet<&Workload> = known.collect();
        known.into_iter().cloned().collect()
    }

    /// What was learnt of a workload: nothing if a reviewed file alone is about it.
    ///
    /// # Errors
    /// The name is that of none.
    pub fn profile(&self, workload: &Workload) -> Result<Cow<'_, Profile>, OperateError> {
        if let Some(profile) = self.profiles().get(workload) {
            return Ok(Cow::Borrowed(profile));
        }
        if !self.reviewed().contains_key(workload) {
            return Err(OperateError::UnknownWorkload {
                asked: workload.text().to_owned(),
                known: self.workloads(),
            });
        }
        let mut profile = Profile::default();
        profile.set_reviewed(true);
        profile.settle_all(self.settings());
        Ok(Cow::Owned(profile))
    }

    /// How a workload stands at `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// The name is that of none.
    pub fn summary(&self, workload: &Workload, now: u64) -> Result<Summary, OperateError> {
        let profile = self.profile(workload)?;
        let live = self.live(workload);
        let mut summary = Summary::of(workload, &profile, live, self.settings(), now);
        summary.flags.drifting |= self.is_drifting(workload);
        Ok(summary)
    }
}
