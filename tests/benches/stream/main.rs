//! How fast alerts reach a subscriber: from memory, through the files of the spool, and how long an
//! event takes from the kernel to a client while nothing else happens.
//!
//! The alerts are real: a rule of the benchmark's own matches what its load does. Equal alerts are
//! not rolled up, so that each of them takes the whole way.

mod latency;
mod rates;
mod reader;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;
use clap::Parser;
use integration_test::agent::AgentSetup;
use integration_test::bench::{self, Output};
use integration_test::cgroup::TestCgroup;
use integration_test::state::State;
use serde_json::json;

use latency::Latency;
use rates::Rate;

/// Every file that the load opens, and its execution, become alerts.
const RULES: &str = "\
- rule: 'Bench: opened'
  desc: An alert for each open of the load.
  condition: evt.type in (open, openat) and fd.name endswith gravlens-bench
  output: opened %fd.name
  priority: NOTICE
- rule: 'Bench: executed'
  desc: An alert for each execution of the load.
  condition: evt.type = execve and proc.name startswith bench_load
  output: executed %proc.cmdline
  priority: CRITICAL
";
/// Name of the file that the load opens.
const FILE: &str = "gravlens-bench";

/// Measure how fast alerts reach a subscriber.
#[derive(Parser)]
struct Cli {
    /// Alerts that one subscriber reads in each run
    #[arg(long, default_value_t = 200_000)]
    alerts: u64,
    /// Runs, of which the median counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Executions, each with one open, whose way to the client is timed
    #[arg(long, default_value_t = 400)]
    events: usize,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    bench::conclude(Bench::new().and_then(|bench| bench.run(&cli)))
}

struct Bench {
    state: State,
    scope: TestCgroup,
    file: PathBuf,
    load: PathBuf,
}

impl Bench {
    fn new() -> Result<Self> {
        let state = State::open()?;
        let scope = TestCgroup::new()?;
        let file = state.run_path(FILE);
        std::fs::write(&file, "")?;
        let own = std::env::current_exe()?;
        Ok(Self {
            state,
            scope,
            file,
            load: own.with_file_name("bench_load"),
        })
    }

    fn run(&self, cli: &Cli) -> Result<()> {
        let memory = rates::from_memory(self, cli)?;
        let durable = rates::durable(self, cli)?;
        let latency = latency::measure(self, cli)?;
        match cli.output {
            Output::Text => text(&memory, &durable, &latency),
            Output::Json => {
                let worst = latency.critical.p99_ms.max(latency.bulk.p99_ms);
                let metrics = json!({
                    "alerts_per_s": memory.per_second,
                    "durable_alerts_per_s": durable.per_second,
                    "latency_p99_ms": worst,
                });
                println!("{}", json!({ "metrics": metrics }));
            }
        }
        Ok(())
    }

    /// An agent with the benchmark's rules alone, whose alerts are neither rolled up nor limited.
    fn setup(&self, durable: bool, records: u64) -> Result<AgentSetup> {
        let mut setup = AgentSetup::new(&self.state, &self.scope, Path::new("/nonexistent"))?;
        setup.add_rules("bench.yaml", RULES)?;
        setup.set("rules.bundled", false);
        setup.set("docker.enabled", false);
        setup.set("limits.events_per_second", 0);
        setup.set("stream.durable", durable);
        setup.set("stream.spool_records", i64::try_from(records)?);
        setup.set("stream.spool_bytes", "8GiB");
        if !durable {
            setup.set("stream.memory_bytes", "8GiB");
        }
        Ok(setup)
    }

    /// A load in the scope that opens the file so many times.
    fn opens(&self, count: u64) -> Command {
        // Entered before the execution, which is to be seen as well.
        let enter = "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"";
        let mut command = Command::new("sh");
        command
            .args(["-c", enter])
            .arg(self.scope.directory())
            .arg(&self.load)
            .arg("")
            .arg("open")
            .arg(count.to_string())
            .arg(&self.file)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

fn text(memory: &Rate, durable: &Rate, latency: &Latency) {
    println!(
        "alerts_per_s          {:>9.0}  {:.0} to {:.0}; {} alerts of {:.0} bytes each time, from memory",
        memory.per_second, memory.low, memory.high, memory.alerts, memory.bytes
    );
    println!(
        "durable_alerts_per_s  {:>9.0}  {} alerts of {:.0} bytes raised at once, {} of them stored",
        durable.per_second, durable.raised, durable.bytes, durable.alerts
    );
    for (name, times) in [("critical", &latency.critical), ("bulk", &latency.bulk)] {
        println!(
            "latency, {name:<12} {:>9.2}  ms at p99, {:.2} at p50, {:.2} at most, of {}",
            times.p99_ms, times.p50_ms, times.max_ms, times.count
        );
    }
}
