//! Which techniques of ATT&CK for Containers the bundled rules are about, and what tests them.

use std::collections::{BTreeMap, BTreeSet};

use super::attack::{CONTAINERS, Technique};
use super::bundled::bundled;
use super::load::{LoadOptions, load};
use super::set::RuleSet;
use super::value::append;
use crate::model::RuleInfo;

/// A case that a bundled rule is tried with in real containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestCase {
    /// Name of the rule.
    pub rule: String,
    /// File that the case stands in, relative to the repository's root.
    pub file: String,
    /// Why its offender is not run, if it is not.
    pub not_run: Option<String>,
}

/// The document's tables: the rules about each technique with their cases, and the techniques
/// without a rule.
///
/// # Errors
/// A rule without a case, or with two; a technique without rule and without reason, or with both.
pub fn coverage_markdown(cases: &[TestCase]) -> Result<String, String> {
    let set = load(&bundled(), &LoadOptions::default()).set;
    let cases = by_rule(&set, cases)?;
    check_techniques(&set)?;
    let (mut told, mut untold) = (String::new(), String::new());
    for technique in CONTAINERS {
        let Technique { id, name, without } = technique;
        for rule in about(&set, technique) {
            let case = case(&cases, rule);
            append(
                &mut told,
                format_args!("| {id} {name} | {} | {case} |\n", rule.name),
            );
        }
        if let Some(why) = without {
            append(&mut untold, format_args!("| {id} {name} | {why} |\n"));
        }
    }
    let mut elsewhere = String::new();
    for rule in infos(&set).filter(|rule| !rule.attack_ids.iter().any(|id| in_matrix(id))) {
        let (name, ids, case) = (&rule.name, rule.attack_ids.join(", "), case(&cases, rule));
        append(
            &mut elsewhere,
            format_args!("| {ids} | {name} | {case} |\n"),
        );
    }
    let rules = set.rules().count();
    let techniques = || CONTAINERS.iter().filter(|one| one.is_whole());
    let (with, all) = (
        techniques().filter(|one| one.without.is_none()).count(),
        techniques().count(),
    );
    Ok(format!(
        "{rules} rules are about {with} of the {all} techniques of the matrix.\n\n\
         ## Techniques and their rules\n\n\
         | technique | rule | case |\n|---|---|---|\n{told}\n\
         ## Techniques without a rule\n\n\
         | technique | why |\n|---|---|\n{untold}\n\
         ## Rules about techniques outside the matrix\n\n\
         | technique | rule | case |\n|---|---|---|\n{elsewhere}"
    ))
}

fn infos(set: &RuleSet) -> impl Iterator<Item = &RuleInfo> {
    set.rules().map(|rule| &*rule.info)
}

/// The technique that a sub-technique is part of.
fn whole(id: &str) -> &str {
    id.split_once('.').map_or(id, |(whole, _)| whole)
}

fn in_matrix(id: &str) -> bool {
    CONTAINERS.iter().any(|one| one.id == whole(id))
}

/// The rules about a technique. Those about a sub-technique that the matrix has stand there, others
/// with the whole technique.
fn about<'a>(set: &'a RuleSet, technique: &Technique) -> Vec<&'a RuleInfo> {
    let is_about = |id: &String| {
        let listed = CONTAINERS.iter().any(|one| one.id == id);
        if listed {
            id == technique.id
        } else {
            technique.is_whole() && whole(id) == technique.id
        }
    };
    infos(set)
        .filter(|rule| rule.attack_ids.iter().any(is_about))
        .collect()
}

fn by_rule<'a>(
    set: &RuleSet,
    cases: &'a [TestCase],
) -> Result<BTreeMap<&'a str, &'a TestCase>, String> {
    let mut found = BTreeMap::new();
    for case in cases {
        if found.insert(&*case.rule, case).is_some() {
            return Err(format!("rule '{}' has two cases", case.rule));
        }
    }
    let names: BTreeSet<&str> = infos(set).map(|rule| &*rule.name).collect();
    if let Some(name) = names.iter().find(|name| !found.contains_key(**name)) {
        return Err(format!("rule '{name}' has no case"));
    }
    if let Some(name) = found.keys().find(|name| !names.contains(**name)) {
        return Err(format!("there is no rule '{name}'"));
    }
    Ok(found)
}

/// A technique counts as told if a rule is about it or about one of its sub-techniques.
fn check_techniques(set: &RuleSet) -> Result<(), String> {
    for technique in CONTAINERS {
        let id = technique.id;
        let told = infos(set).any(|rule| {
            let mut ids = rule.attack_ids.iter();
            ids.any(|tag| tag == id || technique.is_whole() && whole(tag) == id)
        });
        match (told, technique.without) {
            (true, Some(_)) => return Err(format!("{id} has a rule and a reason for none")),
            (false, None) => return Err(format!("{id} has neither a rule nor a reason for none")),
            _ => {}
        }
    }
    Ok(())
}

/// Where the case stands, as a link from `docs/`.
fn case(cases: &BTreeMap<&str, &TestCase>, rule: &RuleInfo) -> String {
    let Some(case) = cases.get(&*rule.name) else {
        return String::new();
    };
    let short = case.file.rsplit('/').next().unwrap_or_default();
    let link = format!("[{short}](../{})", case.file);
    match &case.not_run {
        Some(why) => format!("{link}, its offender is not run: {why}"),
        None => link,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> Vec<TestCase> {
        let set = load(&bundled(), &LoadOptions::default()).set;
        let case = |rule: &RuleInfo| TestCase {
            rule: rule.name.clone(),
            file: "tests/cases/pack/a.toml".to_owned(),
            not_run: None,
        };
        infos(&set).map(case).collect()
    }

    #[test]
    fn every_rule_is_told_with_its_case() {
        let mut cases = cases();
        cases[0].not_run = Some("it would break something".to_owned());
        let text = coverage_markdown(&cases).unwrap();
        for case in &cases {
            assert!(text.contains(&format!("| {} |", case.rule)), "{case:?}");
        }
        assert!(text.contains("[a.toml](../tests/cases/pack/a.toml) |"));
        assert!(text.contains("a.toml), its offender is not run: it would break something |"));
    }

    #[test]
    fn a_rule_has_one_case() {
        let mut cases = cases();
        let last = cases.pop().unwrap();
        assert!(
            coverage_markdown(&cases)
                .unwrap_err()
                .contains("has no case")
        );
        cases.extend([last.clone(), last]);
        assert!(coverage_markdown(&cases).unwrap_err().contains("two cases"));
        cases.pop();
        cases.push(TestCase {
            rule: "gone".to_owned(),
            ..cases[0].clone()
        });
        assert!(
            coverage_markdown(&cases)
                .unwrap_err()
                .contains("no rule 'gone'")
        );
    }

    #[test]
    fn at_least_two_thirds_of_the_matrix_have_a_rule() {
        let set = load(&bundled(), &LoadOptions::default()).set;
        let whole: Vec<_> = CONTAINERS.iter().filter(|one| one.is_whole()).collect();
        let told = |one: &&&Technique| one.without.is_none();
        assert_eq!(whole.len(), 30);
        assert!(whole.iter().filter(told).count() >= 20);
        assert!(set.rules().count() >= 45);
    }
}
