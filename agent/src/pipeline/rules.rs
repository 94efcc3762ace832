//! Rule sets: loaded as the settings say, and what there is to say of them.

use std::sync::Arc;
use std::time::SystemTime;

use crate::config;
use crate::detect::{
    self, Approvers, EventTypes, LoadOptions, LoadReport, Loaded, Rule, RuleFile, RuleSet,
    RuleSources,
};
use crate::model::{Priority, RuleInfo, RuleSetId};
use crate::telemetry::{RuleEntry, RuleSetFacts, RuleState, RulesSnapshot};

/// Loads sets, each as the one of the start: what one run refuses is refused at any time.
#[derive(Clone, Debug)]
pub(super) struct RuleLoader {
    pub(super) sources: RuleSources,
    options: LoadOptions,
    allow_refused: bool,
}

impl RuleLoader {
    pub(super) fn new(settings: &config::Rules, hostname: &str) -> Self {
        Self {
            sources: settings.sources(),
            options: LoadOptions {
                hostname: Some(hostname.to_owned()),
                minimum_priority: settings.min_priority.unwrap_or(Priority::Debug),
                minimum_level: settings.sigma_min_level,
                now: None,
            },
            allow_refused: settings.allow_refused,
        }
    }

    /// Loads a set. One refused rule refuses the set, unless that is allowed: a rule that silently
    /// does not run is worse than an old set, or than an agent that does not start.
    pub(super) fn load(&self, files: &[RuleFile]) -> Result<Loaded, LoadReport> {
        let options = LoadOptions {
            now: Some(SystemTime::now()),
            ..self.options.clone()
        };
        let loaded = detect::load(files, &options);
        if !loaded.report.refused.is_empty() && !self.allow_refused {
            return Err(loaded.report);
        }
        Ok(loaded)
    }
}

/// A set that events are judged by, or were.
#[derive(Debug)]
pub(super) struct RulesInForce {
    pub(super) set: Arc<RuleSet>,
    /// Its turn in this run, from 1.
    pub(super) generation: u64,
}

impl RulesInForce {
    pub(super) fn id(&self) -> RuleSetId {
        RuleSetId {
            digest: self.set.digest().into(),
            generation: self.generation,
        }
    }
}

/// A set with what there is to say of it.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) in_force: Arc<RulesInForce>,
    pub(super) snapshot: Arc<RulesSnapshot>,
    /// What the kernel must keep for it.
    pub(super) approvers: Arc<Approvers>,
    /// What may surprise the author, one line each.
    pub(super) warnings: Vec<String>,
}

impl Rules {
    /// Describes a set on a node whose hooks tell of those events.
    pub(super) fn new(loaded: Loaded, generation: u64, seen: EventTypes) -> Self {
        let Loaded { set, report } = loaded;
        let mut warnings = warning_lines(&report);
        let mut facts = RuleSetFacts {
            digest: set.digest().to_owned(),
            generation,
            loaded: Some(SystemTime::now()),
            refused: report.refused.len() as u32,
            ..RuleSetFacts::default()
        };
        let mut rules = Vec::new();
        for rule in set.rules() {
            let state = state(rule, seen);
            match &state {
                RuleState::Disabled => facts.disabled += 1,
                _ => facts.active += 1,
            }
            if let RuleState::WithoutEvents(events) = &state {
                facts.without_events += 1;
                let RuleInfo {
                    file, line, name, ..
                } = &*rule.info;
                warnings.push(format!(
                    "{file}:{line}: rule '{name}' cannot fire: {events}"
                ));
            }
            rules.push(RuleEntry {
                info: (*rule.info).clone(),
                state,
            });
        }
        rules.extend(refused(&report, set.digest()));
        Self {
            approvers: Arc::new(Approvers::of(&set)),
            in_force: Arc::new(RulesInForce {
                set: Arc::new(set),
                generation,
            }),
            snapshot: Arc::new(RulesSnapshot { facts, rules }),
            warnings,
        }
    }

    /// A set of a run that nobody can ask about its rules.
    pub(super) fn undescribed(set: Arc<RuleSet>) -> Self {
        let facts = RuleSetFacts {
            digest: set.digest().to_owned(),
            generation: 1,
            ..RuleSetFacts::default()
        };
        let rules = Vec::new();
        Self {
            in_force: Arc::new(RulesInForce { set, generation: 1 }),
            snapshot: Arc::new(RulesSnapshot { facts, rules }),
            approvers: Arc::new(Approvers::keep_all()),
            warnings: Vec::new(),
        }
    }

    /// Writes the warnings to the log.
    pub(super) fn log_warnings(&self) {
        for warning in &self.warnings {
            tracing::warn!(message = "Rule warning.", warning);
        }
    }
}

