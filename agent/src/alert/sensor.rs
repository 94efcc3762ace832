//! Findings about the sensor and the stream themselves: built in, without an event and without a
//! container.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use crate::model::{Priority, RuleInfo, RuleSetId};

/// A finding about the sensor.
#[derive(Clone, Debug)]
pub struct SensorFinding {
    /// The built-in rule.
    pub rule: Arc<RuleInfo>,
    /// A sentence.
    pub output: String,
    /// When it was found.
    pub time: SystemTime,
    /// The rule set that it is about, or else the one that was in force when it was raised.
    pub set: Option<RuleSetId>,
}

/// A hook no longer tells of the canary.
static BLIND: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Sensor blind",
        Priority::Critical,
        "A hook does not tell of the canary's calls any more: it tells of nobody's.",
        &["T1562.001", "T1562.006"],
    )
});

/// It does again.
static SEES: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Sensor sees again",
        Priority::Notice,
        "A hook that was blind tells of the canary's calls again.",
        &[],
    )
});

/// A link or a map is not as it was made.
static TAMPERED: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Sensor tampered",
        Priority::Critical,
        "A link or a map of the sensor is not as the agent made it.",
        &["T1562.001", "T1562.006"],
    )
});

/// The spool's files cannot be written.
static NOT_DURABLE: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Alert stream not durable",
        Priority::Critical,
        "The spool cannot be written: alerts are in memory alone, and end with the agent.",
        &[],
    )
});

/// They can be again.
static DURABLE: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Alert stream durable again",
        Priority::Notice,
        "The spool can be written again.",
        &[],
    )
});

/// Stored records cannot be read.
static DAMAGED: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Alert stream damaged",
        Priority::Critical,
        "Records that an earlier run stored cannot be read any more.",
        &["T1070", "T1565.001"],
    )
});

/// Somebody was not let in.
static CLIENT_REFUSED: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Client refused",
        Priority::Warning,
        "Somebody who may not asked the agent for its stream or its services.",
        &[],
    )
});

/// New credentials cannot be used.
static CREDENTIALS: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Credentials not taken over",
        Priority::Error,
        "Certificate, key, CA or clients file were changed and cannot be used: the old ones stay.",
        &[],
    )
});

/// Another rule set is in force.
static RULES_RELOADED: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Rules reloaded",
        Priority::Notice,
        "The rule files changed and their set was taken over: every later event is judged by it.",
        &[],
    )
});

/// The rule files cannot be used.
static RULES_NOT_RELOADED: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Rules not reloaded",
        Priority::Error,
        "The rule files changed and their set cannot be used: the old one stays.",
        &[],
    )
});

/// Reviewed files say something else.
static BASELINES_REVIEWED: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Baselines reviewed",
        Priority::Notice,
        "Reviewed baseline files changed and were taken over: every later event is judged by them.",
        &[],
    )
});

/// Reviewed files cannot be used.
static BASELINES_NOT_REVIEWED: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Reviewed baselines not taken over",
        Priority::Error,
        "Reviewed baseline files changed and cannot be used: what they said before stays.",
        &[],
    )
});

/// What was learnt is lost.
static BASELINES_LOST: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Baselines lost",
        Priority::Error,
        "What the agent had learnt of workloads cannot be read any more: it learns anew.",
        &["T1070", "T1565.001"],
    )
});

/// An operator changed what belongs to a workload.
static BASELINE_DECIDED: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Baseline decided",
        Priority::Notice,
        "An operator said what belongs to a workload and what does not, or locked or unlocked classes.",
        &[],
    )
});

/// Profiles of elsewhere were taken in.
static BASELINES_IMPORTED: LazyLock<Arc<RuleInfo>> = LazyLock::new(|| {
    rule(
        "Baselines imported",
        Priority::Notice,
        "An operator imported profiles: what they know, and what was decided in them, holds here too.",
        &[],
    )
});

impl SensorFinding {
    /// An operator changed what belongs to a workload.
    pub fn baseline_decided(what: &str) -> Self {
        Self::new(&BASELINE_DECIDED, format!("Baseline decided: {what}"))
    }

