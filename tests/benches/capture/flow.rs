//! How records flow: bytes, wake-ups, time in the kernel programs, both ends counted.

use std::time::{Duration, Instant};

use anyhow::Result;
use aya::sys::{Stats, enable_stats};
use gravlens::proto::GetStatusResponse;
use integration_test::runtime::block_on;

use crate::account::{self, barrier, of_hook, sleeps, written};
use crate::{Bench, Cli, FILE};

pub(crate) struct Flow {
    pub(crate) attempted: u64,
    pub(crate) delivered: u64,
    pub(crate) record_bytes: f64,
    pub(crate) wakes_per_1000: f64,
    pub(crate) events_per_second: f64,
    pub(crate) path_bytes: usize,
    /// Name, time and runs of each program that ran.
    pub(crate) programs: Vec<(String, Duration, u64)>,
}

pub(crate) fn measure(bench: &Bench, cli: &Cli) -> Result<Flow> {
    let others = account::programs();
    let agent = block_on(bench.setup.start())?;
    let before = barrier(&agent)?;
    let slept = sleeps(agent.pid())?;
    let started = Instant::now();
    let (_, attempted) = bench.open(bench.scope.directory(), cli.calls * 3)?;
    let took = started.elapsed();
    let woken = sleeps(agent.pid())? - slept;
    let after = barrier(&agent)?;
    // By itself: to keep the time costs time.
    let counted = enable_stats(Stats::RunTime)?;
    bench.open(bench.scope.directory(), cli.calls)?;
    let programs = account::programs();
    drop(counted);
    agent.stop()?;
    let opens = |status: &GetStatusResponse| of_hook(status, "open");
    let delivered = opens(&after).delivered - opens(&before).delivered;
    Ok(Flow {
        attempted,
        delivered,
        record_bytes: (written(&after) - written(&before)) as f64 / delivered.max(1) as f64,
        wakes_per_1000: woken as f64 * 1000.0 / delivered.max(1) as f64,
        events_per_second: delivered as f64 / took.as_secs_f64(),
        path_bytes: bench.files.join(FILE).as_os_str().len(),
        programs: programs
            .into_iter()
            .filter(|(id, (_, _, runs))| !others.contains_key(id) && *runs > 0)
            .map(|(_, program)| program)
            .collect(),
    })
}
