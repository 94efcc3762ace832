//! Alerts of two replays of the same captures, side by side.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde::Serialize;

use super::super::super::output;
use crate::alert::printable;
use crate::proto;
use crate::sinks::render::time;

/// Examples of what differs that a row shows.
const EXAMPLES: usize = 3;

/// Where an alert comes from: container name and image, both empty for the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Workload {
    /// Name of the container; its short id where it has none.
    container: String,
    /// Image, as the user wrote it.
    image: String,
}

impl Workload {
    fn of(container: Option<&proto::Container>) -> Self {
        let Some(container) = container else {
            return Self::default();
        };
        let name = [&container.name, &container.id, &container.cgroup_path];
        let name = name.into_iter().find(|name| !name.is_empty());
        let name = name.map_or("unknown", String::as_str);
        Self {
            container: if name == container.id {
                name.get(..12).unwrap_or(name).to_owned()
            } else {
                name.to_owned()
            },
            image: container.image.clone(),
        }
    }

    fn text(&self) -> String {
        match (self.container.as_str(), self.image.as_str()) {
            ("", _) => "host".to_owned(),
            (container, "") => container.to_owned(),
            (container, image) => format!("{container} ({image})"),
        }
    }
}

/// Which event of which capture, and which rule.
type Key = (u32, u64, String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    key: Key,
    workload: Workload,
    time: String,
    /// What a change of is one of the alert.
    priority: String,
    tags: Vec<String>,
    output: String,
}

/// The alerts of a replay.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    capture: u32,
    kept: Vec<Kept>,
    /// Those of this capture by sequence number, for what is told of them later.
    places: HashMap<u64, usize>,
}

impl Alerts {
    /// What follows comes from another capture.
    pub(super) fn begin_capture(&mut self) {
        self.capture += 1;
        self.places.clear();
    }

    pub(super) fn alert(&mut self, sequence: u64, alert: &proto::Alert) {
        let rule = alert.rule.as_ref();
        let number = alert.event.as_ref().map_or(0, |event| event.number);
        self.places.insert(sequence, self.kept.len());
        self.kept.push(Kept {
            key: (
                self.capture,
                number,
                rule.map(|rule| rule.name.clone()).unwrap_or_default(),
            ),
            workload: Workload::of(alert.container.as_ref()),
            time: time(alert.time.as_ref()),
            priority: alert.priority.clone(),
            tags: rule.map(|rule| rule.tags.clone()).unwrap_or_default(),
            output: alert.output.clone(),
        });
    }

