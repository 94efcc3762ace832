//! The sensor of a run: loaded, then attached.

use std::sync::{Arc, OnceLock};

use super::run::RunError;
use super::start::probe_options;
use crate::config::Config;
use crate::downtime::Moment;
use crate::probe::{AttachedTopic, CounterReader, Hooks, Integrity, Probe, RingMeter, Rings};

/// The programs, attached, with everything that is read from them.
pub(super) struct Attached {
    pub(super) probe: Probe,
    pub(super) meters: Vec<RingMeter>,
    pub(super) rings: Rings,
    pub(super) counters: CounterReader,
    pub(super) topics: Vec<AttachedTopic>,
    pub(super) hooks: Watching,
    pub(super) integrity: Integrity,
}

impl Attached {
    /// Loads the programs and attaches them. What `before` does between the two is nobody's event.
    pub(super) fn new<T>(
        config: &Config,
        environment: bool,
        before: impl FnOnce(&Probe) -> T,
    ) -> Result<(Self, T), RunError> {
        let mut probe = Probe::load(&probe_options(config))?;
        probe.capture_environment(environment)?;
        let meters = probe.ring_meters()?;
        let rings = probe.take_rings()?;
        let counters = probe.take_counters()?;
        let made = before(&probe);
        let (topics, hooks) = probe.attach()?;
        let integrity = probe.integrity(&hooks)?;
        let attached = Self {
            probe,
            meters,
            rings,
            counters,
            topics,
            hooks: Watching::new(hooks),
            integrity,
        };
        Ok((attached, made))
    }
}

/// The hooks while they are attached.
pub(super) struct Watching {
    hooks: Hooks,
    /// Told when they begin to be detached: from then on nobody watches.
    unwatched: Arc<OnceLock<Moment>>,
}

impl Watching {
    fn new(hooks: Hooks) -> Self {
        Self {
            hooks,
            unwatched: Arc::new(OnceLock::new()),
        }
    }

    /// When nobody watched any more; set at the end.
    pub(super) fn unwatched(&self) -> Arc<OnceLock<Moment>> {
        Arc::clone(&self.unwatched)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Set once, here.
        let _ = self.unwatched.set(Moment::now());
        self.hooks.detach();
    }
}