/// Hooks are attached at the start, whatever the rules want. So a set never waits for a hook: what
/// the kernel refused is not there for any set.
fn state(rule: &Rule, seen: EventTypes) -> RuleState {
    if !rule.enabled {
        return RuleState::Disabled;
    }
    let wanted = rule.event_types;
    if wanted.is_empty() || !wanted.intersection(seen).is_empty() {
        return RuleState::Active;
    }
    let names: Vec<_> = wanted.iter().map(|syscall| syscall.name()).collect();
    let names = names.join(", ");
    RuleState::WithoutEvents(format!("no hook that is attached tells of {names}"))
}

fn refused(report: &LoadReport, digest: &str) -> impl Iterator<Item = RuleEntry> {
    let digest: Arc<str> = digest.into();
    report.refused.iter().map(move |refusal| RuleEntry {
        info: RuleInfo {
            name: refusal.rule.clone().unwrap_or_default(),
            id: String::new(),
            author: String::new(),
            level: "",
            references: Vec::new(),
            priority: Priority::Debug,
            description: String::new(),
            tags: Vec::new(),
            attack_ids: Vec::new(),
            // What could not be read is of no language.
            language: "",
            file: refusal.file.clone(),
            line: refusal.line,
            set_digest: Arc::clone(&digest),
        },
        state: RuleState::Refused(refusal.reason.clone()),
    })
}

fn warning_lines(report: &LoadReport) -> Vec<String> {
    report.warnings.iter().map(ToString::to_string).collect()
}

/// What was refused, one line each.
pub(super) fn refusal_lines(report: &LoadReport) -> Vec<String> {
    report.refused.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A set of that text in its turn, on a node where every hook is attached.
    pub(in crate::pipeline) fn rules_of(text: &str, generation: u64) -> Rules {
        let file = RuleFile {
            path: "test.yaml".to_owned(),
            text: text.to_owned(),
        };
        let loaded = detect::load(&[file], &LoadOptions::default());
        assert!(loaded.report.refused.is_empty(), "{:?}", loaded.report);
        Rules::new(loaded, generation, EventTypes::ALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Syscall;

    const TEXT: &str = "\
- rule: opens
  desc: d
  condition: evt.type in (open, openat) and fd.name = /x
  output: o
  priority: NOTICE
- rule: connects
  desc: d
  condition: evt.type = connect and fd.rport = 22
  output: o
  priority: NOTICE
- rule: never
  desc: d
  condition: evt.type = connect and evt.num = 0
  output: o
  priority: NOTICE
- rule: off
  desc: d
  condition: evt.type = connect and fd.rport = 22
  output: o
  priority: NOTICE
  enabled: false
";

    #[test]
    fn a_rule_that_no_hook_feeds_is_told() {
        let file = RuleFile {
            path: "x.yaml".to_owned(),
            text: TEXT.to_owned(),
        };
        let load = || detect::load(std::slice::from_ref(&file), &LoadOptions::default());
        let all = Rules::new(load(), 1, EventTypes::ALL);
        assert_eq!(all.snapshot.facts.without_events, 0);
        let opens = EventTypes::of(&[Syscall::Openat]);
        let rules = Rules::new(load(), 2, opens);
        let facts = &rules.snapshot.facts;
        assert_eq!(
            (facts.active, facts.without_events, facts.disabled),
            (3, 1, 1)
        );
        assert_eq!(facts.generation, 2);
        let told = rules.warnings.iter().find(|it| it.contains("'connects'"));
        let told = told.unwrap();
        assert!(told.starts_with("x.yaml:6: "), "{told}");
        assert!(told.ends_with("no hook that is attached tells of connect"));
        assert_eq!(
            rules
                .warnings
                .iter()
                .filter(|it| it.contains("cannot fire"))
                .count(),
            1
        );
    }

    #[test]
    fn a_refused_rule_refuses_the_set_unless_that_is_allowed() {
        let file = RuleFile {
            path: "x.yaml".to_owned(),
            text: format!(
                "{TEXT}- rule: broken\n  desc: d\n  condition: evt.type =\n  output: o\n  priority: INFO\n"
            ),
        };
        let mut settings = config::Config::default().rules;
        let load = |settings: &config::Rules| {
            RuleLoader::new(settings, "node").load(std::slice::from_ref(&file))
        };
        let report = load(&settings).unwrap_err();
        let lines = refusal_lines(&report);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("x.yaml:2"), "{lines:?}");
        assert!(lines[0].contains("rule 'broken': "), "{lines:?}");
        settings.allow_refused = true;
        let loaded = load(&settings).unwrap();
        let rules = Rules::new(loaded, 1, EventTypes::ALL);
        assert_eq!(rules.snapshot.facts.refused, 1);
        let last = rules.snapshot.rules.last().unwrap();
        assert!(matches!(last.state, RuleState::Refused(_)));
    }
}
