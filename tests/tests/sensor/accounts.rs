//! The account of events, over cgroups that come and go.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gravlens::proto::LossAccount;
use gravlens_common::limits::{COUNTED_CGROUPS, OTHER_CGROUP};
use integration_test::offence::Offence;

use crate::Test;
use crate::bench::{Bench, remove};

pub(crate) const TESTS: &[(&str, Test)] =
    &[("accounts::those_of_removed_cgroups_balance", removed)];

/// Half of the cgroups with accounts may be gone ones; more than that make the oldest move.
const CGROUPS: u32 = COUNTED_CGROUPS / 2 + 200;
/// One in so many runs a program, and so has events of high volume; the rest has none.
const BUSY: u32 = 200;
const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(200);

fn removed(bench: &Bench) -> Result<()> {
    for number in 0..CGROUPS {
        let cgroup = bench.cgroup()?;
        if number.is_multiple_of(BUSY) {
            Offence::program("/bin/cat")
                .arg("/etc/hostname")
                .run_in(&cgroup)?;
        }
        remove(&cgroup)?;
    }
    let deadline = Instant::now() + LIMIT;
    loop {
        let status = bench.settled()?;
        let events = status.events.context("no account")?;
        ensure!(events.seen == events.delivered, "off: {events:?}");
        let moved = |account: &&LossAccount| account.cgroup_id == OTHER_CGROUP;
        let moved = status.losses.iter().filter(moved);
        let moved: u64 = moved
            .filter_map(|account| account.events)
            .map(|events| events.seen)
            .sum();
        // Each was made and removed.
        if moved >= 2 * u64::from(CGROUPS - COUNTED_CGROUPS / 2) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "only {moved} events have moved");
        std::thread::sleep(POLL);
    }
}
