//! Alerts that baselines raised.

use crate::alert::printable;
use crate::cli::{Exit, Failure, alerts, client};
use crate::proto::{Alert, BaselineBehaviour, BaselineEvidence};

/// An alert, with what a baseline says in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) alert: Alert,
    pub(super) evidence: BaselineEvidence,
}

impl Told {
    /// The alert of an id, from the agent's spool.
    pub(super) async fn find(agent: &client::Agent, id: &str) -> Result<Self, Failure> {
        let found = alerts::find_alert(agent, id).await?;
        let Some(alert) = found else {
            let why = format!(
                "{} is no alert that is kept: `gravlens alerts` lists those that are",
                printable(id)
            );
            return Err(Failure::new(Exit::Failure, why));
        };
        Self::of(alert)
    }

    fn of(alert: Alert) -> Result<Self, Failure> {
        let Some(evidence) = alert.baseline.clone() else {
            let rule = alert.rule.as_ref().map_or("", |rule| rule.name.as_str());
            let why = format!(
                "{} is an alert of the rule '{}', not of a baseline: `gravlens rules explain` tells of \
                 rules, `gravlens tune` hides their alerts",
                printable(&alert.id),
                printable(rule)
            );
            return Err(Failure::new(Exit::Usage, why));
        };
        Ok(Self { alert, evidence })
    }

    /// The one behaviour that it is about; `None` when it tells of many together.
    pub(super) fn behaviour(&self) -> Option<BaselineBehaviour> {
        let evidence = &self.evidence;
        let is_one = !evidence.role.is_empty() && !evidence.object.is_empty();
        is_one.then(|| BaselineBehaviour {
            role: evidence.role.clone(),
            phase: evidence.phase,
            class: evidence.class.clone(),
            object: evidence.object.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Rule;

    #[test]
    fn an_alert_of_a_rule_is_none_of_a_baseline() {
        let alert = Alert {
            id: "x-1".to_owned(),
            rule: Some(Rule {
                name: "Terminal shell".to_owned(),
                ..Rule::default()
            }),
            ..Alert::default()
        };
        let failure = Told::of(alert).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("the rule 'Terminal shell'"));
    }

    #[test]
    fn what_tells_of_many_is_about_no_single_one() {
        let told = Told {
            evidence: BaselineEvidence {
                workload: "image a".to_owned(),
                class: "dns".to_owned(),
                ..BaselineEvidence::default()
            },
            ..Told::default()
        };
        assert_eq!(told.behaviour(), None);
    }
}
