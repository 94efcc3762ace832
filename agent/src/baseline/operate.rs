//! What operators ask of the learner, and what they decide.
//!
//! Each operation is short: who owns the learner does it between two events. What takes longer, such
//! as reading files and writing them, is done with a profile that was cloned.
//!
//! # Precedence
//! What counts for a behaviour, the strongest first:
//!
//! 1. the word of an operator that has a time: on this node, or on one whose profile was imported;
//! 2. the word of a reviewed file;
//! 3. what the agent has noted: quarantine, or that no time makes it ordinary;
//! 4. what was learnt.
//!
//! No decision is taken that a reviewed file contradicts: it is to be changed where it is reviewed. So
//! the first comes before the second only where the file was changed later.

mod behaviour;
mod decide;
mod error;
mod examine;
mod import;
mod locking;
mod summary;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

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
    /// Every workload that is known, in the order of the names.
    pub fn workloads(&self) -> Vec<Workload> {
        self.profiles().keys().cloned().collect()
    }

    /// What is known of a workload.
    ///
    /// # Errors
    /// The name is that of none.
    pub fn profile(&self, workload: &Workload) -> Result<&Profile, OperateError> {
        let known = self.profiles();
        known
            .get(workload)
            .ok_or_else(|| OperateError::UnknownWorkload {
                asked: workload.text().to_owned(),
                known: self.workloads(),
            })
    }

    /// How a workload stands at `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// The name is that of none.
    pub fn summary(&self, workload: &Workload, now: u64) -> Result<Summary, OperateError> {
        let profile = self.profile(workload)?;
        let live = self.live(workload);
        Ok(Summary::of(workload, profile, live, self.settings(), now))
    }
}
