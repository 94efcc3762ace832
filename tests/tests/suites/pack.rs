//! Every bundled rule fires on its offender, and not on a twin that does nearly the same.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use gravlens::detect::{LoadOptions, bundled, load};
use integration_test::cases::{self, Case, fired, play_all};
use integration_test::images::Image;
use integration_test::runtime::block_on;
use integration_test::shortened;

use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "pack::every_bundled_rule_tells_its_offender_from_its_twin",
    every_rule,
)];

fn every_rule(bench: &Bench) -> Result<()> {
    let cases: Vec<Case> = cases::of_bundled_rules()?.into_values().flatten().collect();
    ensure_complete(&cases)?;
    block_on(async {
        let engine = bench.engine.lock().await;
        for image in [Image::Busybox, Image::Debian, Image::Offenders] {
            image.ensure(&engine, &bench.state).await?;
        }
        let watched = Watched::start(bench, &engine).await?;
        let played = play_all(&cases, watched.stage(&engine)).await?;
        watched.settle().await?;
        // That a twin is not told counts only if everything was seen.
        let events = watched.barrier().await?.events.context("no account")?;
        ensure!(
            events.delivered + events.suppressed == events.seen,
            "lost: {events:?}"
        );
        let alerts = watched.watcher.alerts();
        let mut faults = Vec::new();
        for played in &played {
            let fired = fired(&alerts, &played.container);
            faults.extend(cases::faults(played, &fired, &fired.grave));
        }
        watched.finish()?;
        tell_what_was_left_out(&cases);
        println!("{} deeds of {} rules", played.len(), cases.len());
        ensure!(faults.is_empty(), "\n{}", faults.join("\n"));
        Ok(())
    })
}

/// The names of the bundled rules.
pub(crate) fn names() -> BTreeSet<String> {
    let set = load(&bundled(), &LoadOptions::default()).set;
    set.rules().map(|rule| rule.info.name.clone()).collect()
}

/// A rule that is added needs a case before it is believed.
fn ensure_complete(cases: &[Case]) -> Result<()> {
    let cased: BTreeSet<&str> = cases.iter().map(|case| &*case.rule).collect();
    let mut without = names();
    without.retain(|name| !cased.contains(&**name));
    ensure!(
        without.is_empty(),
        "rules without a case in tests/cases/pack: {without:?}"
    );
    Ok(())
}

/// Says which rules were not tried, and why.
pub(crate) fn tell_what_was_left_out(cases: &[Case]) {
    for case in cases {
        if let Some(why) = &case.not_run {
            shortened::note(&format!("{:?} has no offender: {why}", case.rule));
        }
    }
}
