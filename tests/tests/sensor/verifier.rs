//! Each program costs the kernel's verifier no more than it may.

use anyhow::{Context as _, Result, bail, ensure};
use integration_test::verifier::{Budgets, Costs};
use serde_json::Value;

use crate::Test;
use crate::bench::Bench;

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "hooks::the_verifier_stays_within_the_budget",
    within_the_budget,
)];

const FILE: &str = "tests/tests/sensor/verifier_budget.txt";
const BUDGETS: &str = include_str!("verifier_budget.txt");

fn within_the_budget(bench: &Bench) -> Result<()> {
    let budgets = Budgets::read(BUDGETS).context(FILE)?;
    let report = bench.doctor();
    let costs = costs(report)?;
    // What is attached under another name shares a program, which is in the list by its own.
    for (program, cost) in attached(report).filter_map(|name| costs.get_key_value(name)) {
        ensure!(cost.is_some(), "{program} is attached and has no cost");
    }
    let kernel = report["kernel_release"].as_str().unwrap_or_default();
    println!("\nkernel {kernel}\n{}", budgets.table(&costs));
    let faults = budgets.faults(&costs);
    if !faults.is_empty() {
        bail!("{FILE}:\n{}", faults.join("\n"));
    }
    Ok(())
}

fn costs(report: &Value) -> Result<Costs> {
    let programs = report["programs"].as_array().context("no programs")?;
    let cost = |program: &Value| {
        let name = program["program"].as_str()?.to_owned();
        Some((name, program["verified_instructions"].as_u64()))
    };
    let costs: Option<Costs> = programs.iter().map(cost).collect();
    costs.context("a program without a name")
}

fn attached(report: &Value) -> impl Iterator<Item = &str> {
    let topics = report["topics"].as_array().into_iter().flatten();
    let programs = topics.filter_map(|topic| topic["attached"].as_array());
    programs.flatten().filter_map(Value::as_str)
}
