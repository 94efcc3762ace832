//! What a simulation says.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::super::output::table;
use crate::alert::printable;
use crate::baseline::completeness::{Lasting, up};
use crate::baseline::state::State;
use crate::baseline::{Class, LearnSettings, Learner, Novel, Phase, Profile, Workload};

/// What was learnt and what was told.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Events that the recorders saw.
    seen: u64,
    /// And lost: an instance that lost events did not teach in that window.
    lost: u64,
    workloads: Vec<WorkloadReport>,
    /// What would have been told, in order, the first of them.
    told: Vec<Told>,
    /// How much that was in all.
    told_count: u64,
    /// Most that are told one by one.
    #[serde(skip)]
    most: usize,
    #[serde(skip)]
    captures: u64,
    #[serde(skip)]
    live: BTreeMap<Workload, u32>,
}

#[derive(Debug, Serialize)]
struct WorkloadReport {
    workload: String,
    instances: usize,
    windows: u64,
    starts: u64,
    seconds: u64,
    bytes: usize,
    /// What a day is expected to bring, if every class were armed now; `None`: no window was whole.
    a_day: Option<Rate>,
    /// The same of a start of one container.
    a_start: Option<Rate>,
    classes: Vec<ClassReport>,
}

/// New behaviours to come, of all classes together.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Rate {
    expected: f64,
    /// With 95 % confidence not more.
    bound: f64,
}

#[derive(Debug, Serialize)]
struct ClassReport {
    phase: &'static str,
    class: &'static str,
    state: &'static str,
    behaviours: usize,
    /// A day of one container, or a start.
    expected: Option<f64>,
    bound: Option<f64>,
    /// `is`, or what that still needs.
    armed: String,
}

/// Something that would have been told.
#[derive(Debug, Serialize)]
struct Told {
    priority: &'static str,
    kind: &'static str,
    class: &'static str,
    phase: &'static str,
    workload: String,
    container: String,
    role: String,
    object: String,
    nearest: Option<String>,
    #[serde(skip)]
    text: String,
}

impl Told {
    fn of(novel: &Novel) -> Self {
        Self {
            priority: novel.priority().name(),
            kind: novel.kind.name(),
            class: novel.class.name(),
            phase: novel.phase.name(),
            workload: novel.workload.text().to_owned(),
            container: novel.container_id().to_owned(),
            role: novel.role.text().to_owned(),
            object: novel.object.clone(),
            nearest: novel.nearest.as_ref().map(|near| near.pattern.clone()),
            text: novel.to_string(),
        }
    }
}

