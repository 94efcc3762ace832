//! The rules of a set, for people and programs.

use serde::Serialize;

use super::catalogue::nearest;
use super::event_types::EventTypes;
use super::glob::Glob;
use super::set::RuleSet;
use super::value::append;

/// What `rules list` tells of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleListing {
    /// Name.
    pub name: String,
    /// Id of a Sigma rule; empty for others.
    pub id: String,
    /// Author of a Sigma rule; empty for others.
    pub author: String,
    /// Priority, in Falco's words.
    pub priority: &'static str,
    /// Evaluated.
    pub enabled: bool,
    /// Its matches are alerts; else they only count for correlations.
    pub alerts: bool,
    /// Event types that it can fire on, by Falco's names.
    pub event_types: Vec<&'static str>,
    /// Tags as written.
    pub tags: Vec<String>,
    /// ATT&CK techniques among the tags.
    pub attack_ids: Vec<String>,
    /// Description.
    pub description: String,
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// All rules of a set, in the order of their definition.
pub fn rule_list(set: &RuleSet) -> Vec<RuleListing> {
    let listing = |rule: &super::set::Rule| RuleListing {
        name: rule.info.name.clone(),
        id: rule.info.id.clone(),
        author: rule.info.author.clone(),
        priority: rule.info.priority.name(),
        enabled: rule.enabled,
        alerts: rule.alerts,
        event_types: rule
            .event_types
            .iter()
            .map(|syscall| syscall.name())
            .collect(),
        tags: rule.info.tags.clone(),
        attack_ids: rule.info.attack_ids.clone(),
        description: rule.info.description.clone(),
        file: rule.info.file.clone(),
        line: rule.info.line,
    };
    set.rules().map(listing).collect()
}

/// The name is the one that was asked for: letters of either case are equal, `*` stands for anything.
pub fn is_named(name: &str, asked: &str) -> bool {
    // Brackets and question marks may stand in a name.
    let mut pattern = String::new();
    for character in asked.chars() {
        if matches!(character, '[' | '?' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    Glob::new(pattern).matches_folded(name.as_bytes())
}

/// The known name that was probably meant.
pub fn nearest_name<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    nearest(asked, known)
}

/// The list as a table: priority, name, techniques, event types, place.
pub fn rule_list_text(rules: &[RuleListing]) -> String {
    let width = rules
        .iter()
        .map(|rule| rule.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for rule in rules {
        let RuleListing {
            name,
            priority,
            file,
            line,
            ..
        } = rule;
        let techniques = rule.attack_ids.join(",");
        let state = match (rule.enabled, rule.alerts) {
            (true, true) => "",
            (true, false) => " (counted only)",
            (false, _) => " (disabled)",
        };
        append(
            &mut out,
            format_args!("{priority:<9} {name:<width$}  {techniques:<20} {file}:{line}{state}\n"),
        );
        append(
            &mut out,
            format_args!(
                "{:<9} on {}; tags {}\n",
                "",
                types(rule),
                rule.tags.join(", ")
            ),
        );
    }
    let disabled = rules.iter().filter(|rule| !rule.enabled).count();
    append(
        &mut out,
        format_args!("{} rules, {disabled} disabled\n", rules.len()),
    );
    out
}

fn types(rule: &RuleListing) -> String {
    if rule.event_types.is_empty() {
        return "no event".to_owned();
    }
    if rule.event_types.len() == EventTypes::ALL.iter().count() {
        return "every event".to_owned();
    }
    rule.event_types.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{loaded, with_condition};
    use super::*;

    #[test]
    fn the_list_tells_where_a_rule_stands_and_what_it_needs() {
        let set = with_condition("evt.type = connect and fd.rport = 22").set;
        let rules = rule_list(&set);
        assert_eq!(rules[0].event_types, ["connect"]);
        let text = rule_list_text(&rules);
        assert!(
            text.contains("INFO") && text.contains("test.yaml:1"),
            "{text}"
        );
        assert!(text.contains("on connect"), "{text}");
    }

    #[test]
    fn a_rule_is_found_by_name_or_pattern() {
        assert!(is_named(
            "Shell [x] in a container?",
            "shell [X] in a container?"
        ));
        assert!(is_named("Shell in a container", "*in a*"));
        assert!(!is_named("Shell in a container", "Shell"));
    }

    #[test]
    fn a_disabled_rule_is_listed_as_such() {
        let set = loaded(
            "- rule: r\n  desc: d\n  condition: proc.name = x\n  output: o\n  priority: INFO\n  \
             enabled: false\n  tags: [T1059, mitre_execution]\n",
        )
        .set;
        let rules = rule_list(&set);
        assert!(!rules[0].enabled);
        assert_eq!(rules[0].attack_ids, ["T1059"]);
        assert!(rule_list_text(&rules).contains("(disabled)"));
        assert!(
            serde_json::to_string(&rules)
                .unwrap()
                .contains("\"enabled\":false")
        );
    }
}
