//! Whether the rules that fired on a deed are those that should.

use std::collections::BTreeSet;

use gravlens::proto::{Alert, Severity};

use super::{Played, Side};
use crate::client::{container_id, rule_name};

/// Fires when a container with all privileges starts, whatever is done there.
const PRIVILEGED: &str = "Privileged container started";

/// The rules that fired on a deed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// All of them.
    pub all: BTreeSet<String>,
    /// Those of WARNING or above.
    pub grave: BTreeSet<String>,
}

/// What fired in a container. An alert that is undecided does not count as a rule that fired.
pub fn fired(alerts: &[Alert], container: &str) -> Fired {
    let mut fired = Fired::default();
    for alert in alerts
        .iter()
        .filter(|alert| container_id(alert) == container)
    {
        if !alert.undecided.is_empty() {
            continue;
        }
        let rule = rule_name(alert).to_owned();
        if alert.severity() >= Severity::Warning {
            fired.grave.insert(rule.clone());
        }
        fired.all.insert(rule);
    }
    fired
}

/// What is wrong with a deed or with what fired on it, a line for each. `counted` are the rules of
/// which none may fire that the case does not name.
pub fn faults(played: &Played<'_>, fired: &Fired, counted: &BTreeSet<String>) -> Vec<String> {
    let case = played.case;
    let mut faults = Vec::new();
    let mut fault = |what: String| {
        faults.push(format!("{:?} of {:?} {what}", played.side, case.rule));
    };
    if let Some(failure) = &played.failure {
        fault(format!("could not be done: {failure}"));
    }
    let told = fired.all.contains(&case.rule);
    match played.side {
        Side::Offender if !told => fault(format!("is not told; what fired: {:?}", fired.all)),
        Side::Twin if told => fault("sets the rule off".to_owned()),
        _ => {}
    }
    let expected = |rule: &&String| {
        let by_setting = played.setting().privileged && *rule == PRIVILEGED;
        let by_deed = played.side == Side::Offender && case.also.contains(rule);
        **rule == case.rule || by_setting || by_deed
    };
    for rule in counted.iter().filter(|rule| !expected(rule)) {
        fault(format!("sets off {rule:?} too"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::Case;
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn faults_of(side: Side, privileged: bool, names: &[&str]) -> usize {
        let text = format!(
            "rule = 'a'\nalso = ['b']\nsetting.privileged = {privileged}\n\
             offender.script = 'x'\ntwin.script = 'y'"
        );
        let case: Case = toml::from_str(&text).unwrap();
        let played = Played {
            case: &case,
            side,
            container: String::new(),
            failure: None,
        };
        let all = set(names);
        let fired = Fired {
            all: all.clone(),
            grave: all.clone(),
        };
        faults(&played, &fired, &all).len()
    }

    #[test]
    fn an_offender_sets_off_its_rule_and_those_that_are_named() {
        assert_eq!(faults_of(Side::Offender, false, &["a", "b"]), 0);
        assert_eq!(faults_of(Side::Offender, false, &["b"]), 1);
        assert_eq!(faults_of(Side::Offender, false, &["a", "c"]), 1);
    }

    #[test]
    fn a_twin_sets_off_nothing_but_what_its_container_does() {
        assert_eq!(faults_of(Side::Twin, false, &[]), 0);
        assert_eq!(faults_of(Side::Twin, false, &["a"]), 1);
        assert_eq!(faults_of(Side::Twin, false, &["b"]), 1);
        assert_eq!(faults_of(Side::Twin, true, &[PRIVILEGED]), 0);
        assert_eq!(faults_of(Side::Twin, false, &[PRIVILEGED]), 1);
    }

    #[test]
    fn an_undecided_alert_is_no_rule_that_fired() {
        let alert = |undecided: bool| Alert {
            rule: Some(gravlens::proto::Rule {
                name: "a".to_owned(),
                ..Default::default()
            }),
            container: Some(gravlens::proto::Container {
                id: "c".to_owned(),
                ..Default::default()
            }),
            severity: Severity::Notice.into(),
            undecided: vec![Default::default(); usize::from(undecided)],
            ..Alert::default()
        };
        assert!(fired(&[alert(true)], "c").all.is_empty());
        assert!(fired(&[alert(false)], "d").all.is_empty());
        let fired = fired(&[alert(false)], "c");
        assert_eq!((fired.all.len(), fired.grave.len()), (1, 0));
    }
}
