//! Boot time to wall-clock time.

use std::time::{Duration, SystemTime};

use crate::ingest::boot_ns;

/// Both clocks, read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Nanoseconds since boot, as records have it.
    pub(super) boot_ns: u64,
    /// Wall-clock time.
    pub(super) wall: SystemTime,
}

impl Reading {
    pub(super) fn now() -> Self {
        Self {
            boot_ns: boot_ns(),
            wall: SystemTime::now(),
        }
    }
}

/// The wall-clock time of the boot, as last measured. A step of the wall clock (NTP) moves it; the
/// times of events already seen stay as they were told.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    booted: SystemTime,
}

impl WallClock {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            booted: reading
                .wall
                .checked_sub(Duration::from_nanos(reading.boot_ns))
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
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let boot_ns = 5_000_000_000;
        let clock = WallClock::new(Reading { boot_ns, wall });
        assert_eq!(clock.time(5_000_000_000), wall);
        assert_eq!(clock.time(6_000_000_000), wall + Duration::from_secs(1));
    }
}
