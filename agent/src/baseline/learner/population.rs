//! The instances of a workload, and how it changes as a whole.

use super::super::class::Class;
use super::super::drift::Version;
use super::super::profile::{Phase, Profile};
use super::LearnSettings;
use super::novel::Novel;
use super::rollout::Rollout;
use super::surges::Surges;

/// The instances of a workload.
#[derive(Debug, Default)]
pub(super) struct Population {
    now: u32,
    most: u32,
    surges: Surges,
    rollout: Option<Rollout>,
}

impl Population {
    pub(super) fn enter(&mut self) {
        self.now += 1;
        self.most = self.most.max(self.now);
    }

    pub(super) fn leave(&mut self) {
        self.now = self.now.saturating_sub(1);
    }

    /// Those that are alive.
    pub(super) fn live(&self) -> u32 {
        self.now
    }

    /// The most that were alive at a time.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// An instance of a version came. One that is new beside others is rolled out from now on; gives
    /// what was to be told of the one before, whose time was not over.
    pub(super) fn begin_version(
        &mut self,
        profile: &mut Profile,
        version: Version,
        now: u64,
        settings: &LearnSettings,
    ) -> Option<Novel> {
        let has_others = profile.versions.iter().next().is_some();
        let remap = profile.versions.add(version)?;
        profile.remap(&remap);
        if !has_others {
            return None;
        }
        let before = self.rollout.replace(Rollout::new(version, now, settings));
        before?.into_novel()
    }

    /// What is to be told of a version when its time is over.
    pub(super) fn take_rollout(&mut self, now: u64) -> Option<Novel> {
        if !self.rollout.as_ref()?.is_over(now) {
            return None;
        }
        self.rollout.take()?.into_novel()
    }

    /// What surges, and the version of an instance where it is new.
    pub(super) fn changes(
        &mut self,
        version: Option<Version>,
        now: u64,
    ) -> (&mut Surges, Option<&mut Rollout>) {
        let rollout = self.rollout.as_mut();
        let rollout = rollout.filter(|rollout| rollout.covers(version, now));
        (&mut self.surges, rollout)
    }

    /// Whether more comes of a class than was predicted.
    pub(super) fn is_drifting(&self, class: Class) -> bool {
        self.surges.is_on(class)
    }

    /// A window ended.
    pub(super) fn settle(&mut self, profile: &Profile, now: u64) {
        let live = self.now;
        self.surges.settle(now, |class| {
            let prediction = profile.prediction(Phase::Run, class);
            prediction.map_or(0.0, |prediction| prediction.of_workload(live).bound)
        });
    }
}
