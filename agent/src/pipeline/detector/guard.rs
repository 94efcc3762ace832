//! The sensor's watch over itself.

use gravlens_common::{BulkContext, Hook};

use super::Detector;
use crate::alert::SensorFinding;
use crate::canary::{Change, Watch};
use crate::decode::Context;
use crate::telemetry::{CanaryStatus, Counter, Failure};

/// What watches the sensor.
#[derive(Debug)]
pub(in crate::pipeline) struct Guard {
    /// The canary, or why there is none.
    pub(in crate::pipeline) canary: Result<Watch, String>,
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

impl Guard {
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
