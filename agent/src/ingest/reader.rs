//! The task that reads the rings.

use std::{io, time::Duration};

use aya::maps::{MapData, RingBuf};
use gravlens_common::RingState;
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
    time::sleep,
};

use super::merge::{Batch, Merger};
use crate::probe::{RingStatePod, Rings};

/// Longest wait between two passes while records come.
const ACTIVE_INTERVAL: Duration = Duration::from_millis(4);
/// Longest sleep while none do: a wake-up that went astray costs no more than this.
const IDLE_INTERVAL: Duration = Duration::from_millis(1000);
/// Empty passes before going to sleep.
const PASSES_TO_IDLE: u32 = 8;
/// Records taken from the bulk ring in one pass, so that a flood cannot grow a batch without end.
const BULK_PER_PASS: usize = 16 * 1024;

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

/// Reads the rings until the receiver of batches is gone.
pub async fn run(rings: Rings, batches: mpsc::Sender<Batch>) -> Result<(), IngestError> {
    let mut reader = Reader {
        critical: watch(rings.critical)?,
        bulk: watch(rings.bulk)?,
        state: rings.state,
        merger: Merger::default(),
    };
    let mut empty_passes = 0;
    loop {
        let (batch, more) = reader.pass();
        if batch.is_empty() && reader.merger.len() == 0 {
            empty_passes += 1;
        } else {
            empty_passes = 0;
        }
        if !batch.is_empty() {
            // Waits when the detection task is behind: the rings hold what comes meanwhile.
            if batches.send(batch).await.is_err() {
                return Ok(());
            }
            reader.mark(false)?;
        }
        if batches.is_closed() {
            return Ok(());
        }
        if more {
            continue;
        }
        if empty_passes < PASSES_TO_IDLE {
            reader.wait(ACTIVE_INTERVAL).await?;
            continue;
        }
        // Say so first and look again after: a record that came in between is not missed.
        reader.mark(true)?;
        if reader.is_empty() {
            tokio::select! {
                outcome = reader.wait(IDLE_INTERVAL) => outcome?,
                () = batches.closed() => return Ok(()),
            }
        }
        empty_passes = 0;
    }
}

fn watch(ring: RingBuf<MapData>) -> Result<AsyncFd<RingBuf<MapData>>, IngestError> {
    // SAFETY: a `RingBuf` owns its map's descriptor, which stays open and the same until it is
    // dropped, and `AsyncFd` drops it after its registration.
    unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
        .map_err(|error| ring_error("wait on a ring")(error.into()))
}

struct Reader {
    critical: AsyncFd<RingBuf<MapData>>,
    bulk: AsyncFd<RingBuf<MapData>>,
    state: aya::maps::Array<MapData, RingStatePod>,
    merger: Merger,
}

impl Reader {
    /// One pass. Returns what is complete, and whether the bulk ring was left with records.
    fn pass(&mut self) -> (Batch, bool) {
        let now = boot_ns();
        let mut watermark = now;
        let mut taken = 0;
        while taken < BULK_PER_PASS
            && let Some(record) = self.bulk.get_mut().next()
        {
            self.merger.push(&record);
            taken += 1;
        }
        let more = taken == BULK_PER_PASS;
        let mut critical = 0;
        while let Some(record) = self.critical.get_mut().next() {
            self.merger.push(&record);
            critical += 1;
        }
        if more {
            // The rest of the bulk ring may be older than the newest critical record; records of
            // several CPUs are at most slightly out of order within a ring.
            watermark = self.merger.newest_before(critical).unwrap_or(now).min(now);
        }
        (self.merger.release(watermark), more)
    }

    fn is_empty(&mut self) -> bool {
        let mut empty = true;
        for ring in [&mut self.critical, &mut self.bulk] {
            if let Some(record) = ring.get_mut().next() {
                self.merger.push(&record);
                empty = false;
            }
        }
        empty
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
            ready = self.critical.readable_mut() => {
                ready.map_err(ring_error("wait on a ring"))?.clear_ready();
            }
            ready = self.bulk.readable_mut() => {
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
