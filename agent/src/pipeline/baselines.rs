//! The baselines of a run: from where the learner begins, where what it learns is kept, and what
//! reviewed files say meanwhile.
//!
//! ```text
//! store ─> learner (detection task) ─[changed profiles: next time]─> keeper ─> store
//! reviewed files ─> review ─[what they say: wait]─> learner
//! ```

mod keeper;
mod review;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::baseline::file::FileError;
use crate::baseline::store::{BaselineStore, BaselineStoreError};
use crate::baseline::{LearnSettings, Learner, state};
use crate::config;
use crate::telemetry::BaselineFacts;

pub(super) use keeper::{Changed, Keeper, keeper};
pub(super) use review::{Review, Reviewed};

/// Why baselines cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The store.
    #[error(transparent)]
    Store(#[from] BaselineStoreError),
    /// A reviewed file.
    #[error(
        "{0}\nThe agent does not start with reviewed baselines that it cannot use: mend the file, or take it out of baselines.dir"
    )]
    Refused(#[from] FileError),
}

/// What a run begins with.
pub(super) struct Baselines {
    pub(super) learner: Learner,
    pub(super) store: BaselineStore,
    pub(super) reviewed: Reviewed,
    pub(super) facts: BaselineFacts,
    /// What of the store is lost, in sentences.
    pub(super) lost: Vec<String>,
}

/// Opens the store in the state directory and reads the reviewed files; `None` when baselines are
/// switched off.
///
/// # Errors
/// Either cannot be used.
pub(super) fn open(
    settings: &config::Baselines,
    state_dir: &Path,
) -> Result<Option<Baselines>, BaselineError> {
    if !settings.enabled {
        return Ok(None);
    }
    let reviewed = Reviewed::read(settings.dir.as_deref())?;
    let (store, kept) = BaselineStore::open(state_dir)?;
    tracing::info!(
        message = "The baselines are open.",
        learnt = kept.profiles.len(),
        reviewed = reviewed.profiles.len(),
    );
    let facts = BaselineFacts {
        learnt_workloads: kept.profiles.len(),
        reviewed_workloads: reviewed.profiles.len(),
        reviewed_digest: reviewed.digest.clone(),
    };
    let settings = LearnSettings {
        node: kept.node,
        ..learn_settings(settings)
    };
    let mut learner = Learner::new(settings, kept.profiles);
    learner.review(reviewed.profiles.clone());
    Ok(Some(Baselines {
        learner,
        store,
        reviewed,
        facts,
        lost: kept.lost,
    }))
}

/// How to learn, but for who does.
pub(crate) fn learn_settings(settings: &config::Baselines) -> LearnSettings {
    LearnSettings {
        window: settings.window.as_secs(),
        start_phase: settings.start_phase.as_secs(),
        state: state::Settings {
            arm_bound: settings.arm_per_day.into(),
            horizon: settings.horizon.as_secs(),
            ..state::Settings::default()
        },
        profile_bytes: settings.profile_bytes,
        starts_waived: settings.waive_starts,
        ..LearnSettings::default()
    }
}
