//! What is printed.

use std::collections::BTreeMap;

use integration_test::bench::Output;
use serde_json::{Value, json};

use crate::plan::Plan;
use crate::reference::MODES;
use crate::score::{Score, Scores, most_an_hour, of_share, quantile};

/// Least share of attacks that any run has to find: of a short one a class may not be armed.
pub(crate) const RECALL: f64 = 0.9;
/// Least share of classes that have to be armed in a long run.
pub(crate) const ARMED: f64 = 0.8;

/// Counts of some workloads together.
#[derive(Debug, Default)]
struct Sum {
    attacks: usize,
    off: usize,
    on: usize,
    mimicry: usize,
    found_mimicry: usize,
    poison: usize,
    poisoned_off: usize,
    poisoned_on: usize,
    false_armed: usize,
    false_all: usize,
    hours: f64,
    novelties: usize,
    pairs: usize,
    armed: usize,
    armed_on: usize,
    predicted: usize,
    within: usize,
}

impl Sum {
    fn of<'a>(scores: impl Iterator<Item = &'a Score>) -> Self {
        let mut sum = Self::default();
        for score in scores {
            sum.attacks += score.attacks;
            sum.off += score.found_off;
            sum.on += score.found_on;
            sum.mimicry += score.mimicry;
            sum.found_mimicry += score.found_mimicry;
            sum.poison += score.poison;
            sum.poisoned_off += score.found_poisoned_off;
            sum.poisoned_on += score.found_poisoned_on;
            sum.false_armed += score.false_armed.len();
            sum.false_all += score.false_all;
            sum.hours += score.held_out_hours;
            sum.novelties += score.novelties.len();
            sum.pairs += score.pairs;
            sum.armed += score.armed_pairs;
            sum.armed_on += score.armed_pairs_on;
            sum.predicted += score.classes.len();
            sum.within += score
                .classes
                .iter()
                .filter(|class| class.is_within())
                .count();
        }
        sum
    }
}

fn share(part: usize, all: usize) -> f64 {
    if all == 0 {
        1.0
    } else {
        part as f64 / all as f64
    }
}

impl Scores {
    /// Share of classes that are armed.
    pub(crate) fn armed(&self) -> f64 {
        let sum = Sum::of(self.workloads.iter());
        share(sum.armed, sum.pairs)
    }

    /// The least factor by which a reference tells more of held-out work than is new to a profile, told
    /// or not.
    fn reduction(&self) -> f64 {
        let ours = Sum::of(self.workloads.iter()).novelties.max(1) as f64;
        let modes = (0..MODES.len()).map(|place| {
            let all = self
                .workloads
                .iter()
                .filter_map(|score| score.references.get(place));
            all.map(|beside| beside.novelties).sum::<usize>() as f64 / ours
        });
        modes.fold(f64::INFINITY, f64::min)
    }

    /// False alerts an hour in armed classes of the workload in the middle.
    fn median(&self) -> f64 {
        let rate = |score: &Score| {
            score.false_armed.len() as f64 / score.held_out_hours.max(f64::MIN_POSITIVE)
        };
        quantile(&self.workloads.iter().map(rate).collect::<Vec<_>>(), 0.5)
    }

