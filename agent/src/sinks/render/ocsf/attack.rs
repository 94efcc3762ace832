//! MITRE ATT&CK: what the rule names.

use serde_json::Value;

use super::object::Object;
use super::values;
use crate::proto;

/// How rules tag a tactic: `mitre_execution`.
const TAG: &str = "mitre_";

/// The tactics of the enterprise matrix: how tags name them, id and name.
const TACTICS: &[(&str, &str, &str)] = &[
    ("reconnaissance", "TA0043", "Reconnaissance"),
    ("resource_development", "TA0042", "Resource Development"),
    ("initial_access", "TA0001", "Initial Access"),
    ("execution", "TA0002", "Execution"),
    ("persistence", "TA0003", "Persistence"),
    ("privilege_escalation", "TA0004", "Privilege Escalation"),
    ("defense_evasion", "TA0005", "Defense Evasion"),
    ("credential_access", "TA0006", "Credential Access"),
    ("discovery", "TA0007", "Discovery"),
    ("lateral_movement", "TA0008", "Lateral Movement"),
    ("collection", "TA0009", "Collection"),
    ("command_and_control", "TA0011", "Command and Control"),
    ("exfiltration", "TA0010", "Exfiltration"),
    ("impact", "TA0040", "Impact"),
];

/// One entry for each technique and each tactic: a rule does not say which technique serves which
/// tactic.
pub(super) fn of_rule(rule: &proto::Rule) -> Vec<Value> {
    let techniques = rule.attack_ids.iter().map(|id| technique(id));
    let tactics = rule.tags.iter().filter_map(|tag| tactic(tag));
    values(techniques.chain(tactics))
}

fn technique(id: &str) -> Object {
    let Some((technique, _)) = id.split_once('.') else {
        return Object::default().object("technique", Object::default().text("uid", id));
    };
    Object::default()
        .object("technique", Object::default().text("uid", technique))
        .object("sub_technique", Object::default().text("uid", id))
}

fn tactic(tag: &str) -> Option<Object> {
    let word = tag.strip_prefix(TAG)?;
    let (_, id, name) = TACTICS.iter().find(|(tagged, ..)| *tagged == word)?;
    let tactic = Object::default().text("uid", id).text("name", name);
    Some(Object::default().object("tactic", tactic))
}
