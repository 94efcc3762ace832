//! What each program may cost the kernel's verifier, and what it does cost.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail, ensure};

/// A new budget leaves this share free: kernels differ, and so do compilers.
const SLACK_PERCENT: u64 = 25;
/// Budgets are multiples of this.
const STEP: u64 = 100;

/// Instructions by program; `None` for a program that the kernel has not loaded.
pub type Costs = BTreeMap<String, Option<u64>>;

/// The most instructions that each program may cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budgets(BTreeMap<String, u64>);

impl Budgets {
    /// Reads lines `PROGRAM INSTRUCTIONS`; empty ones and those that start with `#` say nothing.
    ///
    /// # Errors
    /// A line says something else, or a program has two budgets.
    pub fn read(text: &str) -> Result<Self> {
        let mut budgets = BTreeMap::new();
        let says = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        for line in text.lines().filter(says) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [program, most] = words.as_slice() else {
                bail!("no program with a number: {line}");
            };
            let most = most.parse().with_context(|| format!("no number: {line}"))?;
            let other = budgets.insert((*program).to_owned(), most);
            ensure!(other.is_none(), "{program} has two budgets");
        }
        Ok(Self(budgets))
    }

    /// Costs beside budgets, a program a line.
    pub fn table(&self, costs: &Costs) -> String {
        let shown = |number: Option<u64>| number.map_or_else(|| "-".into(), |it| it.to_string());
        let mut table = String::new();
        let mut row = |program: &str, cost: &str, budget: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{program:<27} | {cost:>8} | {budget:>8}");
        };
        row("program", "verified", "budget");
        for (program, cost) in costs {
            row(program, &shown(*cost), &shown(self.of(program)));
        }
        table
    }

    /// What is over its budget or has none, and budgets of programs that there are not: a sentence
    /// each, with the line to write.
    pub fn faults(&self, costs: &Costs) -> Vec<String> {
        let costly = costs
            .iter()
            .filter_map(|(program, cost)| self.fault(program, *cost));
        let gone = self.0.keys().filter(|name| !costs.contains_key(*name));
        let gone = gone.map(|name| format!("{name}: no such program; remove its line"));
        costly.chain(gone).collect()
    }

    fn fault(&self, program: &str, cost: Option<u64>) -> Option<String> {
        match (cost, self.of(program)) {
            (Some(cost), Some(budget)) if cost > budget => Some(format!(
                "{program} costs {cost}, its budget is {budget}: make it cheaper, or write: {}",
                line(program, cost)
            )),
            (Some(cost), None) => Some(format!(
                "{program} has no budget; add, from the kernel where it costs most: {}",
                line(program, cost)
            )),
            (None, None) => Some(format!(
                "{program} has no budget, and is not loaded here: add what another kernel shows"
            )),
            (_, Some(_)) => None,
        }
    }

    fn of(&self, program: &str) -> Option<u64> {
        self.0.get(program).copied()
    }
}

/// The line of a budget for a program that costs so much.
fn line(program: &str, cost: u64) -> String {
    let most = (cost * (100 + SLACK_PERCENT)).div_ceil(100);
    format!("{program} {}", most.div_ceil(STEP) * STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(costs: &[(&str, Option<u64>)]) -> Costs {
        let owned = |(program, cost): &(&str, Option<u64>)| ((*program).to_owned(), *cost);
        costs.iter().map(owned).collect()
    }

    #[test]
    fn a_program_over_its_budget_or_without_one_is_a_fault() {
        let budgets = Budgets::read("# words\n\nfork 100\nexit 200\n").unwrap();
        let faults = |seen: &[(&str, Option<u64>)]| budgets.faults(&costs(seen)).join("\n");
        assert_eq!(faults(&[("fork", Some(100)), ("exit", None)]), "");
        let over = faults(&[("fork", Some(101)), ("exit", Some(1))]);
        assert!(over.contains("write: fork 200"), "{over}");
        let new = faults(&[("fork", None), ("exit", None), ("open", Some(1_000))]);
        assert!(new.ends_with(": open 1300"), "{new}");
        let refused = faults(&[("fork", None), ("exit", None), ("open", None)]);
        assert!(refused.contains("open has no budget"), "{refused}");
    }

    #[test]
    fn the_budget_of_a_program_that_is_gone_is_a_fault() {
        let budgets = Budgets::read("fork 100\nexit 200").unwrap();
        let faults = budgets.faults(&costs(&[("fork", Some(1))]));
        assert_eq!(faults, ["exit: no such program; remove its line"]);
    }

    #[test]
    fn lines_that_are_no_budget_are_refused() {
        for text in ["fork", "fork many", "fork 1 2", "fork 1\nfork 2"] {
            assert!(Budgets::read(text).is_err(), "{text}");
        }
    }
}
