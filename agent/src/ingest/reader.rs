//! The task that reads the rings.

use std::{io, path::PathBuf, time::Duration};

use aya::maps::{MapData, RingBuf};
use gravlens_common::RingState;
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::oneshot,
    task::yield_now,
    time::{Instant, sleep},
};

use super::intake::Intake;
use super::merge::Source;
use super::queue::BatchSender;
use crate::probe::{RingStatePod, Rings};

/// Longest wait between two passes while records come.
const ACTIVE_INTERVAL: Duration = Duration::from_millis(2);
/// Longest sleep while none do: a wake-up that went astray costs no more than this.
const IDLE_INTERVAL: Duration = Duration::from_millis(1000);
/// Empty passes before going to sleep.
const PASSES_TO_IDLE: u32 = 8;

/// Names a file: while it exists, the rings are not read. For tests of what watches the reader.
const STALL_VARIABLE: &str = "GRAVLENS_DEBUG_STALL_READER";
const STALL_POLL: Duration = Duration::from_millis(100);

const CRITICAL: u32 = 0;
const BULK: u32 = 1;

/// The rings cannot be read any more.
#[derive(Debug, Error)]
pub enum IngestError {
    /// The kernel refused to wait on or to mark a ring.
    #[error("cannot {what}: {source}")]
    Ring {
        /// What was tried.
        what: &'static str,
        /// The answer.
        source: io::Error,
    },
}

fn ring_error(what: &'static str) -> impl FnOnce(io::Error) -> IngestError {
    move |source| IngestError::Ring { what, source }
}

/// Reads the rings until it is told to stop, by then or until the receiver of batches is gone. The
/// word to stop carries the deadline of what follows: the hooks are detached and the rings are
/// drained.
pub async fn run(
    rings: Rings,
    batches: BatchSender,
    stop: oneshot::Receiver<Instant>,
) -> Result<(), IngestError> {
    let mut reader = Reader {
        intake: Intake::new(Ring(watch(rings.critical)?), Ring(watch(rings.bulk)?)),
        state: rings.state,
        stall: std::env::var_os(STALL_VARIABLE).map(PathBuf::from),
    };
    let deadline = tokio::select! {
        outcome = reader.follow(&batches) => return outcome,
        deadline = stop => deadline,
    };
    // Whoever was to tell is gone: there is no time to wait for.
    let deadline = deadline.unwrap_or_else(|_| Instant::now());
    reader.intake.drain(&batches, deadline).await;
    Ok(())
}

fn watch(ring: RingBuf<MapData>) -> Result<AsyncFd<RingBuf<MapData>>, IngestError> {
    // SAFETY: a `RingBuf` owns its map's descriptor, which stays open and the same until it is
    // dropped, and `AsyncFd` drops it after its registration.
    unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
        .map_err(|error| ring_error("wait on a ring")(error.into()))
}

struct Ring(AsyncFd<RingBuf<MapData>>);

impl Source for Ring {
    fn take(&mut self, with: &mut dyn FnMut(&[u8])) -> bool {
        let record = self.0.get_mut().next();
        if let Some(record) = &record {
            with(record);
        }
        record.is_some()
    }
}

struct Reader {
    intake: Intake<Ring>,
    state: aya::maps::Array<MapData, RingStatePod>,
    stall: Option<PathBuf>,
}

impl Reader {
    /// Passes without end. Dropped at any point, it has lost no record.
    async fn follow(&mut self, batches: &BatchSender) -> Result<(), IngestError> {
        let mut empty_passes = 0;
        loop {
            while self.stall.as_ref().is_some_and(|switch| switch.exists()) {
                sleep(STALL_POLL).await;
            }
            self.intake.pass(boot_ns());
            if self.intake.ready.is_empty() && self.intake.merger.len() == 0 {
                empty_passes += 1;
            } else {
                empty_passes = 0;
            }
            if !self.intake.ready.is_empty() {
                // Waits when the detection task is behind: the rings hold what comes meanwhile.
                if !self.intake.send(batches).await {
                    return Ok(());
                }
                self.mark(false)?;
            }
            if batches.is_closed() {
                return Ok(());
            }
            if self.intake.merger.has_more() {
                // A ring that waits for the other releases nothing, and so gives nobody a turn.
                yield_now().await;
                continue;
            }
            if empty_passes < PASSES_TO_IDLE {
                self.wait(ACTIVE_INTERVAL).await?;
                continue;
            }
            self.sleep(batches).await?;
            empty_passes = 0;
        }
    }

    /// Sleeps until the kernel wakes it.
    async fn sleep(&mut self, batches: &BatchSender) -> Result<(), IngestError> {
        // Say so first and look again after: a record that came in between is not missed.
        self.mark(true)?;
        if self.intake.is_empty(boot_ns()) {
            tokio::select! {
                outcome = self.wait(IDLE_INTERVAL) => outcome?,
                () = batches.closed() => {}
            }
        }
        Ok(())
    }

    /// Tells the programs whether a sleeper must be woken, and arms the fill threshold again.
    fn mark(&mut self, idle: bool) -> Result<(), IngestError> {
        let state = RingStatePod(RingState {
            idle: u32::from(idle),
            threshold_armed: 1,
        });
        for ring in [CRITICAL, BULK] {
            self.state
                .set(ring, state, 0)
                .map_err(|error| IngestError::Ring {
                    what: "mark a ring",
                    source: io::Error::other(error),
                })?;
        }
        Ok(())
    }

    async fn wait(&mut self, longest: Duration) -> Result<(), IngestError> {
        tokio::select! {
            ready = self.intake.critical.0.readable_mut() => {
                ready.map_err(ring_error("wait on a ring"))?.clear_ready();
            }
            ready = self.intake.bulk.0.readable_mut() => {
                ready.map_err(ring_error("wait on a ring"))?.clear_ready();
            }
            () = sleep(longest) => {}
        }
        Ok(())
    }
}

/// CLOCK_BOOTTIME, the clock of the records.
pub(crate) fn boot_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
