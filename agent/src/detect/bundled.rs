//! The rules that come with the agent, built into the binary.

use super::load::{LoadOptions, RuleFile, load};
use super::value::append;
use crate::model::RuleInfo;

/// Rules and samples of a topic: the two files stand side by side.
macro_rules! topics {
    ($($name:literal),* $(,)?) => {
        /// Name, rules and samples of each topic, in load order.
        const TOPICS: &[(&str, &str, &str)] = &[$((
            $name,
            include_str!(concat!("../../../rules/", $name, ".yaml")),
            include_str!(concat!("../../../rules/", $name, ".samples.yaml")),
        ),)*];
    };
}

/// Macros and lists that the topics share; loaded first.
const MACROS: (&str, &str) = ("00-macros", include_str!("../../../rules/00-macros.yaml"));

topics! {
    "accounts",
    "container_clients",
    "container_escape",
    "credentials",
    "cryptominer",
    "defenses",
    "discovery",
    "dns",
    "drop_and_execute",
    "file_integrity",
    "impact",
    "log_tampering",
    "network",
    "package_manager",
    "persistence",
    "privilege_escalation",
    "privileged_calls",
    "sensitive_mount",
    "shell",
}

/// The bundled rule files in load order.
pub fn bundled() -> Vec<RuleFile> {
    let (name, text) = MACROS;
    let topics = TOPICS
        .iter()
        .map(|&(name, rules, _)| file(name, ".yaml", rules));
    std::iter::once(file(name, ".yaml", text))
        .chain(topics)
        .collect()
}

/// Samples of the bundled rules, one file per topic.
pub fn bundled_samples() -> Vec<RuleFile> {
    let samples = |&(name, _, samples): &(&str, &str, &str)| file(name, ".samples.yaml", samples);
    TOPICS.iter().map(samples).collect()
}

fn file(name: &str, extension: &str, text: &str) -> RuleFile {
    RuleFile {
        path: format!("rules/{name}{extension}"),
        text: text.to_owned(),
    }
}

/// The bundled rules as a table for the documents.
pub fn bundled_markdown() -> String {
    let set = load(&bundled(), &LoadOptions::default()).set;
    let mut table = "| rule | priority | ATT&CK | file |\n|---|---|---|---|\n".to_owned();
    for rule in set.rules() {
        let RuleInfo {
            name,
            priority,
            attack_ids,
            file,
            ..
        } = &*rule.info;
        let (techniques, file) = (attack_ids.join(", "), file.trim_start_matches("rules/"));
        append(
            &mut table,
            format_args!("| {name} | {priority} | {techniques} | `{file}` |\n"),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::{Expectation, Loaded, Outcome, read_samples, run_samples};
    use super::*;
    use crate::model::Priority;

    fn loaded() -> Loaded {
        load(&bundled(), &LoadOptions::default())
    }

    #[test]
    fn all_rules_load_without_a_remark() {
        let report = loaded().report;
        assert!(
            report.refused.is_empty() && report.warnings.is_empty(),
            "{}",
            report.to_text()
        );
    }

    #[test]
    fn the_readme_says_how_many_there_are() {
        let readme = include_str!("../../../README.md");
        let said = format!("with {} bundled rules", loaded().set.rules().len());
        assert!(readme.contains(&said), "README.md does not say: {said}");
    }

    #[test]
    fn every_sample_is_as_expected() {
        let set = loaded().set;
        for file in bundled_samples() {
            let (samples, failures) = read_samples(&file);
            assert!(failures.is_empty(), "{failures:#?}");
            let report = run_samples(&set, &samples);
            assert!(report.failures.is_empty(), "{}", report.to_text());
        }
    }

    #[test]
    fn every_rule_has_samples_for_and_against_it() {
        let mut seen: HashMap<(String, bool), usize> = HashMap::new();
        for file in bundled_samples() {
            for sample in read_samples(&file).0 {
                let fires = sample.expect == Expectation::Fires;
                *seen.entry((sample.rule, fires)).or_default() += 1;
            }
        }
        for rule in loaded().set.rules() {
            let name = &rule.info.name;
            for (fires, kind) in [(true, "that fires"), (false, "that stays quiet")] {
                let count = seen.get(&(name.clone(), fires)).copied().unwrap_or(0);
                assert!(count > 0, "rule '{name}' has no sample {kind}");
            }
        }
    }

    #[test]
    fn every_rule_tells_what_it_is_for() {
        for rule in loaded().set.rules() {
            let info = &rule.info;
            let name = &info.name;
            assert!(
                !info.attack_ids.is_empty(),
                "rule '{name}' has no ATT&CK technique"
            );
            assert!(
                info.tags.iter().any(|tag| tag.starts_with("mitre_")),
                "rule '{name}' has no ATT&CK tactic"
            );
            assert!(
                info.description.len() > 40,
                "rule '{name}' does not say why it exists"
            );
        }
    }

    /// What ordinary containers do: no rule of WARNING or above may fire on any of it.
    #[test]
    fn builds_and_web_servers_raise_no_alert() {
        let file = RuleFile {
            path: "benign.yaml".to_owned(),
            text: include_str!("bundled/benign.yaml").to_owned(),
        };
        let (samples, failures) = read_samples(&file);
        assert!(failures.is_empty(), "{failures:#?}");
        let set = loaded().set;
        let mut outcome = Outcome::default();
        for sample in samples {
            set.evaluate(&sample.event, &mut outcome);
            for &rule in outcome.matched.iter().chain(&outcome.undecided) {
                let info = &set.rule(rule).info;
                let why = sample.why.as_deref().unwrap_or_default();
                let quiet = !info.priority.at_least(Priority::Warning);
                assert!(quiet, "rule '{}' fires on: {why}", info.name);
            }
        }
    }

    #[test]
    fn every_topic_file_is_built_in() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules");
        let mut on_disk: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| format!("rules/{}", entry.unwrap().file_name().display()))
            .collect();
        on_disk.sort();
        let mut built_in: Vec<_> = bundled()
            .into_iter()
            .chain(bundled_samples())
            .map(|file| file.path)
            .collect();
        built_in.sort();
        assert_eq!(on_disk, built_in);
    }
}