    /// By the names of the design.
    pub(crate) fn metrics(&self) -> BTreeMap<&'static str, f64> {
        let sum = Sum::of(self.workloads.iter());
        let sizes: Vec<f64> = self
            .workloads
            .iter()
            .map(|score| score.profile_bytes as f64)
            .collect();
        BTreeMap::from([
            ("recall_rules_off", share(sum.off, sum.attacks)),
            ("recall_rules_on", share(sum.on, sum.attacks)),
            ("recall_mimicry", share(sum.found_mimicry, sum.mimicry)),
            (
                "false_alerts_per_hour_armed",
                sum.false_armed as f64 / sum.hours.max(f64::MIN_POSITIVE),
            ),
            ("novelty_reduction_min", self.reduction()),
            ("within_bound", share(sum.within, sum.predicted)),
            ("profile_bytes_p95", quantile(&sizes, 0.95)),
        ])
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({ "metrics": self.metrics(), "detail": self })
    }

    /// As it was asked for.
    pub(crate) fn print(&self, output: Output) {
        match output {
            Output::Json => println!("{}", self.json()),
            Output::Text => print!("{}", self.text()),
        }
    }

    /// For people, as Markdown.
    pub(crate) fn text(&self) -> String {
        let mut out = conditions(&self.plan);
        out += &format!("{} events seen, {} lost.\n\n", self.seen, self.lost);
        out += &table(&self.recall());
        out += "\n";
        out += &table(&self.quiet());
        out += "\n";
        out += &table(&self.beside());
        out += "\n";
        out += &table(&self.times());
        out += "\n";
        out += &self.misses();
        out += &format!(
            "false alerts an hour, armed classes, median of workloads: {:.2}\n",
            self.median()
        );
        for (name, value) in self.metrics() {
            out += &format!("{name} {value:.4}\n");
        }
        out
    }

    /// Rows of all workloads, and of those that nothing was tuned by and all others together.
    fn rows<'a>(&'a self, row: impl Fn(&str, &[&'a Score]) -> Vec<String>) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for score in &self.workloads {
            let mark = if score.held_out_service {
                " (held out)"
            } else {
                ""
            };
            rows.push(row(&format!("{}{mark}", score.workload), &[score]));
        }
        for (title, held_out) in [("tuned together", false), ("held out together", true)] {
            let of = self
                .workloads
                .iter()
                .filter(|score| score.held_out_service == held_out);
            rows.push(row(title, &of.collect::<Vec<_>>()));
        }
        rows.push(row("all", &self.workloads.iter().collect::<Vec<_>>()));
        rows
    }

    fn recall(&self) -> Vec<Vec<String>> {
        let mut rows = vec![words(&[
            "workload",
            "attacks",
            "found, rules off",
            "found, rules on",
            "mimicry",
            "poisoned, rules off",
            "poisoned, rules on",
        ])];
        rows.extend(self.rows(|name, scores| {
            let sum = Sum::of(scores.iter().copied());
            vec![
                name.to_owned(),
                sum.attacks.to_string(),
                counted(sum.off, sum.attacks),
                counted(sum.on, sum.attacks),
                counted(sum.found_mimicry, sum.mimicry),
                counted(sum.poisoned_off, sum.poison),
                counted(sum.poisoned_on, sum.poison),
            ]
        }));
        rows
    }

    fn quiet(&self) -> Vec<Vec<String>> {
        let mut rows = vec![words(&[
            "workload",
            "held-out hours",
            "false alerts, armed classes",
            "an hour",
            "at most",
            "told, all classes",
            "an hour",
            "new behaviours",
            "within the bound",
            "armed classes",
            "armed, learnt with rules",
            "profile",
        ])];
        rows.extend(self.rows(|name, scores| {
            let sum = Sum::of(scores.iter().copied());
            let bytes = scores
                .iter()
                .map(|score| score.profile_bytes)
                .max()
                .unwrap_or(0);
            let hours = sum.hours.max(f64::MIN_POSITIVE);
            vec![
                name.to_owned(),
                format!("{:.2}", sum.hours),
                sum.false_armed.to_string(),
                rate(sum.false_armed as f64 / hours),
                rate(most_an_hour(sum.false_armed, hours)),
                sum.false_all.to_string(),
                rate(sum.false_all as f64 / hours),
                sum.novelties.to_string(),
                format!("{} of {}", sum.within, sum.predicted),
                format!("{} of {}", sum.armed, sum.pairs),
                sum.armed_on.to_string(),
                format!("{} KiB", bytes.div_ceil(1024)),
            ]
        }));
        rows
    }

    fn beside(&self) -> Vec<Vec<String>> {
        let mut head = words(&["workload", "Gravlens: new, found"]);
        head.extend(
            MODES
                .iter()
                .map(|mode| format!("{}: told, found", mode.name)),
        );
        let mut rows = vec![head];
        rows.extend(self.rows(|name, scores| {
            let sum = Sum::of(scores.iter().copied());
            let mut row = vec![
                name.to_owned(),
                format!("{}, {} of {}", sum.novelties, sum.off, sum.attacks),
            ];
            for place in 0..MODES.len() {
                let all = scores
                    .iter()
                    .filter_map(|score| score.references.get(place));
                let (told, found) = all.fold((0, 0), |(told, found), beside| {
                    (told + beside.novelties, found + beside.found)
                });
                row.push(format!("{told}, {found} of {}", sum.attacks));
            }
            row
        }));
        rows
    }

    fn times(&self) -> Vec<Vec<String>> {
        let mut rows = vec![words(&[
            "workload",
            "class",
            "phase",
            "known",
            "state",
            "provisional after",
            "armed after",
            "expected",
            "at most",
            "came",
        ])];
        let time =
            |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.0} s"));
        for score in &self.workloads {
            for class in &score.classes {
                rows.push(vec![
                    score.workload.to_owned(),
                    class.class.to_owned(),
                    class.phase.to_owned(),
                    class.behaviours.to_string(),
                    class.state.to_owned(),
                    time(class.provisional_after),
                    time(class.armed_after),
                    format!("{:.1}", class.expected),
                    class.most.to_string(),
                    class.actual.to_string(),
                ]);
            }
        }
        rows
    }

    fn misses(&self) -> String {
        let mut out = String::new();
        for found in &self.attacks {
            if found.off.is_none() || found.on.is_none() {
                let by = |found: &Option<String>| found.clone().unwrap_or_else(|| "-".to_owned());
                let (off, on) = (by(&found.off), by(&found.on));
                out += &format!(
                    "not found: {} (rules off: {off}; rules on: {on})\n",
                    found.attack
                );
                for line in found.unarmed.iter().take(3) {
                    out += &format!("    not armed: {line}\n");
                }
            }
        }
        for score in &self.workloads {
            for line in &score.false_armed {
                out += &format!("false alert: {}: {line}\n", score.workload);
            }
            for line in &score.false_rules {
                out += &format!("rule on held-out work: {}: {line}\n", score.workload);
            }
            for line in &score.train_rules {
                out += &format!("rule while it was learnt: {}: {line}\n", score.workload);
            }
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }
}