    /// Profiles of elsewhere were taken in.
    pub fn baselines_imported(what: &str) -> Self {
        Self::new(&BASELINES_IMPORTED, format!("Baselines imported: {what}"))
    }

    /// Reviewed files say something else.
    pub fn baselines_reviewed(workloads: usize, digest: &str) -> Self {
        let what = format!("Baselines reviewed: {workloads} workloads, digest {digest}");
        Self::new(&BASELINES_REVIEWED, what)
    }

    /// Reviewed files cannot be used.
    pub fn baselines_not_reviewed(why: &str) -> Self {
        let what = format!("Reviewed baselines not taken over: {why}");
        Self::new(&BASELINES_NOT_REVIEWED, what)
    }

    /// What was learnt is lost.
    pub fn baselines_lost(what: &str) -> Self {
        Self::new(&BASELINES_LOST, format!("Baselines lost: {what}"))
    }

    /// Another rule set is in force.
    pub fn rules_reloaded(what: &str, set: RuleSetId) -> Self {
        Self {
            set: Some(set),
            ..Self::new(&RULES_RELOADED, format!("Rules reloaded: {what}"))
        }
    }

    /// The rule files cannot be used.
    pub fn rules_not_reloaded(why: &str) -> Self {
        Self::new(&RULES_NOT_RELOADED, format!("Rules not reloaded: {why}"))
    }

    /// Somebody was not let in.
    pub fn client_refused(what: &str) -> Self {
        Self::new(&CLIENT_REFUSED, format!("Client refused: {what}"))
    }

    /// New credentials cannot be used.
    pub fn credentials_not_taken(why: &str) -> Self {
        Self::new(&CREDENTIALS, format!("Credentials not taken over: {why}"))
    }

    /// The spool's files cannot be written.
    pub fn not_durable(why: &str) -> Self {
        Self::new(&NOT_DURABLE, format!("Alert stream not durable: {why}"))
    }

    /// They can be again.
    pub fn durable_again() -> Self {
        Self::new(&DURABLE, "Alert stream durable again".to_owned())
    }

    /// Records of earlier runs cannot be read.
    pub fn damaged(records: u64, directory: &Path) -> Self {
        let directory = directory.display();
        let what = format!("Alert stream damaged: {records} records of {directory} are lost");
        Self::new(&DAMAGED, what)
    }

    /// The files of earlier runs are gone.
    pub fn vanished(directory: &Path) -> Self {
        let directory = directory.display();
        let what = format!("Alert stream damaged: the files of {directory} are gone");
        Self::new(&DAMAGED, what)
    }

    /// Records turned out not to be readable when a client asked for them.
    pub fn unreadable(records: u64) -> Self {
        let what = format!("Alert stream damaged: {records} records turned out to be lost");
        Self::new(&DAMAGED, what)
    }

    /// A hook went blind.
    pub fn blind(hook: &str, seconds: u64) -> Self {
        let what = format!("Sensor blind: hook {hook} (no sign of the canary for {seconds} s)");
        Self::new(&BLIND, what)
    }

    /// A hook sees again.
    pub fn sees_again(hook: &str) -> Self {
        Self::new(&SEES, format!("Sensor sees again: hook {hook}"))
    }

    /// A link or a map was changed.
    pub fn tampered(what: &str) -> Self {
        Self::new(&TAMPERED, format!("Sensor tampered: {what}"))
    }

    fn new(rule: &Arc<RuleInfo>, output: String) -> Self {
        Self {
            rule: Arc::clone(rule),
            output,
            time: SystemTime::now(),
            set: None,
        }
    }
}

fn rule(name: &str, priority: Priority, description: &str, attack_ids: &[&str]) -> Arc<RuleInfo> {
    let attack_ids: Vec<String> = attack_ids.iter().map(ToString::to_string).collect();
    let tags = std::iter::once("sensor".to_owned()).chain(attack_ids.iter().cloned());
    Arc::new(RuleInfo {
        name: name.to_owned(),
        id: String::new(),
        author: String::new(),
        level: "",
        references: Vec::new(),
        priority,
        description: description.to_owned(),
        tags: tags.collect(),
        attack_ids,
        language: "built-in",
        file: String::new(),
        line: 0,
        set_digest: "".into(),
    })
}
