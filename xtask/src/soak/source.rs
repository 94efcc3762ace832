//! What is run, and when.

use anyhow::{Context as _, Result};

use crate::run::{answer, answer_in, workspace_root};

/// On a commit whose tree was changed.
const DIRTY: &str = "-dirty";

/// The state of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The commit, marked where the tree is not what was committed.
    pub(super) commit: String,
}

impl Source {
    /// The state of this repository.
    pub(super) fn here() -> Result<Self> {
        let git = |arguments: &[&str]| answer_in(workspace_root(), "git", arguments);
        let commit = git(&["rev-parse", "--short=12", "HEAD"]);
        let changes = git(&["status", "--porcelain"]);
        let (commit, changes) = commit
            .zip(changes)
            .context("git says no commit; a soak works on a git checkout")?;
        let mark = if changes.is_empty() { "" } else { DIRTY };
        Ok(Self {
            commit: commit + mark,
        })
    }

    /// Whether the commit says all of what is run.
    pub(super) fn is_clean(&self) -> bool {
        !self.commit.ends_with(DIRTY)
    }
}

/// The time in UTC, for people; empty where no program tells it.
pub(super) fn now() -> String {
    answer("date", &["-u", "+%Y-%m-%d %H:%M:%S UTC"]).unwrap_or_default()
}
