//! Data over loopback with the programs on packets and without: they are attached to the scope's
//! cgroup, so outside of it there are none.

use std::path::Path;

use anyhow::Result;
use integration_test::bench::stats::{self, Interval, median_ratio};
use integration_test::runtime::block_on;

use crate::account::numbers;
use crate::{Bench, Cli};

const ROUNDS: usize = 6;

pub(crate) struct Throughput {
    /// Bytes a second.
    pub(crate) off: f64,
    pub(crate) on: f64,
    /// CPU time of a byte, on over off.
    pub(crate) cost: Interval,
}

pub(crate) fn measure(bench: &Bench, cli: &Cli) -> Result<Throughput> {
    let agent = block_on(bench.setup.start())?;
    let (mut off, mut on) = (Rounds::default(), Rounds::default());
    for round in 0..ROUNDS {
        let mut sides = [
            (bench.outside.directory(), &mut off),
            (bench.scope.directory(), &mut on),
        ];
        if round % 2 == 1 {
            sides.reverse();
        }
        for (cgroup, rounds) in sides {
            rounds.run(bench, cli, cgroup)?;
        }
    }
    agent.stop()?;
    Ok(Throughput {
        cost: median_ratio(&on.cpu_per_byte, &off.cpu_per_byte),
        off: stats::median(&mut off.bytes_per_second),
        on: stats::median(&mut on.bytes_per_second),
    })
}

#[derive(Default)]
struct Rounds {
    bytes_per_second: Vec<f64>,
    cpu_per_byte: Vec<f64>,
}

impl Rounds {
    fn run(&mut self, bench: &Bench, cli: &Cli, cgroup: &Path) -> Result<()> {
        let (cpu, bytes) = numbers(&bench.load(cgroup, "stream", cli.seconds).output()?)?;
        self.bytes_per_second
            .push(bytes as f64 / cli.seconds as f64);
        self.cpu_per_byte.push(cpu as f64 / bytes as f64);
        Ok(())
    }
}