    /// The container of an alert has become known.
    pub(super) fn amend(&mut self, amend: &proto::Amend) {
        let place = self.places.get(&amend.alert_sequence);
        if let (Some(&place), Some(container)) = (place, &amend.container) {
            self.kept[place].workload = Workload::of(Some(container));
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Example {
    /// Time of the event.
    time: String,
    /// `gained`, `lost` or `changed`.
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Told>,
}

/// What an alert says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Told {
    priority: String,
    output: String,
}

/// A rule in a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    rule: String,
    workload: Workload,
    gained: u64,
    lost: u64,
    changed: u64,
    same: u64,
    examples: Vec<Example>,
}

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Comparison {
    /// Events that the recorders saw.
    pub(super) seen: u64,
    /// Those of them that they lost.
    #[serde(rename = "lost_events")]
    pub(super) lost: u64,
    /// Alerts of the new rules alone.
    pub(super) gained: u64,
    /// Alerts of the old rules alone.
    #[serde(rename = "lost")]
    pub(super) missing: u64,
    changed: u64,
    same: u64,
    /// By rule and workload.
    rules: Vec<Row>,
}

impl Comparison {
    /// Sets the alerts of two replays against each other.
    pub(super) fn add(&mut self, old: &Alerts, new: &Alerts) {
        let mut before: HashMap<&Key, &Kept> =
            old.kept.iter().map(|alert| (&alert.key, alert)).collect();
        let mut rows: BTreeMap<(String, Workload), Row> = BTreeMap::new();
        for alert in &new.kept {
            let was = before.remove(&alert.key);
            note(&mut rows, was, Some(alert));
        }
        // In the order of the old replay.
        for alert in &old.kept {
            if before.contains_key(&alert.key) {
                note(&mut rows, Some(alert), None);
            }
        }
        for row in rows.into_values() {
            self.gained += row.gained;
            self.missing += row.lost;
            self.changed += row.changed;
            self.same += row.same;
            self.rules.push(row);
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let columns = ["GAINED", "LOST", "CHANGED", "SAME", "RULE", "WORKLOAD"];
        let mut table = vec![columns.map(str::to_owned).to_vec()];
        for row in &self.rules {
            let counts = [row.gained, row.lost, row.changed, row.same];
            let mut cells: Vec<_> = counts.iter().map(u64::to_string).collect();
            cells.push(row.rule.clone());
            cells.push(row.workload.text());
            table.push(cells);
        }
        let mut text = output::table(&table);
        for row in self.rules.iter().filter(|row| !row.examples.is_empty()) {
            let (rule, workload) = (printable(&row.rule), row.workload.text());
            let _ = write!(text, "\n{rule}, {}\n", printable(&workload));
            for example in &row.examples {
                let Example {
                    time,
                    what,
                    old,
                    new,
                } = example;
                let _ = writeln!(text, "  {time}  {what}");
                for (sign, told) in [("-", old), ("+", new)] {
                    if let Some(told) = told {
                        let output = printable(&told.output);
                        let _ = writeln!(text, "    {sign} {} {output}", told.priority);
                    }
                }
            }
        }
        let Self {
            seen,
            lost,
            gained,
            missing,
            changed,
            same,
            ..
        } = self;
        let _ = write!(
            text,
            "\n{gained} gained, {missing} lost, {changed} changed, {same} the same, of {seen} \
             events; the recorder lost {lost}\n"
        );
        text
    }
}

fn note(rows: &mut BTreeMap<(String, Workload), Row>, old: Option<&Kept>, new: Option<&Kept>) {
    let Some(alert) = new.or(old) else { return };
    let workload = alert.workload.clone();
    let row = rows
        .entry((alert.key.2.clone(), workload.clone()))
        .or_insert_with(|| Row {
            rule: alert.key.2.clone(),
            workload,
            ..Row::default()
        });
    let told = |alert: &Kept| {
        (
            alert.priority.clone(),
            alert.tags.clone(),
            alert.output.clone(),
        )
    };
    let (count, what) = match (old, new) {
        (Some(old), Some(new)) if told(old) == told(new) => {
            row.same += 1;
            return;
        }
        (Some(_), Some(_)) => (&mut row.changed, "changed"),
        (None, _) => (&mut row.gained, "gained"),
        (Some(_), None) => (&mut row.lost, "lost"),
    };
    *count += 1;
    if row.examples.len() < EXAMPLES {
        let told = |alert: &Kept| Told {
            priority: alert.priority.clone(),
            output: alert.output.clone(),
        };
        row.examples.push(Example {
            time: alert.time.clone(),
            what,
            old: old.map(told),
            new: new.map(told),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(number: u64, rule: &str, output: &str) -> proto::Alert {
        proto::Alert {
            priority: "Warning".to_owned(),
            rule: Some(proto::Rule {
                name: rule.to_owned(),
                ..proto::Rule::default()
            }),
            output: output.to_owned(),
            event: Some(proto::Event {
                number,
                ..proto::Event::default()
            }),
            ..proto::Alert::default()
        }
    }

    fn alerts(of: &[(u64, &str, &str)]) -> Alerts {
        let mut alerts = Alerts::default();
        alerts.begin_capture();
        for (sequence, (number, rule, output)) in (1..).zip(of) {
            alerts.alert(sequence, &alert(*number, rule, output));
        }
        alerts
    }

    fn compared(old: &Alerts, new: &Alerts) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.add(old, new);
        comparison
    }

    #[test]
    fn alerts_are_gained_lost_changed_or_the_same() {
        let old = alerts(&[(1, "a", "x"), (2, "a", "x"), (3, "b", "x")]);
        let new = alerts(&[(1, "a", "x"), (2, "a", "y"), (4, "a", "x")]);
        let found = compared(&old, &new);
        let counts = (found.gained, found.missing, found.changed, found.same);
        assert_eq!(counts, (1, 1, 1, 1));
        let text = found.text();
        assert!(text.contains("- Warning x\n    + Warning y"), "{text}");
        assert!(
            text.ends_with(
                "1 gained, 1 lost, 1 changed, 1 the same, of 0 events; the recorder lost 0\n"
            ),
            "{text}"
        );
        let rows: Vec<_> = found.rules.iter().map(|row| row.rule.as_str()).collect();
        assert_eq!(rows, ["a", "b"]);
    }

    #[test]
    fn a_rule_that_fires_on_another_event_is_gained_and_lost() {
        let found = compared(&alerts(&[(1, "a", "x")]), &alerts(&[(2, "a", "x")]));
        assert_eq!((found.gained, found.missing), (1, 1));
    }

    #[test]
    fn an_alert_belongs_to_the_workload_that_was_told_later() {
        let container = |name: &str| proto::Container {
            id: "0123456789abcdef".to_owned(),
            name: name.to_owned(),
            image: if name.is_empty() { "" } else { "nginx" }.to_owned(),
            ..proto::Container::default()
        };
        let mut new = Alerts::default();
        new.begin_capture();
        for (sequence, number) in [(1, 10), (2, 11)] {
            let mut alert = alert(number, "a", "x");
            alert.container = Some(container(""));
            new.alert(sequence, &alert);
        }
        new.amend(&proto::Amend {
            alert_sequence: 2,
            container: Some(container("web")),
            ..proto::Amend::default()
        });
        let found = compared(&Alerts::default(), &new);
        let workloads: Vec<_> = found.rules.iter().map(|row| row.workload.text()).collect();
        assert_eq!(workloads, ["0123456789ab", "web (nginx)"]);
    }

    #[test]
    fn captures_are_told_apart() {
        let mut old = Alerts::default();
        let mut new = Alerts::default();
        for alerts in [&mut old, &mut new] {
            alerts.begin_capture();
            alerts.begin_capture();
        }
        old.alert(1, &alert(1, "a", "x"));
        new.begin_capture();
        new.alert(1, &alert(1, "a", "x"));
        let found = compared(&old, &new);
        assert_eq!((found.gained, found.missing, found.same), (1, 1, 0));
    }

    #[test]
    fn a_row_shows_few_examples_of_many() {
        let many: Vec<_> = (1..=50).map(|number| (number, "a", "x")).collect();
        let found = compared(&Alerts::default(), &alerts(&many));
        assert_eq!(found.rules[0].gained, 50);
        assert_eq!(found.rules[0].examples.len(), EXAMPLES);
    }
}
