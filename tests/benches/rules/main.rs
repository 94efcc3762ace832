//! What the rules cost: a recorded mix of events goes through decoding, enrichment and rules once
//! more, on one core and without a sensor.

mod counting;
mod grown;
mod mix;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Parser;
use gravlens::detect::{self, LoadOptions, RuleSet};
use gravlens::pipeline::Replay;
use integration_test::bench::{self, Output};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use mix::Mix;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Records between two looks at what they made.
const STRIDE: usize = 4_096;

/// Measure what the rules cost.
#[derive(Parser)]
struct Cli {
    /// Captures that `gravlens record` wrote
    #[arg(required = true, value_name = "FILE")]
    captures: Vec<PathBuf>,
    /// Rules in the small set: the bundled ones, and more like these
    #[arg(long, default_value_t = 100)]
    rules: usize,
    /// Rules in the large set
    #[arg(long, default_value_t = 1_000)]
    many: usize,
    /// Seconds for each measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Measurements of each set, in turn, of which the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn main() -> ExitCode {
    bench::conclude(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<()> {
    let mix = Mix::read(&cli.captures)?;
    let (small, large) = (rules(cli.rules)?, rules(cli.many)?);
    let quiet = mix.quiet(&large)?;
    let all = mix.all();
    let (mut with_small, mut with_large) = (mix.detection(&small)?, mix.detection(&large)?);
    let mut rates = [const { Vec::new() }; 4];
    for _ in 0..cli.rounds {
        let measured = [
            nanoseconds(&mut with_small, &all, cli.seconds),
            nanoseconds(&mut with_small, &quiet, cli.seconds),
            nanoseconds(&mut with_large, &quiet, cli.seconds),
            // The same once more: what differs is noise.
            nanoseconds(&mut with_small, &quiet, cli.seconds),
        ];
        for (rates, measured) in rates.iter_mut().zip(measured) {
            rates.push(measured);
        }
    }
    let [all_ns, small_ns, large_ns, again_ns] = rates.map(median);
    let allocated = counting::allocations(|| {
        for record in &quiet {
            with_small.record(record);
        }
    });
    let opens = mix.kinds().get("open").copied().unwrap_or(0);
    let metrics = json!({
        "records": all.len(),
        "opens_share": opens as f64 / all.len() as f64,
        "quiet_share": quiet.len() as f64 / all.len() as f64,
        "rules": small.rules().len(),
        "rules_many": large.rules().len(),
        "events_per_s": 1e9 / all_ns,
        "events_per_s_quiet": 1e9 / small_ns,
        "ns_per_event": all_ns,
        "many_ratio": large_ns / small_ns,
        "aa": again_ns / small_ns,
        "allocations_per_quiet_event": allocated as f64 / quiet.len() as f64,
    });
    match cli.output {
        Output::Json => println!("{}", json!({ "metrics": metrics })),
        Output::Text => {
            for (kind, count) in mix.kinds() {
                println!("records of kind {kind:<24}{count:>12}");
            }
            for (name, value) in metrics.as_object().into_iter().flatten() {
                println!(
                    "{name:<40}{value:>12.3}",
                    value = value.as_f64().unwrap_or_default()
                );
            }
        }
    }
    Ok(())
}

/// The bundled rules, and as many more like these as are missing.
fn rules(count: usize) -> Result<Arc<RuleSet>> {
    let mut files = detect::bundled();
    let bundled = detect::load(&files, &LoadOptions::default());
    let missing = count.saturating_sub(bundled.set.rules().len());
    files.push(grown::grown(&files, missing)?);
    let loaded = detect::load(&files, &LoadOptions::default());
    ensure!(
        loaded.report.refused.is_empty(),
        "{}",
        loaded.report.to_text()
    );
    Ok(Arc::new(loaded.set))
}

/// CPU time for each record.
fn nanoseconds(detection: &mut Replay, records: &[&[u8]], seconds: u64) -> f64 {
    let until = Instant::now() + std::time::Duration::from_secs(seconds);
    let (mut spent, mut count) = (0.0, 0);
    while Instant::now() < until {
        for records in records.chunks(STRIDE) {
            let begun = cpu_seconds();
            for record in records {
                detection.record(record);
            }
            spent += cpu_seconds() - begun;
            count += records.len();
            mix::drain(detection);
        }
    }
    spent * 1e9 / count as f64
}

/// CPU time of this thread.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
