//! How well baselines tell attacks from ordinary work.
//!
//! ```text
//! workloads, users, operators, attacks -> gravlens record -> captures -> learner, references -> scores
//! ```
//!
//! Everything that is scored comes from real containers; the captures are kept and played as often as
//! one likes.

mod attacks;
mod plan;
mod play;
mod pods;
mod recording;
mod reference;
mod report;
mod score;
mod stage;
mod truth;
mod upkeep;
mod workloads;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use integration_test::bench::{self, Output};
use integration_test::engine::Engine;
use integration_test::runtime::block_on;
use integration_test::shortened;
use integration_test::state::State;
use sha2::{Digest as _, Sha256};

use plan::Plan;
use recording::{Phase, Studio};
use score::Scores;
use stage::Stage;
use workloads::{GROUPS, Group};

/// The measures of the recordings in a folder.
const PLAN: &str = "plan.json";

/// Evaluate what baselines learn: recall of attacks, false alerts on ordinary work, and whether
/// predictions hold. Records real containers, which takes hours; what was recorded is not recorded
/// again.
#[derive(Parser)]
struct Cli {
    /// A few minutes: fewer replicas and shorter windows. Fails if an attack is not found
    #[arg(long)]
    short: bool,
    /// Groups of workloads to run: web, redis, postgresql, batch, memcached, sshd [default: all]
    #[arg(long, value_delimiter = ',', value_name = "GROUP,...")]
    groups: Vec<String>,
    /// Groups that run at a time: the fewer, the longer it takes and the less is lost when it is
    /// interrupted. With --short all do
    #[arg(long, value_name = "N", default_value_t = 6)]
    at_a_time: usize,
    /// Replicas of each workload while it is learnt, and of held-out work
    #[arg(long, value_name = "N")]
    replicas: Option<usize>,
    /// Seconds of learning
    #[arg(long, value_name = "SECONDS")]
    train: Option<u64>,
    /// Seconds of held-out work
    #[arg(long, value_name = "SECONDS")]
    held_out: Option<u64>,
    /// Leave out attacks while the workloads are learnt; --short does
    #[arg(long)]
    no_poison: bool,
    /// Score the recordings in this folder, which a run has kept, and record nothing: what another
    /// learner makes of them
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["short", "groups", "again"])]
    from: Option<PathBuf>,
    /// Record anew what is there
    #[arg(long)]
    again: bool,
    /// Write all details as JSON into this file, too
    #[arg(long, value_name = "FILE")]
    detail: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn main() -> ExitCode {
    bench::conclude(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<()> {
    let (plan, folders) = match &cli.from {
        Some(folder) => kept(folder)?,
        None => {
            let plan = cli.plan();
            (plan, record(cli, &plan, &cli.batches()?, &State::open()?)?)
        }
    };
    let scores = score::score(&plan, &folders)?;
    if cli.short {
        shortened::note("eval: minutes in place of hours (`cargo xtask soak baselines` runs all)");
    }
    if let Some(file) = &cli.detail {
        fs::write(file, format!("{:#}\n", scores.json()))?;
    }
    scores.print(cli.output);
    check(cli, &scores)
}

impl Cli {
    fn plan(&self) -> Plan {
        let mut plan = if self.short { Plan::SHORT } else { Plan::LONG };
        if let Some(replicas) = self.replicas {
            (plan.replicas, plan.held_out_replicas) = (replicas, replicas);
        }
        plan.train = self.train.unwrap_or(plan.train);
        plan.held_out = self.held_out.unwrap_or(plan.held_out);
        plan
    }

    /// Groups that run together.
    fn batches(&self) -> Result<Vec<Vec<&'static Group>>> {
        for name in &self.groups {
            let known = GROUPS.iter().any(|group| group.name == name);
            ensure!(known, "{name}: there is no such group; --help lists them");
        }
        let wanted = |group: &&Group| {
            self.groups.is_empty() || self.groups.iter().any(|name| name == group.name)
        };
        let chosen: Vec<&Group> = GROUPS.iter().filter(wanted).collect();
        let size = if self.short {
            chosen.len()
        } else {
            self.at_a_time.max(1)
        };
        Ok(chosen.chunks(size).map(<[_]>::to_vec).collect())
    }
}

/// Records what is not there yet; the folder of each batch.
fn record(
    cli: &Cli,
    plan: &Plan,
    batches: &[Vec<&'static Group>],
    state: &State,
) -> Result<Vec<PathBuf>> {
    let root = state.cached("eval").join(digest(plan));
    let folders: Vec<PathBuf> = batches.iter().map(|batch| root.join(name(batch))).collect();
    let again = cli.again || cli.short;
    let missing = |folder: &Path, phase: Phase| again || !folder.join(phase.name()).is_dir();
    fs::create_dir_all(&root)?;
    fs::write(root.join(PLAN), serde_json::to_string_pretty(plan)?)?;
    eprintln!("recordings are kept in {}", root.display());
    let todo: Vec<(usize, Phase)> = (0..batches.len())
        .flat_map(|place| Phase::ALL.map(|phase| (place, phase)))
        .filter(|(_, phase)| *phase != Phase::Poison || !(cli.short || cli.no_poison))
        .filter(|(place, phase)| missing(&folders[*place], *phase))
        .collect();
    if todo.is_empty() {
        return Ok(folders);
    }
    let engine = Engine::start(state)?;
    block_on(async {
        let stage = Stage::set(state, &engine).await?;
        let studio = Studio {
            state,
            engine: &engine,
            stage: &stage,
            plan,
        };
        for (place, phase) in todo {
            let folder = folders[place].join(phase.name());
            let begun = Instant::now();
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            studio.record(phase, &batches[place], &folder).await?;
            let (phase, batch) = (phase.name(), name(&batches[place]));
            eprintln!(
                "recorded {phase} of {batch} in {} s",
                begun.elapsed().as_secs()
            );
        }
        Ok(folders)
    })
}

/// What a run has kept in a folder: its measures, and the folder of each batch.
fn kept(root: &Path) -> Result<(Plan, Vec<PathBuf>)> {
    let file = root.join(PLAN);
    let text = fs::read_to_string(&file)
        .with_context(|| format!("{} holds no recordings of an evaluation", root.display()))?;
    let plan =
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))?;
    let mut folders = Vec::new();
    for entry in fs::read_dir(root)? {
        let folder = entry?.path();
        let whole = Phase::ALL
            .iter()
            .filter(|phase| **phase != Phase::Poison)
            .all(|phase| folder.join(phase.name()).is_dir());
        if whole {
            folders.push(folder);
        }
    }
    ensure!(
        !folders.is_empty(),
        "{}: no batch is recorded to its end",
        root.display()
    );
    folders.sort();
    Ok((plan, folders))
}

fn name(batch: &[&Group]) -> String {
    let names: Vec<&str> = batch.iter().map(|group| group.name).collect();
    names.join("-")
}

/// Of what recordings depend on: not of the learner, so that another one can be given the same.
fn digest(plan: &Plan) -> String {
    let mut hasher = Sha256::new();
    stage::digest(&mut hasher);
    hasher.update(format!("{:?} {plan:?}", attacks::ATTACKS));
    let digest = hasher.finalize();
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What a run has to show.
fn check(cli: &Cli, scores: &Scores) -> Result<()> {
    let metrics = scores.metrics();
    for name in ["recall_rules_off", "recall_rules_on"] {
        let recall = metrics[name];
        ensure!(
            recall >= report::RECALL,
            "{name} is {recall:.3}: attacks are not found"
        );
    }
    if cli.short {
        ensure!(scores.lost == 0, "{} events were lost", scores.lost);
        return Ok(());
    }
    let armed = scores.armed();
    ensure!(
        armed >= report::ARMED,
        "only {:.0} % of the classes are armed",
        armed * 100.0
    );
    Ok(())
}
