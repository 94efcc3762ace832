//! Profiles of replicas and nodes, put together.

use super::super::class::Class;
use super::super::drift::Remap;
use super::{Behaviours, Phase, Profile};

impl Profile {
    /// Takes in what another one knows of the same workload: commutative, associative and
    /// idempotent. How the classes stand is to be settled anew.
    pub fn merge(&mut self, other: &Self) {
        let (own, others) = self.versions.merge(&other.versions);
        self.remap(&own);
        let mut other = other.clone();
        other.remap(&others);
        self.exposure.merge(&other.exposure);
        self.locks.merge(&other.locks);
        self.reviewed |= other.reviewed;
        for (role, behaviours) in &other.roles {
            self.roles
                .entry(role.clone())
                .or_default()
                .merge(behaviours);
        }
    }

    /// [`Self::merge`] where the other one may know much more: what that costs depends on this one.
    /// How the classes stand is to be settled anew.
    pub(in crate::baseline) fn take_in(&mut self, mut other: Self) {
        other.merge(self);
        *self = Self {
            exposure: other.exposure,
            versions: other.versions,
            locks: other.locks,
            roles: other.roles,
            reviewed: other.reviewed,
            full: self.full || other.full,
            ..std::mem::take(self)
        };
    }

    /// Moves the bits of every behaviour after the list of versions has changed.
    pub(in crate::baseline) fn remap(&mut self, remap: &Remap) {
        for behaviours in self.roles.values_mut() {
            for objects in behaviours.0.iter_mut().flatten().flatten() {
                objects.each_mut(|seen| seen.versions = remap.apply(seen.versions));
            }
        }
    }
}

impl Behaviours {
    fn merge(&mut self, other: &Self) {
        for phase in Phase::ALL {
            for class in Class::ALL {
                if let Some(objects) = other.get(phase, class) {
                    self.entry(phase, class).merge(objects);
                }
            }
        }
    }
}
