//! Profiles as files: canonical YAML that a person can review in git.
//!
//! ```yaml
//! workload: image nginx
//! roles:
//!   - role: root uid0 /usr/sbin/nginx
//!     start:
//!       file_read:
//!         - /etc/nginx/nginx.conf
//!     run:
//!       net_out:
//!         - tcp {private}:5432
//!         - rejected: tcp {metadata}:80
//! evidence:
//!   ...
//! ```
//!
//! `roles` is for people: the same workload gives the same text, whenever and wherever it ran.
//! A behaviour stands as its pattern; a word in front tells what is not usual about it:
//!
//! | word | meaning |
//! |---|---|
//! | `accepted` | an operator vouches for it |
//! | `rejected` | an operator forbids it |
//! | `quarantined` | it came too late to be learnt: nobody has decided yet |
//! | `never_learnt` | no time makes it ordinary: nobody has decided yet |
//!
//! `evidence` is for machines: with it, reading a file gives the profile that was written, and files
//! merge as profiles do. It belongs to the roles as they were written: a file whose roles were
//! edited is refused until its evidence is taken out.
//!
//! A file without evidence is a reviewed one: each behaviour without a word counts as accepted, and the
//! classes of the workload are locked, so that what the file does not have is told from the start.
//! When somebody decided so, it does not tell: a decision of which the time is known outranks it
//! when the two are merged.
//!
//! Which classes operators hold is part of the evidence too. How classes stand is in neither part: it
//! follows from the evidence.

mod error;
mod events;
mod folder;
mod lines;
mod quote;
mod read;
#[cfg(test)]
pub(super) mod tests;
mod words;
mod write;

use sha2::{Digest as _, Sha256};

pub use self::error::FileError;
pub use self::folder::{
    contents, folder_digest, list_folder, merged, read_bytes, read_file, read_folder, read_reviewed,
};
pub(super) use self::quote::push_item;
pub use self::read::read;
use super::class::Class;
use super::evidence::Trust;
use super::profile::Phase;

/// Most bytes of a file.
pub const MAX_BYTES: usize = 16 << 20;
/// Most behaviours of a file.
pub const MAX_BEHAVIOURS: usize = 200_000;

/// When a decision was made of which the file tells no time: before any other.
pub const UNDATED: u64 = 0;

/// Whether a file has the part for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It can be read back and merged without loss.
    With,
    /// Who keeps the file vouches for what is in it.
    Without,
}

/// What the evidence belongs to, in short: it tells a file that was edited by mistake, not one that was
/// forged.
#[derive(Debug, Default)]
struct Fingerprint(Sha256);

impl Fingerprint {
    fn add(&mut self, role: &str, phase: Phase, class: Class, trust: Trust, text: &str) {
        for part in [role, phase.name(), class.name(), trust.name(), text] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    fn text(self) -> String {
        let digest = self.0.finalize();
        let half = digest.iter().take(8);
        half.map(|byte| format!("{byte:02x}")).collect()
    }
}
