//! Every bundled rule fires on its offender, and not on a twin that does nearly the same.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use gravlens::detect::{LoadOptions, bundled, load};
use integration_test::cases::{self, Case};

use crate::played::play;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "pack::every_bundled_rule_tells_its_offender_from_its_twin",
    every_rule,
)];

fn every_rule(bench: &Bench) -> Result<()> {
    let cases: Vec<Case> = cases::of_bundled_rules()?.into_values().flatten().collect();
    ensure_complete(&cases)?;
    let deeds = play(bench, &cases, |_| (), |fired| &fired.grave)?;
    println!("{deeds} deeds of {} rules", cases.len());
    Ok(())
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
