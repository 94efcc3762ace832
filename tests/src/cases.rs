//! Deeds in containers as data: each rule with an offender that sets it off and a twin that does
//! nearly the same and does not. The files stand in `tests/cases`.

mod play;
mod remote;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::images::Image;

pub use play::{Played, Side, play_all};
pub use verdict::{Fired, faults, fired};

/// What one rule is tried with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Name of the rule.
    pub rule: String,
    /// Where both deeds are done, unless they say otherwise.
    #[serde(default)]
    pub setting: Setting,
    /// Other rules that see the offender's deed as well.
    #[serde(default)]
    pub also: Vec<String>,
    /// What sets the rule off.
    pub offender: Option<Deed>,
    /// What does not.
    pub twin: Option<Deed>,
    /// Why there is no offender: what it did would outlive the test.
    pub not_run: Option<String>,
}

impl Case {
    /// Whether its offender is in a container with all privileges.
    fn needs_privileges(&self) -> bool {
        let own = self
            .offender
            .as_ref()
            .and_then(|deed| deed.setting.as_ref());
        own.unwrap_or(&self.setting).privileged
    }
}

/// What is done in a container: a script, a program, or nothing but its start.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deed {
    /// For `sh -c`. It has to end well, and names programs by their full path: the shell of busybox
    /// would run its own applets without executing anything.
    pub script: Option<String>,
    /// A program with its arguments, without a shell. It has to end well.
    pub program: Option<Vec<String>>,
    /// Typed into the program, which has a terminal.
    pub terminal: Option<String>,
    /// User that does it.
    pub user: Option<String>,
    /// In place of the case's setting.
    pub setting: Option<Setting>,
}

/// The container.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Setting {
    /// Image.
    pub image: Image,
    /// First process; without one it sleeps.
    pub command: Vec<String>,
    /// Mounts, `/on/node:/in/container[:ro]`; `{engine}` stands for the engine's socket.
    pub binds: Vec<String>,
    /// Capabilities that it has beside the usual ones.
    pub capabilities: Vec<String>,
    /// It has all privileges.
    pub privileged: bool,
    /// The engine filters its system calls.
    pub seccomp: bool,
    /// Ports of another machine at 203.0.113.7 that take TCP connections. That machine answers every
    /// DNS query with its own address, and the container asks it.
    pub remote: Option<Vec<u16>>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            image: Image::Busybox,
            command: Vec::new(),
            binds: Vec::new(),
            capabilities: Vec::new(),
            privileged: false,
            seccomp: true,
            remote: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

/// The folder of the cases.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// The cases of one file.
pub fn read(file: &Path) -> Result<Vec<Case>> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let table: Table = toml::from_str(&text).with_context(|| format!("{name} holds no cases"))?;
    for case in &table.case {
        check(case).with_context(|| format!("{name}: {:?}", case.rule))?;
    }
    Ok(table.case)
}

/// The cases of the bundled rules, by topic.
pub fn of_bundled_rules() -> Result<BTreeMap<String, Vec<Case>>> {
    let mut topics = BTreeMap::new();
    for entry in fs::read_dir(folder().join("pack"))? {
        let file = entry?.path();
        let topic = file.file_stem().context("a file has a name")?;
        topics.insert(topic.to_string_lossy().into_owned(), read(&file)?);
    }
    Ok(topics)
}

fn check(case: &Case) -> Result<()> {
    ensure!(
        case.offender.is_some() != case.not_run.is_some(),
        "a case has an offender, or says why there is none"
    );
    for deed in [&case.offender, &case.twin].into_iter().flatten() {
        ensure!(
            deed.script.is_none() || deed.program.is_none(),
            "a deed is a script or a program"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gravlens::detect::{LoadOptions, bundled, load};

    use super::*;

    /// Name and topic of each bundled rule.
    fn rules() -> BTreeSet<(String, String)> {
        let set = load(&bundled(), &LoadOptions::default()).set;
        let named = |file: &str| {
            let topic = file.trim_start_matches("rules/");
            topic.trim_end_matches(".yaml").to_owned()
        };
        set.rules()
            .map(|rule| (rule.info.name.clone(), named(&rule.info.file)))
            .collect()
    }

    #[test]
    fn every_bundled_rule_has_one_case_in_the_file_of_its_topic() {
        let mut cased = BTreeSet::new();
        for (topic, cases) in of_bundled_rules().unwrap() {
            for case in cases {
                let pair = (case.rule, topic.clone());
                assert!(cased.insert(pair.clone()), "{pair:?} has two cases");
            }
        }
        let rules = rules();
        let without: Vec<_> = rules.difference(&cased).collect();
        let unknown: Vec<_> = cased.difference(&rules).collect();
        assert!(without.is_empty(), "rules without a case: {without:#?}");
        assert!(unknown.is_empty(), "cases without a rule: {unknown:#?}");
    }

    #[test]
    fn every_bundled_rule_with_an_offender_has_a_twin() {
        for case in of_bundled_rules().unwrap().into_values().flatten() {
            assert!(case.twin.is_some(), "{:?} has no twin", case.rule);
        }
    }

    #[test]
    fn other_rules_that_a_case_names_exist() {
        let names: BTreeSet<String> = rules().into_iter().map(|(name, _)| name).collect();
        for case in of_bundled_rules().unwrap().into_values().flatten() {
            for rule in &case.also {
                assert!(names.contains(rule), "{:?}: no rule {rule:?}", case.rule);
            }
        }
    }

    #[test]
    fn a_case_that_is_none_is_refused() {
        let deed = |text: &str| toml::from_str::<Table>(text).map(|table| check(&table.case[0]));
        let case = "[[case]]\nrule = 'a'\n";
        assert!(
            deed(&format!("{case}offender.script = 'id'"))
                .unwrap()
                .is_ok()
        );
        assert!(deed(case).unwrap().is_err(), "no offender");
        let two = "offender.script = 'id'\noffender.program = ['id']";
        assert!(deed(&format!("{case}{two}")).unwrap().is_err());
        assert!(deed(&format!("{case}offender.skript = 'id'")).is_err());
    }
}
