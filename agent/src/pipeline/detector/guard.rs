//! The sensor's watch over itself.

use std::time::Duration;

use gravlens_common::{BulkContext, Hook};

use super::Detector;
use crate::alert::SensorFinding;
use crate::canary::{Change, Watch};
use crate::decode::Context;
use crate::probe::Integrity;
use crate::telemetry::{CanaryStatus, Counter, Failure, IntegrityStatus};

/// Time from one look at links and maps to the next.
const LOOK_INTERVAL_NS: u64 = 3_000_000_000;

/// What watches the sensor.
#[derive(Debug)]
pub(in crate::pipeline) struct Guard {
    /// The canary, or why there is none.
    canary: Result<Watch, String>,
    /// A replay has none.
    integrity: Option<Integrity>,
    looked_ns: u64,
    /// What the last look found, all of it told.
    faults: Vec<String>,
}

struct HookBlind {
    hook: Hook,
}

impl Failure for HookBlind {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("sensor_blind");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "A hook does not tell of the canary any more.",
            hook = self.hook.name(),
            total
        );
    }
}

struct Tampered<'a> {
    what: &'a str,
}

impl Failure for Tampered<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("sensor_tampered");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "The sensor was tampered with.",
            what = self.what,
            total
        );
    }
}

impl Guard {
    pub(in crate::pipeline) fn new(
        canary: Result<Watch, String>,
        integrity: Option<Integrity>,
    ) -> Self {
        Self {
            canary,
            integrity,
            looked_ns: 0,
            faults: Vec::new(),
        }
    }

    pub(super) fn integrity_status(&self, now_ns: u64) -> IntegrityStatus {
        let size = self.integrity.as_ref().map(Integrity::size);
        let (links, maps) = size.unwrap_or_default();
        IntegrityStatus {
            links: links as u64,
            maps: maps as u64,
            age_ms: now_ns.saturating_sub(self.looked_ns) / 1_000_000,
            faults: self.faults.clone(),
        }
    }

    /// Age of the oldest sign of the canary.
    pub(super) fn canary_age(&self, now_ns: u64) -> Option<Duration> {
        let watch = self.canary.as_ref().ok()?;
        watch.oldest_age_ns(now_ns).map(Duration::from_nanos)
    }

    pub(super) fn canary_status(&self, now_ns: u64) -> CanaryStatus {
        match &self.canary {
            Ok(watch) => watch.status(now_ns),
            Err(why) => CanaryStatus {
                off: Some(why.clone()),
                ..CanaryStatus::default()
            },
        }
    }

    /// Whether a critical record is the canary's; if so its hook has shown that it sees.
    pub(super) fn is_canary(&mut self, context: &Context, hook: Hook, boot_ns: u64) -> bool {
        let Ok(watch) = &mut self.canary else {
            return false;
        };
        let own = watch.is_process(context);
        if own {
            watch.saw(hook, boot_ns);
        }
        own
    }

    /// The same for a bulk record.
    pub(super) fn is_canary_thread(
        &mut self,
        context: &BulkContext,
        hook: Hook,
        boot_ns: u64,
    ) -> bool {
        let Ok(watch) = &mut self.canary else {
            return false;
        };
        let own = watch.is_thread(context);
        if own {
            watch.saw(hook, boot_ns);
        }
        own
    }

    /// The canary's cgroup.
    pub(super) fn canary_cgroup(&self) -> Option<u64> {
        self.canary.as_ref().ok().map(Watch::cgroup_id)
    }
}

impl Detector {
    /// Tells of links and maps that are not as they were made, each fault once while it lasts.
    pub(super) fn look_at_links(&mut self) {
        let guard = &mut self.guard;
        if guard.looked_ns + LOOK_INTERVAL_NS > self.now_ns {
            return;
        }
        guard.looked_ns = self.now_ns;
        let Some(integrity) = &guard.integrity else {
            return;
        };
        let mut faults = integrity.faults();
        faults.retain(|fault| {
            if guard.faults.contains(fault) {
                return true;
            }
            // One that finds no room is found again by the next look.
            let told = self.alerts.sensor(SensorFinding::tampered(fault));
            if told {
                Tampered { what: fault }.emit();
            }
            told
        });
        guard.faults = faults;
    }

    /// Tells of hooks that went blind or see again. Once a second.
    pub(super) fn look_at_canary(&mut self) {
        let Ok(watch) = &mut self.guard.canary else {
            return;
        };
        let alerts = &self.alerts;
        watch.check(self.now_ns, |change| {
            let Change {
                hook,
                blind,
                age_ns,
            } = change;
            let told = alerts.sensor(if blind {
                SensorFinding::blind(hook.name(), age_ns / 1_000_000_000)
            } else {
                SensorFinding::sees_again(hook.name())
            });
            if told && blind {
                HookBlind { hook }.emit();
            }
            told
        });
    }
}
