//! The alert, and those that its rule raised before.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use tokio_stream::StreamExt as _;

use crate::cli::{Exit, Failure, alerts, client};
use crate::proto::record::Body;
use crate::proto::watch_request::Start;
use crate::proto::{Alert, Filter, Oldest, Record, RecordKind, Selector, WatchRequest};

/// An alert that was recorded.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorded {
    pub(super) alert: Alert,
    /// Those that were rolled up into it.
    pub(super) rolled_up: u64,
}

/// The alert of an id, with what became known after it.
pub(super) async fn alert(agent: &client::Agent, id: &str) -> Result<Alert, Failure> {
    let found = alerts::find_alert(agent, id).await?;
    found.ok_or_else(|| {
        let why = format!("{id} is no alert that is kept: `gravlens alerts` lists those that are");
        Failure::new(Exit::Failure, why)
    })
}

/// What the rule raised, the oldest first.
pub(super) async fn of_rule(
    agent: &client::Agent,
    rule: &str,
    since: Option<Timestamp>,
) -> Result<Vec<Recorded>, Failure> {
    let request = WatchRequest {
        start: Some(since.map_or(Start::Oldest(Oldest {}), Start::Since)),
        until_now: true,
        filter: Some(Filter {
            allow: vec![Selector {
                rules: vec![rule.to_owned()],
                ..Selector::default()
            }],
            kinds: vec![RecordKind::Alert.into(), RecordKind::Amend.into()],
            ..Filter::default()
        }),
        ..WatchRequest::default()
    };
    let mut records = client::watch(agent, request).await?;
    let mut history = History::default();
    while let Some(record) = records.next().await {
        history.take(record.map_err(client::broken)?, rule);
    }
    Ok(history.recorded)
}

#[derive(Default)]
struct History {
    recorded: Vec<Recorded>,
    by_id: BTreeMap<String, usize>,
}

impl History {
    fn take(&mut self, record: Record, rule: &str) {
        match record.body {
            // A star in a rule's name is one in the filter's pattern too.
            Some(Body::Alert(alert))
                if alert.rule.as_ref().is_some_and(|found| found.name == rule) =>
            {
                self.by_id.insert(alert.id.clone(), self.recorded.len());
                self.recorded.push(Recorded {
                    alert,
                    rolled_up: 0,
                });
            }
            Some(Body::Amend(amend)) => {
                let Some(&position) = self.by_id.get(&amend.alert_id) else {
                    return;
                };
                let recorded = &mut self.recorded[position];
                match amend.roll_up {
                    // A roll-up says nothing of the container.
                    Some(roll_up) => recorded.rolled_up = roll_up.total,
                    None => recorded.alert.container = amend.container,
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Amend, Container, RollUp, Rule};

    fn record(body: Body) -> Record {
        Record {
            body: Some(body),
            ..Record::default()
        }
    }

    #[test]
    fn what_became_known_later_belongs_to_the_alert() {
        let mut history = History::default();
        let alert = |id: &str, rule: &str| Alert {
            id: id.to_owned(),
            rule: Some(Rule {
                name: rule.to_owned(),
                ..Rule::default()
            }),
            ..Alert::default()
        };
        let amend = |amend: Amend| record(Body::Amend(amend));
        history.take(record(Body::Alert(alert("a", "R"))), "R");
        history.take(record(Body::Alert(alert("b", "Rx"))), "R");
        let container = Container {
            name: "web".to_owned(),
            ..Container::default()
        };
        history.take(
            amend(Amend {
                alert_id: "a".to_owned(),
                container: Some(container.clone()),
                ..Amend::default()
            }),
            "R",
        );
        history.take(
            amend(Amend {
                alert_id: "a".to_owned(),
                roll_up: Some(RollUp {
                    total: 7,
                    ..RollUp::default()
                }),
                ..Amend::default()
            }),
            "R",
        );
        assert_eq!(history.recorded.len(), 1);
        assert_eq!(history.recorded[0].alert.container, Some(container));
        assert_eq!(history.recorded[0].rolled_up, 7);
    }
}
