//! How long nobody watched: a sign of life on disk, and what the next start makes of it.
//!
//! ```text
//! let (pulse, last) = downtime::begin(state_dir);
//! // ... attach the hooks ...
//! if let Some(last) = last { alerts.downtime(last.until(Moment::now())); }
//! // each second: pulse.beat();  at an orderly end: pulse.stop(None);
//! ```

#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::alert::Downtime;
use crate::state_dir;
use crate::telemetry::{Counter, Failure, boot_id};

/// Name of the file.
const FILE: &str = "heartbeat";

/// A point in time by both clocks: the wall clock may be set, the boot clock ends with the boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Which boot; `None` when nothing tells.
    pub boot_id: Option<String>,
    /// Time since that boot, suspend included.
    pub since_boot: Duration,
    /// Wall clock.
    pub wall: SystemTime,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let boot = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(boot.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(boot.tv_nsec).unwrap_or_default();
        Self {
            boot_id: Some(boot_id()).filter(|id| !id.is_empty()),
            since_boot: Duration::new(seconds, nanos),
            wall: SystemTime::now(),
        }
    }
}

/// The last sign of life of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSign {
    at: Moment,
    clean: bool,
}

impl LastSign {
    /// The time that nobody watched, `now` being when the hooks are attached.
    pub fn until(&self, now: &Moment) -> Downtime {
        let boots = self.at.boot_id.as_ref().zip(now.boot_id.as_ref());
        let same_boot = boots.map(|(then, now)| then == now);
        let from = if same_boot == Some(true) {
            // The boot clock tells the length, whatever was done to the wall clock.
            let blind = now.since_boot.saturating_sub(self.at.since_boot);
            now.wall.checked_sub(blind).unwrap_or(self.at.wall)
        } else {
            self.at.wall
        };
        Downtime {
            // Never a span that ends before it begins.
            from: from.min(now.wall),
            to: now.wall,
            clean: self.clean,
            rebooted: same_boot == Some(false),
        }
    }
}

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    boot_id: String,
    boot_ns: u64,
    wall_ns: u64,
    clean: bool,
}

const VERSION: u32 = 1;

/// More than the file ever has.
const MAX_BYTES: u64 = 4096;

/// Writes signs of life.
#[derive(Debug)]
pub struct Pulse {
    path: PathBuf,
    /// A beat of this run has outlived the page cache.
    begun: AtomicBool,
}

struct PulseFailed<'a> {
    path: &'a Path,
    error: io::Error,
}

impl Failure for PulseFailed<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("heartbeat_file_failed");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "Cannot leave a sign of life: the next start will not know how long nobody \
                       watched.",
            path = %self.path.display(),
            error = %self.error,
            total
        );
    }
}

/// The writer, and what the run before left. Nothing is written yet: were this run to end before
/// its hooks are attached, the next must count from the run before.
pub fn begin(state_dir: &Path) -> (Pulse, Option<LastSign>) {
    let path = state_dir.join(FILE);
    let last = read(&path);
    let begun = AtomicBool::new(false);
    (Pulse { path, begun }, last)
}

impl Pulse {
    /// A sign of life: call it each second while the hooks are attached.
    pub fn beat(&self) {
        // The first is durable: the disk must not go on saying that the run before ended well. A
        // later one that a power failure takes makes the gap longer, never shorter.
        let written = self.write(&Moment::now(), false, !self.begun.load(Ordering::Relaxed));
        self.begun.fetch_or(written, Ordering::Relaxed);
    }

    /// The end of an orderly run, in which nobody has watched since `unwatched`.
    pub fn stop(&self, unwatched: Option<&Moment>) {
        match unwatched {
            Some(moment) => self.write(moment, true, true),
            None => self.write(&Moment::now(), true, true),
        };
    }

