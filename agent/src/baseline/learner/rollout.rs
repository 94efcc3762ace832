//! A new version of a workload: it inherits what is known of the others, and what it does beyond that
//! is told together when it has run for a while, not one by one. What is grave or worth much to an
//! attack is told at once all the same, by the caller.

use super::super::class::Class;
use super::super::drift::Version;
use super::super::role::Role;
use super::LearnSettings;
use super::novel::{Kind, Novel};
use crate::model::Container;

/// Windows for which a version is new.
const WINDOWS: u64 = 15;
/// Behaviours that are named; of the others it is told how many there are.
const NAMED: usize = 20;

/// A version that is new.
#[derive(Debug)]
pub(super) struct Rollout {
    version: Version,
    until: u64,
    /// The first behaviour that came, in whose name all are told.
    first: Option<Novel>,
    named: Vec<String>,
    count: u64,
}

impl Rollout {
    /// Begins with the first instance of a version.
    pub(super) fn new(version: Version, now: u64, settings: &LearnSettings) -> Self {
        let lasts = settings
            .start_phase
            .saturating_add(settings.window.saturating_mul(WINDOWS));
        Self {
            version,
            until: now.saturating_add(lasts),
            first: None,
            named: Vec::new(),
            count: 0,
        }
    }

    /// Whether it is about that version, and goes on.
    pub(super) fn covers(&self, version: Option<Version>, now: u64) -> bool {
        version == Some(self.version) && now < self.until
    }

    /// Whether it is over.
    pub(super) fn is_over(&self, now: u64) -> bool {
        now >= self.until
    }

    /// The version does something that none before it did.
    pub(super) fn add(&mut self, novel: Novel) {
        self.count += 1;
        if self.named.len() < NAMED {
            let Novel { class, object, .. } = &novel;
            self.named.push(format!("{class} {object}"));
        }
        self.first.get_or_insert(novel);
    }

    /// What is to be told of it, if it did anything new.
    pub(super) fn into_novel(self) -> Option<Novel> {
        let first = self.first?;
        Some(Novel {
            kind: Kind::Rollout,
            count: self.count,
            samples: self.named,
            role: Role::nobody(),
            object: String::new(),
            nearest: None,
            ..first
        })
    }
}

/// Whether what is new of a class may wait until it is told with the rest of its version.
pub(super) fn may_wait(class: Class) -> bool {
    class.worth() < TOLD_AT_ONCE
}

/// What is worth so much to an attack never waits for anything: see [`Class::worth`].
const TOLD_AT_ONCE: u8 = 4;

/// The version that a container is of; `None` when its runtime does not tell of its image. When an
/// image was made is not told, so versions are in the order of their digests.
pub(super) fn version_of(container: &Container) -> Option<Version> {
    let digest = &container.metadata()?.image_digest;
    let digits = digest.strip_prefix("sha256:")?.get(..32)?;
    let digest = u128::from_str_radix(digits, 16).ok()?;
    Some(Version { made: 0, digest })
}
