//! What capture costs: CPU time of a workload without the agent, with it while the workload is out
//! of its scope, and in scope; how records flow; what a saturated machine keeps of its throughput.
//!
//! The agent runs with its own rules and without the limit of each cgroup, so that nothing is cut.
//! Watching 32-bit calls costs every call of the machine, wherever it is made: it is off, but for
//! the rows that tell its price.

mod account;
mod costs;
mod flow;
mod report;
mod saturation;
mod throughput;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;
use clap::Parser;
use integration_test::agent::AgentSetup;
use integration_test::bench::{self, Output};
use integration_test::cgroup::TestCgroup;
use integration_test::state::State;

use account::numbers;

/// The files that are opened, below the folder of the run: each path has about 31 bytes.
const FOLDER: &str = "f";
const FILES: usize = 4096;
/// The one that is opened again and again.
const FILE: &str = "f00007";

/// Measure what capture costs a workload, in CPU time, against the same without the agent.
#[derive(Parser)]
struct Cli {
    /// Blocks; each measures every state once, the one without the agent twice
    #[arg(long, default_value_t = 12)]
    blocks: usize,
    /// Runs per state and block, of which the least counts
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Calls of one run
    #[arg(long, default_value_t = 100_000)]
    calls: u64,
    /// Seconds of one saturation run, and of one run of throughput
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    bench::conclude(Bench::new().and_then(|bench| bench.run(&cli)))
}

struct Bench {
    /// An agent that does not watch 32-bit calls.
    setup: AgentSetup,
    /// One that does.
    compat: AgentSetup,
    scope: TestCgroup,
    outside: TestCgroup,
    files: PathBuf,
    load: PathBuf,
    _state: State,
}

impl Bench {
    fn new() -> Result<Self> {
        let state = State::open()?;
        let scope = TestCgroup::new()?;
        let outside = TestCgroup::new()?;
        let agent = |compat: bool| {
            let mut setup = AgentSetup::new(&state, &scope, Path::new("/nonexistent"))?;
            setup.set("docker.enabled", false);
            setup.set("limits.events_per_second", 0);
            setup.set("sensor.compat_calls", compat);
            Ok::<_, anyhow::Error>(setup)
        };
        let (setup, compat) = (agent(false)?, agent(true)?);
        let files = state.run_path(FOLDER);
        fs::create_dir_all(&files)?;
        for number in 0..FILES {
            fs::write(files.join(format!("f{number:05}")), "")?;
        }
        let own = std::env::current_exe()?;
        Ok(Self {
            setup,
            compat,
            scope,
            outside,
            files,
            load: own.with_file_name("bench_load"),
            _state: state,
        })
    }

    fn run(&self, cli: &Cli) -> Result<()> {
        let costs = costs::measure(self, cli)?;
        let flow = flow::measure(self, cli)?;
        let kept = saturation::measure(self, cli)?;
        let throughput = throughput::measure(self, cli)?;
        report::print(cli.output, &costs, &flow, &kept, &throughput);
        Ok(())
    }

    /// A load in a cgroup.
    fn load(&self, cgroup: &Path, load: &str, amount: u64) -> Command {
        let mut command = Command::new(&self.load);
        command.arg(cgroup).arg(load).arg(amount.to_string());
        command.stdin(Stdio::null());
        command
    }

    /// Opens one file over and over; CPU nanoseconds and calls.
    fn open(&self, cgroup: &Path, calls: u64) -> Result<(u64, u64)> {
        let mut command = self.load(cgroup, "open", calls);
        numbers(&command.arg(self.files.join(FILE)).output()?)
    }
}