    /// Whether it could be written.
    fn write(&self, now: &Moment, clean: bool, durable: bool) -> bool {
        let wall = now.wall.duration_since(SystemTime::UNIX_EPOCH);
        let content = Content {
            version: VERSION,
            boot_id: now.boot_id.clone().unwrap_or_default(),
            boot_ns: nanos(now.since_boot),
            wall_ns: nanos(wall.unwrap_or_default()),
            clean,
        };
        let written = serde_json::to_vec(&content)
            .map_err(io::Error::other)
            .and_then(|bytes| state_dir::replace(&self.path, &bytes, durable));
        match written {
            Ok(()) => true,
            Err(error) => {
                let path = &self.path;
                PulseFailed { path, error }.emit();
                false
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads the file. One that is damaged is still a sign of life, of the time it was written.
fn read(path: &Path) -> Option<LastSign> {
    let bytes = match state_dir::read(path, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            PulseFailed { path, error }.emit();
            return None;
        }
    };
    match serde_json::from_slice::<Content>(&bytes) {
        Ok(content) if content.version == VERSION => Some(LastSign {
            at: Moment {
                boot_id: Some(content.boot_id).filter(|id| !id.is_empty()),
                since_boot: Duration::from_nanos(content.boot_ns),
                wall: SystemTime::UNIX_EPOCH + Duration::from_nanos(content.wall_ns),
            },
            clean: content.clean,
        }),
        _ => Some(LastSign {
            at: Moment {
                boot_id: None,
                since_boot: Duration::ZERO,
                wall: fs::symlink_metadata(path)
                    .and_then(|file| file.modified())
                    .ok()?,
            },
            clean: false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(boot: &str, since_boot: u64, wall: u64) -> Moment {
        Moment {
            boot_id: Some(boot.into()).filter(|id: &String| !id.is_empty()),
            since_boot: Duration::from_secs(since_boot),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall),
        }
    }

    fn span(last: Moment, now: &Moment) -> (u64, u64, bool) {
        let downtime = LastSign {
            at: last,
            clean: false,
        }
        .until(now);
        let seconds = |time: SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
            since.as_secs()
        };
        (
            seconds(downtime.from),
            seconds(downtime.to),
            downtime.rebooted,
        )
    }

    #[test]
    fn within_a_boot_the_boot_clock_counts() {
        let now = moment("a", 160, 5_000);
        assert_eq!(span(moment("a", 100, 4_940), &now), (4_940, 5_000, false));
        // The wall clock was set forward by an hour meanwhile.
        assert_eq!(span(moment("a", 100, 1_340), &now), (4_940, 5_000, false));
    }

    #[test]
    fn over_a_reboot_the_wall_clock_counts() {
        let now = moment("b", 20, 5_000);
        assert_eq!(span(moment("a", 9_000, 4_000), &now), (4_000, 5_000, true));
        // The clock of the earlier boot was ahead.
        assert_eq!(span(moment("a", 9_000, 6_000), &now), (5_000, 5_000, true));
    }

    #[test]
    fn nobody_knows_of_a_reboot_without_the_id_of_both_boots() {
        let now = moment("b", 20, 5_000);
        assert_eq!(span(moment("", 9_000, 4_000), &now), (4_000, 5_000, false));
        let now = moment("", 20, 5_000);
        assert_eq!(span(moment("a", 9_000, 4_000), &now), (4_000, 5_000, false));
    }

    #[test]
    fn the_next_run_finds_what_this_one_left() {
        let directory = tempfile::tempdir().unwrap();
        let (pulse, last) = begin(directory.path());
        assert_eq!(last, None);
        pulse.beat();
        let (_, last) = begin(directory.path());
        assert!(!last.unwrap().clean);
        let unwatched = Moment::now();
        pulse.stop(Some(&unwatched));
        let (_, last) = begin(directory.path());
        let last = last.unwrap();
        assert!(last.clean);
        assert_eq!(last.at.since_boot, unwatched.since_boot);
        let downtime = last.until(&Moment::now());
        assert!(!downtime.rebooted);
        assert!(downtime.to.duration_since(downtime.from).unwrap() < Duration::from_secs(60));
    }

    #[test]
    fn a_damaged_file_is_an_unclean_exit() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "{\"version\":").unwrap();
        let (_, last) = begin(directory.path());
        let last = last.unwrap();
        assert!(!last.clean);
        assert!(!last.until(&Moment::now()).rebooted);
    }

    #[test]
    fn a_first_beat_that_failed_is_made_up_for() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("late");
        let (pulse, _) = begin(&state);
        pulse.beat();
        assert!(!pulse.begun.load(Ordering::Relaxed));
        fs::create_dir(&state).unwrap();
        pulse.beat();
        assert!(pulse.begun.load(Ordering::Relaxed) && begin(&state).1.is_some());
    }

    proptest! {
        #[test]
        fn a_span_never_ends_before_it_begins(
            same_boot: bool, boot_a: u32, wall_a: u32, boot_b: u32, wall_b: u32
        ) {
            let last = moment("a", boot_a.into(), wall_a.into());
            let now = moment(if same_boot { "a" } else { "b" }, boot_b.into(), wall_b.into());
            let downtime = LastSign { at: last, clean: true }.until(&now);
            prop_assert!(downtime.from <= downtime.to);
        }
    }
}
