//! What capture costs: CPU time of a workload without the agent (off), with it while the workload
//! is out of its scope (out), and in scope (in).
//!
//! The states alternate in blocks, forwards and backwards, and each figure is the median of the
//! blocks' ratios with a bootstrap interval. The off state is measured twice a block: the ratio of
//! the two (A/A) says what the machine's noise alone looks like. CPU time, not wall time.

mod account;
mod report;
mod stats;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use aya::sys::{Stats, enable_stats};
use clap::{Parser, ValueEnum};
use gravlens::proto::{EventAccount, GetStatusResponse};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::runtime::block_on;
use integration_test::state::State;
use integration_test::undo;

use account::{barrier, numbers, of_hook, sleeps, written};

/// Length of the folder that holds the files: the mean path is longer than 30 bytes.
const FOLDER: &str = "a-folder-with-a-usual-name";
const FILES: usize = 4096;

/// Measure what capture costs a workload, in CPU time, against the same without the agent.
#[derive(Parser)]
struct Cli {
    /// Blocks; each measures off, out, in and off again
    #[arg(long, default_value_t = 12)]
    blocks: usize,
    /// Runs per state and block, of which the least counts
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Calls of one run
    #[arg(long, default_value_t = 100_000)]
    calls: u64,
    /// Seconds of one saturation run
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = Bench::new().and_then(|bench| bench.run(&cli));
    undo::yield_to_interruption();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Off,
    OffAgain,
    Out,
    In,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Load {
    OpenClose,
    Null,
}

/// CPU time of one call in nanoseconds, by load and state, one for each block.
type Times = BTreeMap<(Load, At), Vec<f64>>;

struct Bench {
    setup: AgentSetup,
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
        let mut setup = AgentSetup::new(&state, &scope, Path::new("/nonexistent"))?;
        setup.set("docker.enabled", false);
        let files = state.run_path(FOLDER);
        fs::create_dir_all(&files)?;
        for number in 0..FILES {
            fs::write(files.join(format!("file-{number:05}")), "")?;
        }
        let own = std::env::current_exe()?;
        Ok(Self {
            setup,
            scope,
            outside,
            files,
            load: own.with_file_name("bench_load"),
            _state: state,
        })
    }

    fn run(&self, cli: &Cli) -> Result<()> {
        let mut times = Times::new();
        for block in 0..cli.blocks {
            eprintln!("block {} of {}", block + 1, cli.blocks);
            self.block(cli, block % 2 == 1, &mut times)?;
        }
        let flow = self.flow(cli)?;
        let kept = self.saturation(cli)?;
        report::print(cli.output, &times, &flow, &kept);
        Ok(())
    }

    /// One block, forwards or backwards. The agent runs between the two off states.
    fn block(&self, cli: &Cli, backwards: bool, times: &mut Times) -> Result<()> {
        let (first, second) = if backwards {
            (At::OffAgain, At::Off)
        } else {
            (At::Off, At::OffAgain)
        };
        let watched = if backwards {
            [At::In, At::Out]
        } else {
            [At::Out, At::In]
        };
        self.measure(cli, first, times)?;
        let agent = block_on(self.setup.start())?;
        for state in watched {
            self.measure(cli, state, times)?;
        }
        agent.stop()?;
        self.measure(cli, second, times)
    }

    fn measure(&self, cli: &Cli, at: At, times: &mut Times) -> Result<()> {
        for load in [Load::OpenClose, Load::Null] {
            let mut best = f64::INFINITY;
            for _ in 0..cli.runs {
                let (cpu, done) = self.call(load, self.cgroup(at), cli.calls)?;
                best = best.min(cpu as f64 / done as f64);
            }
            times.entry((load, at)).or_default().push(best);
        }
        Ok(())
    }

    fn cgroup(&self, at: At) -> &Path {
        match at {
            At::In => self.scope.directory(),
            At::Off | At::OffAgain | At::Out => self.outside.directory(),
        }
    }

    fn call(&self, load: Load, cgroup: &Path, calls: u64) -> Result<(u64, u64)> {
        let mut command = Command::new(&self.load);
        command.arg(cgroup);
        match load {
            Load::OpenClose => command
                .args(["open", &calls.to_string()])
                .arg(self.files.join("file-00007")),
            // A null call is much cheaper: more of them, for a run of a like length.
            Load::Null => command.args(["null", &(calls * 10).to_string()]),
        };
        numbers(&command.stdin(Stdio::null()).output()?)
    }

    /// How records flow: bytes, wake-ups, time in the kernel programs, both ends counted.
    fn flow(&self, cli: &Cli) -> Result<Flow> {
        let others = account::programs();
        let agent = block_on(self.setup.start())?;
        let before = barrier(&agent)?;
        let slept = sleeps(agent.pid())?;
        let started = Instant::now();
        let (_, attempted) = self.call(Load::OpenClose, self.scope.directory(), cli.calls * 3)?;
        let took = started.elapsed();
        let woken = sleeps(agent.pid())? - slept;
        let after = barrier(&agent)?;
        // By itself: to keep the time costs time.
        let counted = enable_stats(Stats::RunTime)?;
        self.call(Load::OpenClose, self.scope.directory(), cli.calls)?;
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
            path_bytes: self.files.join("file-00007").as_os_str().len(),
            programs: programs
                .into_iter()
                .filter(|(id, (_, _, runs))| !others.contains_key(id) && *runs > 0)
                .map(|(_, program)| program)
                .collect(),
        })
    }

    /// Three processes on all cores open distinct files: what of the throughput is kept.
    fn saturation(&self, cli: &Cli) -> Result<Kept> {
        let mut kept = Vec::new();
        let mut total = EventAccount::default();
        let mut attempted = 0;
        for _ in 0..3 {
            let off = self.saturate(cli, self.outside.directory())?;
            let agent = block_on(self.setup.start())?;
            let watched = self.saturate(cli, self.scope.directory())?;
            let status = barrier(&agent)?;
            agent.stop()?;
            kept.push(watched as f64 / off as f64);
            attempted += watched;
            account::add(&mut total, &of_hook(&status, "open"));
        }
        Ok(Kept {
            ratio: stats::median(&mut kept),
            attempted,
            account: total,
        })
    }

    fn saturate(&self, cli: &Cli, cgroup: &Path) -> Result<u64> {
        let spawn = || {
            Command::new(&self.load)
                .arg(cgroup)
                .args(["distinct", &cli.seconds.to_string()])
                .arg(&self.files)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
        };
        let children: Vec<_> = (0..3).map(|_| spawn()).collect::<Result<_, _>>()?;
        let mut done = 0;
        for child in children {
            done += numbers(&child.wait_with_output()?)?.1;
        }
        Ok(done)
    }
}

/// How records flow.
struct Flow {
    attempted: u64,
    delivered: u64,
    record_bytes: f64,
    wakes_per_1000: f64,
    events_per_second: f64,
    path_bytes: usize,
    /// Name, time and runs of each program that ran.
    programs: Vec<(String, Duration, u64)>,
}

/// What a saturated machine keeps of its throughput.
struct Kept {
    ratio: f64,
    attempted: u64,
    account: EventAccount,
}
