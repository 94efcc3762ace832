//! Ratios of CPU time.
//!
//! The states alternate in blocks, forwards and backwards, and each figure is the median of the
//! blocks' ratios with a bootstrap interval. The state without the agent is measured twice a block:
//! the ratio of the two (A/A) says what the machine's noise alone looks like.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use integration_test::bench::stats::{Interval, median_ratio};
use integration_test::events;
use integration_test::runtime::block_on;

use crate::account::{barrier, numbers};
use crate::{Bench, Cli};

/// Where the workload runs while which agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    /// There is none.
    Off,
    /// The same, at the other end of the block.
    OffAgain,
    /// Out of its scope.
    Out,
    In,
    /// The same where the agent watches 32-bit calls too.
    CompatOut,
    CompatIn,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Load {
    OpenClose,
    Null,
}

/// CPU time of one call in nanoseconds, by load and state, one for each block.
pub(crate) struct Costs(BTreeMap<(Load, At), Vec<f64>>);

impl Costs {
    /// What a load costs in a state, over what it costs without the agent.
    pub(crate) fn ratio(&self, load: Load, at: At) -> Interval {
        let of = |at| self.0.get(&(load, at)).map_or(&[][..], Vec::as_slice);
        median_ratio(of(at), of(At::Off))
    }
}

pub(crate) fn measure(bench: &Bench, cli: &Cli) -> Result<Costs> {
    let mut costs = Costs(BTreeMap::new());
    for block in 0..cli.blocks {
        eprintln!("block {} of {}", block + 1, cli.blocks);
        let mut states = [
            &[At::Off][..],
            &[At::Out, At::In],
            &[At::CompatOut, At::CompatIn],
            &[At::OffAgain],
        ];
        if block % 2 == 1 {
            states.reverse();
        }
        for states in states {
            under_one_agent(bench, cli, states, &mut costs)?;
        }
    }
    Ok(costs)
}

/// Measures states that have an agent, or none, in common.
fn under_one_agent(bench: &Bench, cli: &Cli, states: &[At], costs: &mut Costs) -> Result<()> {
    let setup = match states[0] {
        At::Off | At::OffAgain => None,
        At::Out | At::In => Some(&bench.setup),
        At::CompatOut | At::CompatIn => Some(&bench.compat),
    };
    let agent = setup.map(|setup| block_on(setup.start())).transpose()?;
    for &at in states {
        for load in [Load::OpenClose, Load::Null] {
            let least = least(bench, cli, load, at)?;
            costs.0.entry((load, at)).or_default().push(least);
        }
    }
    if let Some(agent) = agent {
        let account = barrier(&agent)?.events.unwrap_or_default();
        let lost = events::dropped(&account);
        ensure!(lost == 0, "{lost} events of {} were lost", account.seen);
        agent.stop()?;
    }
    Ok(())
}

/// The least of several runs: what disturbs one only adds to it.
fn least(bench: &Bench, cli: &Cli, load: Load, at: At) -> Result<f64> {
    let cgroup = cgroup(bench, at);
    let mut least = f64::INFINITY;
    for _ in 0..cli.runs {
        let (cpu, done) = match load {
            Load::OpenClose => bench.open(cgroup, cli.calls)?,
            // A null call is much cheaper: more of them, for a run of a like length.
            Load::Null => numbers(&bench.load(cgroup, "null", cli.calls * 10).output()?)?,
        };
        least = least.min(cpu as f64 / done as f64);
    }
    Ok(least)
}

fn cgroup(bench: &Bench, at: At) -> &Path {
    match at {
        At::In | At::CompatIn => bench.scope.directory(),
        At::Off | At::OffAgain | At::Out | At::CompatOut => bench.outside.directory(),
    }
}