fn conditions(plan: &Plan) -> String {
    format!(
        "{} replicas of each workload for {} s, held out {} for {} s; windows of {} s, start phase {} s; \
         armed at {} expected novelties a day of one container ({:.2} an hour) after {} s.\n",
        plan.replicas,
        plan.train,
        plan.held_out_replicas,
        plan.held_out,
        plan.window,
        plan.start_phase,
        plan.arm_bound,
        plan.arm_bound / 24.0,
        plan.horizon,
    )
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A number for an hour, of which there may have been none.
fn rate(rate: f64) -> String {
    if rate < 1e9 {
        format!("{rate:.2}")
    } else {
        "-".to_owned()
    }
}

/// A share with its interval.
fn counted(found: usize, all: usize) -> String {
    if all == 0 {
        return "-".to_owned();
    }
    let (low, high) = of_share(found, all);
    format!(
        "{found} of {all} ({:.0}-{:.0} %)",
        low * 100.0,
        high * 100.0
    )
}

fn table(rows: &[Vec<String>]) -> String {
    let mut out = String::new();
    for (place, row) in rows.iter().enumerate() {
        out += &format!("| {} |\n", row.join(" | "));
        if place == 0 {
            out += &format!("|{}\n", "---|".repeat(row.len()));
        }
    }
    out
}
