//! What the agent and the kernel say about a run.

use std::collections::BTreeMap;
use std::fs;
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aya::programs::loaded_programs;
use gravlens::proto::{EventAccount, GetStatusResponse};
use integration_test::agent::Agent;
use integration_test::client;
use integration_test::runtime::block_on;

const BARRIER_LIMIT: Duration = Duration::from_secs(60);

/// The account when nothing is under way.
pub(crate) fn barrier(agent: &Agent) -> Result<GetStatusResponse> {
    let deadline = Instant::now() + BARRIER_LIMIT;
    loop {
        let status = block_on(client::status(agent.socket()))?;
        let events = status.events.as_ref().context("no account")?;
        if events.in_flight == 0 {
            return Ok(status);
        }
        ensure!(Instant::now() < deadline, "events stay in flight");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The account of one hook over all cgroups.
pub(crate) fn of_hook(status: &GetStatusResponse, hook: &str) -> EventAccount {
    let mut total = EventAccount::default();
    for account in status.losses.iter().filter(|account| account.hook == hook) {
        if let Some(events) = &account.events {
            add(&mut total, events);
        }
    }
    total
}

pub(crate) fn add(total: &mut EventAccount, other: &EventAccount) {
    total.seen += other.seen;
    total.delivered += other.delivered;
    total.suppressed += other.suppressed;
    total.ring_full += other.ring_full;
    total.rate_limited += other.rate_limited;
    total.scratch_busy += other.scratch_busy;
    total.queue += other.queue;
    total.decode += other.decode;
    total.in_flight += other.in_flight;
}

/// Bytes that went into the rings.
pub(crate) fn written(status: &GetStatusResponse) -> u64 {
    status.rings.iter().map(|ring| ring.written_bytes).sum()
}

/// How often each thread of the agent has gone to sleep: each wake-up ends one.
pub(crate) fn sleeps(pid: u32) -> Result<u64> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        total += line
            .context("no count of switches")?
            .trim()
            .parse::<u64>()?;
    }
    Ok(total)
}

/// Time and runs of every program that is loaded now, by id.
pub(crate) fn programs() -> BTreeMap<u32, (String, Duration, u64)> {
    loaded_programs()
        .filter_map(Result::ok)
        .map(|info| {
            let name = info.name_as_str().unwrap_or("?").to_owned();
            (info.id(), (name, info.run_time(), info.run_count()))
        })
        .collect()
}

/// CPU nanoseconds and amount of work, as `bench_load` prints them.
pub(crate) fn numbers(output: &Output) -> Result<(u64, u64)> {
    if !output.status.success() {
        bail!(
            "bench_load failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let (cpu, done) = text.trim().split_once(' ').context("no two numbers")?;
    Ok((cpu.parse()?, done.parse()?))
}
