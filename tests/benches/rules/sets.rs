//! The sets of rules that are compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, ensure};
use gravlens::detect::{self, LoadOptions, RuleFile, RuleSet};
use gravlens::model::Syscall;

use crate::grown::grown;

/// Event types that one rule asks for, where a rule is about the types alone.
const TYPES_OF_A_RULE: usize = 6;

/// A small set, and a large one that has all of its rules.
pub(crate) struct Sets {
    pub(crate) small: Arc<RuleSet>,
    pub(crate) large: Arc<RuleSet>,
}

/// The bundled rules, some about the event types of the mix that these do not ask for, and as many
/// more like all of them as are missing.
pub(crate) fn sets(types: &BTreeMap<Syscall, usize>, small: usize, large: usize) -> Result<Sets> {
    let mut files = detect::bundled();
    let asked = load(&files)?.event_types();
    let missing: Vec<Syscall> = types
        .keys()
        .copied()
        .filter(|call| !asked.contains(*call))
        .collect();
    files.push(about(&missing));
    let base = load(&files)?;
    let count = base.rules().len();
    ensure!(
        count <= small && small <= large,
        "the small set has {count} rules at least, and no more than the large one"
    );
    let all = grown(&files, large - count)?;
    let set = |count: usize| -> Result<Arc<RuleSet>> {
        let mut files = files.clone();
        files.push(first(&all, count));
        load(&files)
    };
    let sets = Sets {
        small: set(small - count)?,
        large: set(large - count)?,
    };
    ensure!(sets.small.rules().len() == small && sets.large.rules().len() == large);
    let asked = sets.small.event_types();
    ensure!(
        types.keys().all(|call| asked.contains(*call)),
        "an event type of the mix is asked for by no rule"
    );
    Ok(sets)
}

/// Rules about a few event types each, as narrow as rules are.
fn about(types: &[Syscall]) -> RuleFile {
    let text = types.chunks(TYPES_OF_A_RULE).map(|types| {
        let names: Vec<&str> = types.iter().map(|call| call.name()).collect();
        let names = names.join(", ");
        format!(
            "- rule: About {names}\n  desc: benchmark\n  output: benchmark\n  priority: NOTICE\n  \
             condition: evt.type in ({names}) and container.id != host and proc.name in (bench, mark)\n"
        )
    });
    RuleFile {
        path: "types.yaml".to_owned(),
        text: text.collect(),
    }
}

/// The first rules of a file of grown ones.
fn first(file: &RuleFile, count: usize) -> RuleFile {
    let items = file.text.split_inclusive("- rule: ");
    // The first piece is the mark of the first item.
    let text: String = items.take(count + 1).collect();
    RuleFile {
        path: file.path.clone(),
        text: text.strip_suffix("- rule: ").unwrap_or(&text).to_owned(),
    }
}

fn load(files: &[RuleFile]) -> Result<Arc<RuleSet>> {
    let loaded = detect::load(files, &LoadOptions::default());
    let refused = &loaded.report.refused;
    ensure!(refused.is_empty(), "{}", loaded.report.to_text());
    Ok(Arc::new(loaded.set))
}

#[cfg(test)]
mod tests {
    use gravlens::detect::EventTypes;

    use super::*;

    #[test]
    fn both_sets_ask_for_all_types_and_the_large_one_has_all_rules_of_the_small_one() {
        let types = EventTypes::ALL.iter().map(|call| (call, 1)).collect();
        let sets = sets(&types, 200, 300).unwrap();
        let names = |set: &RuleSet| -> Vec<String> {
            set.rules().map(|rule| rule.info.name.clone()).collect()
        };
        let (small, large) = (names(&sets.small), names(&sets.large));
        assert_eq!((small.len(), large.len()), (200, 300));
        assert_eq!(small, large[..200]);
        assert_eq!(sets.small.event_types(), EventTypes::ALL);
    }
}
