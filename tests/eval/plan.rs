//! How long what is watched, and when a class may be called complete.

use std::time::Duration;

use gravlens::baseline::LearnSettings;
use serde::{Deserialize, Serialize};

/// A run's measures. All times are real: no clock is stretched.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Containers of each workload while it is learnt.
    pub(crate) replicas: usize,
    /// Seconds that they are watched.
    pub(crate) train: u64,
    /// Containers of each workload that show what ordinary work is told of.
    pub(crate) held_out_replicas: usize,
    /// Seconds that these are watched.
    pub(crate) held_out: u64,
    /// Containers of each workload that are attacked.
    pub(crate) attacked: usize,
    /// Seconds of a window.
    pub(crate) window: u64,
    /// Seconds of the start phase.
    pub(crate) start_phase: u64,
    /// New behaviours a day of one container that an armed class may have.
    pub(crate) arm_bound: f64,
    /// Seconds that must have been watched before a class is armed.
    pub(crate) horizon: u64,
    /// Seconds between two requests of a user.
    pub(crate) pace: f64,
    /// Seconds between two things that operators do to a container.
    pub(crate) upkeep: u64,
}

impl Plan {
    /// What the table in `docs/baselines.md` is made from.
    pub(crate) const LONG: Self = Self {
        replicas: 10,
        train: 35 * 60,
        held_out_replicas: 10,
        held_out: 27 * 60,
        attacked: 3,
        window: 60,
        start_phase: 60,
        arm_bound: 24.0,
        horizon: 20 * 60,
        pace: 2.0,
        upkeep: 120,
    };
    /// What asserts that all of it works.
    pub(crate) const SHORT: Self = Self {
        replicas: 2,
        train: 50,
        held_out_replicas: 1,
        held_out: 20,
        attacked: 3,
        window: 3,
        start_phase: 5,
        arm_bound: 20_000.0,
        horizon: 20,
        pace: 0.25,
        upkeep: 12,
    };

    /// How to learn.
    pub(crate) fn settings(&self) -> LearnSettings {
        let mut settings = LearnSettings {
            window: self.window,
            start_phase: self.start_phase,
            ..LearnSettings::default()
        };
        settings.state.arm_bound = self.arm_bound;
        settings.state.horizon = self.horizon;
        settings
    }

    /// From one attack of a container to its next: what is told once in a window is told of each.
    pub(crate) fn spacing(&self) -> Duration {
        Duration::from_secs(self.window + 1)
    }
}
