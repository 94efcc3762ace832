//! Falco's stable rules, as they are published, fire on what is done in containers.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Error, Result, ensure};
use gravlens::detect::{self, LoadOptions};
use integration_test::agent::AgentSetup;
use integration_test::cases::{self, Case};
use integration_test::corpora::corpora;

use crate::played::play;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "falco_live::each_stable_rule_is_set_off_by_a_deed_of_its_own",
    each_rule,
)];

/// How many of the stable rules have to be tried.
const FEWEST: usize = 20;

fn each_rule(bench: &Bench) -> Result<()> {
    let rules = corpora("falco/falco_rules.yaml").map_err(Error::msg)?;
    let cases = cases::read(&cases::folder().join("falco_stable.toml"))?;
    ensure_complete(&rules, &cases)?;
    let configure = |setup: &mut AgentSetup| {
        setup.set("rules.bundled", false);
        setup.set("rules.paths", vec![rules.to_string_lossy().into_owned()]);
    };
    let played = play(bench, &cases, configure, |fired| &fired.all)?;
    println!("{played} of Falco's stable rules were tried");
    ensure!(played >= FEWEST, "{FEWEST} have to be tried");
    Ok(())
}

/// Every rule has a case.
fn ensure_complete(file: &Path, cases: &[Case]) -> Result<()> {
    let files = detect::read_paths(&[file.to_owned()]).context("the rule file cannot be read")?;
    let loaded = detect::load(&files, &LoadOptions::default());
    ensure!(
        loaded.report.refused.is_empty(),
        "{}",
        loaded.report.to_text()
    );
    let names: BTreeSet<&str> = loaded.set.rules().map(|rule| &*rule.info.name).collect();
    let cased: BTreeSet<&str> = cases.iter().map(|case| &*case.rule).collect();
    ensure!(
        names == cased && cases.len() == names.len(),
        "rules and cases differ: {:?}",
        names.symmetric_difference(&cased)
    );
    let tried = cases.iter().filter(|case| case.offender.is_some()).count();
    ensure!(
        tried >= FEWEST,
        "{tried} rules are tried, {FEWEST} have to be"
    );
    Ok(())
}