impl Report {
    /// One that tells so much one by one.
    pub(super) fn telling(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// No capture was replayed.
    pub(super) fn is_empty(&self) -> bool {
        self.captures == 0
    }

    /// Takes what the learner found.
    pub(super) fn take(&mut self, learner: &mut Learner) {
        for novel in learner.take_novel() {
            self.told_count += 1;
            if self.told.len() < self.most {
                self.told.push(Told::of(&novel));
            }
        }
    }

    /// A capture has ended.
    pub(super) fn ended(&mut self, learner: &Learner, seen: u64, lost: u64) {
        for (workload, live) in learner.most_live() {
            let most = self.live.entry(workload).or_default();
            *most = live.max(*most);
        }
        self.captures += 1;
        self.seen += seen;
        self.lost += lost;
    }

    /// The captures have ended.
    pub(super) fn conclude(
        &mut self,
        profiles: &BTreeMap<Workload, Profile>,
        settings: &LearnSettings,
    ) {
        for (workload, profile) in profiles {
            let live = self.live.get(workload).copied().unwrap_or(1).max(1);
            let report = WorkloadReport::of(workload, profile, live, settings);
            self.workloads.push(report);
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for workload in &self.workloads {
            out.push_str(&workload.text());
            out.push('\n');
        }
        out.push_str(&format!(
            "{} new behaviours would have been told\n",
            self.told_count
        ));
        for told in &self.told {
            out.push_str(&format!("  {}: {}\n", told.priority, printable(&told.text)));
        }
        if self.told_count > self.told.len() as u64 {
            out.push_str(&format!(
                "  and {} more\n",
                self.told_count - self.told.len() as u64
            ));
        }
        if self.lost > 0 {
            out.push_str(&format!(
                "the recorders lost {} of {} events: some windows were not whole\n",
                self.lost, self.seen
            ));
        }
        out
    }
}

impl WorkloadReport {
    fn of(workload: &Workload, profile: &Profile, live: u32, settings: &LearnSettings) -> Self {
        let totals = profile.exposure().totals();
        let (mut a_day, mut a_start) = (None, None);
        let mut classes = Vec::new();
        for view in profile.classes() {
            if let Some(prediction) = view.prediction {
                let (rate, of) = match view.phase {
                    Phase::Run => (&mut a_day, prediction.of_workload(live)),
                    Phase::Start => (&mut a_start, prediction.of_workload(1)),
                };
                let rate: &mut Rate = rate.get_or_insert_default();
                rate.expected += of.expected;
                rate.bound += of.bound;
            }
            if view.behaviours == 0 {
                continue;
            }
            let armed = match view.standing.state {
                // A novelty lets the bound rise, but does not undo arming.
                State::Armed | State::Locked => "is".to_owned(),
                _ => profile
                    .eta(view.phase, view.class, live, settings)
                    .map_or_else(|| "after a whole unit".to_owned(), |eta| eta.to_string()),
            };
            classes.push(ClassReport {
                phase: view.phase.name(),
                class: Class::name(view.class),
                state: view.standing.state.name(),
                behaviours: view.behaviours,
                expected: view.prediction.map(|prediction| prediction.expected),
                bound: view.prediction.map(|prediction| prediction.bound),
                armed,
            });
        }
        Self {
            workload: workload.text().to_owned(),
            instances: profile.exposure().instances().count(),
            windows: totals.windows,
            starts: totals.starts,
            seconds: totals.seconds,
            bytes: profile.bytes(),
            a_day,
            a_start,
            classes,
        }
    }

    fn text(&self) -> String {
        let mut rows = vec![
            [
                "", "PHASE", "CLASS", "STATE", "KNOWN", "EXPECTED", "AT MOST", "ARMED",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        let number =
            |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |n| format!("{n:.1}"));
        for class in &self.classes {
            rows.push(vec![
                String::new(),
                class.phase.to_owned(),
                class.class.to_owned(),
                class.state.to_owned(),
                class.behaviours.to_string(),
                number(class.expected),
                number(class.bound.map(up)),
                class.armed.clone(),
            ]);
        }
        format!(
            "{}: {} instances, {} windows in {}, {} starts, {} KiB\n{}  {}\n",
            printable(&self.workload),
            self.instances,
            self.windows,
            Lasting(self.seconds),
            self.starts,
            self.bytes.div_ceil(1024),
            table(&rows),
            self.claim(),
        )
    }

    /// What arming would mean.
    fn claim(&self) -> String {
        let of = |rate: &Rate, unit| {
            let bound = up(rate.bound);
            format!(
                "{:.1} alerts a {unit}, at most {bound:.1} (95 %)",
                rate.expected
            )
        };
        let begin = "arming all classes now means";
        match (&self.a_day, &self.a_start) {
            (Some(day), Some(start)) => {
                let (day, start) = (of(day, "day"), of(start, "start of a container"));
                format!("{begin} {day}, and {start}")
            }
            (Some(day), None) => format!("{begin} {}; no start was seen whole", of(day, "day")),
            (None, Some(start)) => {
                let start = of(start, "start of a container");
                format!("{begin} {start}; no window after it was seen whole")
            }
            (None, None) => {
                "neither a window nor a start was seen whole: nothing can be said".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests;
