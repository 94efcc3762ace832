//! Boot time to wall-clock time.

use std::time::{Duration, SystemTime};

/// The wall-clock time of the boot, as last measured. A step of the wall clock (NTP) moves it; the
/// times of events already seen stay as they were told.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    booted: SystemTime,
}

impl WallClock {
    /// From both clocks read at one moment.
    pub(super) fn new(now: SystemTime, boot_ns: u64) -> Self {
        Self {
            booted: now
                .checked_sub(Duration::from_nanos(boot_ns))
                .unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }

    /// Wall-clock time of a boot time.
    pub(super) fn time(&self, boot_ns: u64) -> SystemTime {
        self.booted + Duration::from_nanos(boot_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_of_measurement_maps_to_itself() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let clock = WallClock::new(now, 5_000_000_000);
        assert_eq!(clock.time(5_000_000_000), now);
        assert_eq!(clock.time(6_000_000_000), now + Duration::from_secs(1));
    }
}
