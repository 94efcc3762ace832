//! Why a store cannot be used.

use std::io;
use std::path::PathBuf;

use super::FORMAT;
use crate::state_dir::StateDirError;

/// Why the store of baselines cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineStoreError {
    /// A later version wrote it.
    #[error(
        "{} was written by a newer version of the agent (format {found}; this one knows {FORMAT}): \
         run that version again, or move the file away, and learning begins anew",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// The directory.
    #[error(transparent)]
    Directory(#[from] StateDirError),
    /// SQLite or the disk.
    #[error("the store of baselines: {0}")]
    Store(#[from] rusqlite::Error),
    /// The file system.
    #[error("the store of baselines: {0}")]
    Io(#[from] io::Error),
    /// The operating system has none.
    #[error("the store of baselines: no random numbers: {0}")]
    NoRandomNumbers(#[source] io::Error),
}

impl BaselineStoreError {
    /// The file is not as it was written; else something stood in the way that may pass.
    pub(super) fn is_damage(&self) -> bool {
        use rusqlite::{Error, ErrorCode};
        match self {
            Self::Store(Error::SqliteFailure(failure, _)) => matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
            ),
            // A value of another type than was written.
            Self::Store(Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..)) => true,
            _ => false,
        }
    }
}
