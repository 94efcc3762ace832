//! The built-in rules.

use std::sync::Arc;

use super::super::class::Class;
use crate::model::{BaselineKind, Priority, RuleInfo};

/// `rule.language` of what a baseline tells.
const LANGUAGE: &str = "baseline";

/// The rule of a kind and a class. One name stands for one priority.
pub(super) fn of(
    kind: BaselineKind,
    class: Class,
    priority: Priority,
    set_digest: Arc<str>,
) -> RuleInfo {
    let (name, description) = words(kind);
    let armed = match priority {
        Priority::Informational => ", not armed",
        _ => "",
    };
    let attack_ids = attack_ids(class);
    let own = [LANGUAGE, class.name()];
    let tags = own.iter().chain(attack_ids);
    RuleInfo {
        name: format!("Baseline: {name}{armed} ({class})"),
        id: String::new(),
        author: String::new(),
        level: "",
        references: Vec::new(),
        priority,
        description: description.to_owned(),
        tags: tags.map(ToString::to_string).collect(),
        attack_ids: attack_ids.iter().map(ToString::to_string).collect(),
        language: LANGUAGE,
        file: String::new(),
        line: 0,
        set_digest,
    }
}

/// Name and description of a kind.
const fn words(kind: BaselineKind) -> (&'static str, &'static str) {
    match kind {
        BaselineKind::New => (
            "new behaviour",
            "A workload did what it never did while it was watched.",
        ),
        BaselineKind::Quarantined => (
            "quarantined behaviour",
            "A workload did again what came too late to be learnt and nobody has accepted.",
        ),
        BaselineKind::SeenOnce => (
            "behaviour seen once",
            "A workload did what it is known for too little: it did it once, or one of its containers \
             alone does.",
        ),
        BaselineKind::Returning => (
            "returning behaviour",
            "A workload did what it had not done for far longer than it ever paused.",
        ),
        BaselineKind::NeverOrdinary => (
            "never ordinary",
            "A workload did what no time of watching makes ordinary.",
        ),
        BaselineKind::Rejected => (
            "rejected behaviour",
            "A workload did what an operator said does not belong there.",
        ),
        BaselineKind::Flood => (
            "flood",
            "A container did more at once that would have to be told than is told one by one.",
        ),
        BaselineKind::Drift => (
            "drift",
            "A workload does more that is new than was to be expected.",
        ),
        BaselineKind::Rollout => (
            "rollout",
            "A new version of a workload does what none before it did.",
        ),
    }
}

/// Techniques that cannot do without behaviour of the class.
const fn attack_ids(class: Class) -> &'static [&'static str] {
    match class {
        Class::Exec | Class::Arguments => &["T1059"],
        Class::FileRead => &["T1005"],
        Class::FileRemove => &["T1070.004"],
        Class::FileMode => &["T1222.002"],
        Class::Library => &["T1574.006"],
        Class::NetOut => &["T1071"],
        Class::Dns => &["T1071.004"],
        Class::Privilege => &["T1068", "T1548"],
        // What is written, listened on or called may serve any.
        Class::FileWrite | Class::FileCreate | Class::Listen | Class::RareCall => &[],
    }
}
