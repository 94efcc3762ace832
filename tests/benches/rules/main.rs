//! What the rules cost: a recorded mix of events goes through decoding, enrichment and rules once
//! more, on one core and without a sensor. Beside it Sigma's public rules, here and in another
//! implementation.

mod counting;
mod grown;
mod known;
mod measure;
mod mix;
mod recording;
mod sets;
mod sigma;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use gravlens::model::Syscall;
use gravlens::pipeline::Replay;
use integration_test::bench::{self, Output};
use serde_json::json;

use known::Known;
use measure::{Runs, Times, measure, median_nanoseconds};
use mix::Mix;
use sets::sets;
use sigma::Sigma;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Least share of opens in the mix.
const OPENS: f64 = 0.5;

/// Measure what the rules cost.
#[derive(Parser)]
struct Cli {
    /// Captures that `gravlens record` wrote, in place of the benchmark's own
    #[arg(value_name = "FILE")]
    captures: Vec<PathBuf>,
    /// Record the benchmark's own mix anew: nginx, redis and PostgreSQL under load, and programs
    /// that start one after another
    #[arg(long, conflicts_with = "captures")]
    record: bool,
    /// Rules in the small set: the bundled ones, and more like these
    #[arg(long, default_value_t = 100)]
    rules: usize,
    /// Rules in the large set
    #[arg(long, default_value_t = 1_000)]
    many: usize,
    /// Milliseconds of each measurement; there are eight in a block
    #[arg(long, default_value_t = 400)]
    millis: u64,
    /// Blocks, of which the median counts
    #[arg(long, default_value_t = 12)]
    blocks: usize,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn main() -> ExitCode {
    bench::conclude(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<()> {
    ensure!(cli.blocks > 0, "there is nothing to measure in no block");
    let captures = if cli.captures.is_empty() {
        vec![recording::recording(cli.record)?]
    } else {
        cli.captures.clone()
    };
    let mix = Mix::read(&captures)?;
    let types = mix.types()?;
    let opens = mix.kinds().get("open").copied().unwrap_or(0) as f64 / mix.all().len() as f64;
    ensure!(
        opens >= OPENS || !cli.captures.is_empty(),
        "only {opens:.2} of the mix are opens: record it anew (`--record`)"
    );
    let sets = sets(&types, cli.rules, cli.many)?;
    let (all, quiet) = (mix.all(), mix.quiet(&sets.large)?);
    ensure!(!quiet.is_empty(), "every event of the mix matches a rule");
    let mut small = mix.lasting(&sets.small)?;
    let times = measure(&mut Runs {
        whole: &mut mix.detection(&sets.small)?,
        small: &mut small,
        again: &mut mix.lasting(&sets.small)?,
        large: &mut mix.lasting(&sets.large)?,
        all: &all,
        quiet: &quiet,
        blocks: cli.blocks,
        length: Duration::from_millis(cli.millis),
    });
    let median_ns = median_nanoseconds(&mut small, &quiet);
    let allocated = allocated(&mut small, &quiet);
    let mut learnt = mix.learnt(&sets.small)?;
    let learnt_ns = median_nanoseconds(&mut learnt, &quiet);
    let learnt_allocated = self::allocated(&mut learnt, &quiet);
    let known = Known::measure()?;
    let sigma = Sigma::measure(&mix, cli.blocks, Duration::from_millis(cli.millis))?;
    let result = Measured {
        quiet: quiet.len() as f64 / all.len() as f64,
        allocations: allocated.values().sum::<u64>() as f64 / quiet.len() as f64,
        allocated,
        learnt_ns,
        learnt_allocations: learnt_allocated.values().sum::<u64>() as f64 / quiet.len() as f64,
        learnt_allocated,
        known,
        types,
        opens,
        times,
        median_ns,
        sigma,
        mix,
    };
    match cli.output {
        Output::Json => println!("{}", json!({ "metrics": result.metrics() })),
        Output::Text => result.print(cli),
    }
    Ok(())
}

/// Allocations by records, of the kinds that made any.
fn allocated(replay: &mut Replay, records: &[&[u8]]) -> BTreeMap<&'static str, u64> {
    let mut allocated = BTreeMap::new();
    for record in records {
        let count = counting::allocations(|| replay.record(record));
        if count > 0 {
            *allocated.entry(mix::kind(record)).or_default() += count;
        }
    }
    allocated
}

/// The results.
struct Measured {
    mix: Mix,
    types: BTreeMap<Syscall, usize>,
    /// Share of opens.
    opens: f64,
    /// Share of the events that match nothing and are no part of the life of a process.
    quiet: f64,
    times: Times,
    median_ns: f64,
    /// For each of these events, and in all by the kind of the records.
    allocations: f64,
    allocated: BTreeMap<&'static str, u64>,
    /// With a learner that knows the mix, in the same window.
    learnt_ns: f64,
    learnt_allocations: f64,
    learnt_allocated: BTreeMap<&'static str, u64>,
    /// Of the learner alone.
    known: Known,
    sigma: Sigma,
}

impl Measured {
    fn metrics(&self) -> serde_json::Value {
        let Times {
            all_ns,
            ratio,
            same,
            ..
        } = &self.times;
        json!({
            "events_per_s": 1e9 / all_ns,
            "ratio_1000_100": ratio.median,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
            "aa_low": same.low,
            "aa_high": same.high,
            "allocs_no_match": self.allocations,
            "known_benign_p50_ns": self.median_ns,
            "known_baseline_p50_ns": self.learnt_ns,
            "allocs_known_baseline": self.learnt_allocations,
            "learner_known_p50_ns": self.known.again_ns,
            "learner_known_allocs": self.known.again_allocations,
            "learner_first_in_window_p50_ns": self.known.first_ns,
            "learner_first_in_window_allocs": self.known.first_allocations,
            "opens_share": self.opens,
            "sigma_events_per_s": self.sigma.here.per_second,
            "rsigma_events_per_s": self.sigma.rsigma.per_second,
        })
    }

    fn print(&self, cli: &Cli) {
        let Mix { seen, lost, .. } = self.mix;
        let records = self.mix.all().len();
        println!(
            "mix                  {records} records, {:.0} % of them opens; the recorder lost {lost} of {seen}",
            self.opens * 100.0
        );
        for (call, count) in &self.types {
            println!("                     {count:>9} {}", call.name());
        }
        let times = &self.times;
        println!(
            "events_per_s         {:>9.0}  {:.0} ns each through decode, enrich and {} rules",
            1e9 / times.all_ns,
            times.all_ns,
            cli.rules
        );
        println!(
            "no match             {:>9.0}  ns each with {} rules, {:.0} with {}; {:.0} % of the mix",
            times.quiet_small_ns,
            cli.rules,
            times.quiet_large_ns,
            cli.many,
            self.quiet * 100.0
        );
        for (name, ratio) in [
            ("ratio_1000_100", times.ratio),
            ("aa (the same set)", times.same),
        ] {
            println!(
                "{name:<20} {:>9.3}  {:.3} to {:.3}",
                ratio.median, ratio.low, ratio.high
            );
        }
        println!(
            "allocs_no_match      {:>9.3}  for each event",
            self.allocations
        );
        for (kind, count) in &self.allocated {
            println!("                     {count:>9} by records of kind {kind}");
        }
        println!("known_benign_p50_ns  {:>9.0}", self.median_ns);
        self.print_learner();
        self.sigma.print();
    }

    fn print_learner(&self) {
        println!(
            "known, with baseline {:>9.0}  ns (median) through decode, enrich, rules and learner; {:.3} allocations",
            self.learnt_ns, self.learnt_allocations
        );
        for (kind, count) in &self.learnt_allocated {
            println!("                     {count:>9} by records of kind {kind}");
        }
        let known = &self.known;
        println!(
            "learner alone        {:>9.0}  ns (median) in this window already; {:.3} allocations",
            known.again_ns, known.again_allocations
        );
        println!(
            "                     {:>9.0}  ns (median) first in this window; {:.3} allocations",
            known.first_ns, known.first_allocations
        );
    }
}
