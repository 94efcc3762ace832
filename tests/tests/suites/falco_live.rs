//! Falco's stable rules, as they are published, fire on what is done in containers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use gravlens::detect::{self, LoadOptions};
use integration_test::agent::AgentSetup;
use integration_test::cases::{self, Case, fired, play_all};
use integration_test::cgroup::TestCgroup;
use integration_test::images::Image;
use integration_test::runtime::block_on;

use crate::pack::tell_what_was_left_out;
use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "falco_live::each_stable_rule_is_set_off_by_a_deed_of_its_own",
    each_rule,
)];

/// Names the folder of the public rule files.
const VARIABLE: &str = "GRAVLENS_CORPORA";
/// How many of the stable rules have to be tried.
const FEWEST: usize = 20;

fn each_rule(bench: &Bench) -> Result<()> {
    let rules = rules()?;
    let cases = cases::read(&cases::folder().join("falco_stable.toml"))?;
    ensure_complete(&rules, &cases)?;
    block_on(async {
        let engine = bench.engine.lock().await;
        for image in [Image::Busybox, Image::Debian, Image::Offenders] {
            image.ensure(&engine, &bench.state).await?;
        }
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        setup.set("rules.bundled", false);
        setup.set("rules.paths", vec![rules.to_string_lossy().into_owned()]);
        let watched = Watched::start_with(setup, cgroup).await?;
        let played = play_all(&cases, watched.stage(&engine)).await?;
        watched.settle().await?;
        let events = watched.barrier().await?.events.context("no account")?;
        ensure!(
            events.delivered + events.suppressed == events.seen,
            "lost: {events:?}"
        );
        let alerts = watched.watcher.alerts();
        let mut faults = Vec::new();
        for played in &played {
            let fired = fired(&alerts, &played.container);
            faults.extend(cases::faults(played, &fired, &fired.all));
        }
        watched.finish()?;
        tell_what_was_left_out(&cases);
        println!("{} of Falco's stable rules were tried", played.len());
        ensure!(played.len() >= FEWEST, "{FEWEST} have to be tried");
        ensure!(faults.is_empty(), "\n{}", faults.join("\n"));
        Ok(())
    })
}

/// The file of the stable rules.
fn rules() -> Result<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora");
    let folder = std::env::var_os(VARIABLE).map_or_else(|| beside.into(), PathBuf::from);
    let file = folder.join("falco/falco_rules.yaml");
    ensure!(
        file.is_file(),
        "{} is not there: set {VARIABLE} to the folder that holds falco/falco_rules.yaml",
        file.display()
    );
    Ok(file)
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
