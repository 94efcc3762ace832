//! Three processes on all cores open distinct files: what of the throughput is kept.

use std::path::Path;
use std::process::Stdio;

use anyhow::Result;
use gravlens::proto::EventAccount;
use integration_test::bench::stats;
use integration_test::events;
use integration_test::runtime::block_on;

use crate::account::{barrier, numbers, of_hook};
use crate::{Bench, Cli};

const PROCESSES: usize = 3;
const ROUNDS: usize = 3;

pub(crate) struct Kept {
    pub(crate) ratio: f64,
    pub(crate) attempted: u64,
    pub(crate) account: EventAccount,
}

pub(crate) fn measure(bench: &Bench, cli: &Cli) -> Result<Kept> {
    let mut kept = Vec::new();
    let mut total = EventAccount::default();
    let mut attempted = 0;
    for _ in 0..ROUNDS {
        let off = saturate(bench, cli, bench.outside.directory())?;
        let agent = block_on(bench.setup.start())?;
        let watched = saturate(bench, cli, bench.scope.directory())?;
        let status = barrier(&agent)?;
        agent.stop()?;
        kept.push(watched as f64 / off as f64);
        attempted += watched;
        events::add(&mut total, &of_hook(&status, "open"));
    }
    Ok(Kept {
        ratio: stats::median(&mut kept),
        attempted,
        account: total,
    })
}

fn saturate(bench: &Bench, cli: &Cli, cgroup: &Path) -> Result<u64> {
    let spawn = || {
        let mut command = bench.load(cgroup, "distinct", cli.seconds);
        command.arg(&bench.files).stdout(Stdio::piped()).spawn()
    };
    let children: Vec<_> = (0..PROCESSES).map(|_| spawn()).collect::<Result<_, _>>()?;
    let mut done = 0;
    for child in children {
        done += numbers(&child.wait_with_output()?)?.1;
    }
    Ok(done)
}
