//! Other ways to learn, as other products do it, from the very acts that the learner took in.
//!
//! They are programs of our own, made after what is published of those products. Each learns until its
//! time is over and tells of everything else from then on, once.

mod collapse;
mod exact;
mod mining;

use std::collections::BTreeSet;

use gravlens::baseline::Watched;

use crate::play::program;

/// One act, as references see it.
#[derive(Debug)]
pub(crate) struct Act<'a> {
    pub(crate) watched: &'a Watched,
    /// The program that acts, or of an execution that is executed.
    pub(crate) program: String,
}

impl<'a> Act<'a> {
    pub(crate) fn of(watched: &'a Watched) -> Self {
        Self {
            watched,
            program: program(&watched.process),
        }
    }
}

/// A way to learn.
pub(crate) trait Reference {
    /// Takes in what is ordinary.
    fn learn(&mut self, act: &Act<'_>);
    /// Learning is over.
    fn close(&mut self) {}
    /// Whether it is known; `None` for what this way does not look at.
    fn knows(&self, act: &Act<'_>) -> Option<bool>;
    /// What would be told: equal ones are one alert.
    fn alert(&self, act: &Act<'_>) -> String;
}

/// A reference by its name.
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    make: fn() -> Box<dyn Reference>,
}

/// The three.
pub(crate) static MODES: [Mode; 3] = [
    Mode {
        name: "exact paths, timer",
        make: || Box::new(exact::Exact::default()),
    },
    Mode {
        name: "50 children collapse",
        make: || Box::new(collapse::Collapse::default()),
    },
    Mode {
        name: "sibling mining",
        make: || Box::new(mining::Mining::default()),
    },
];

/// The timer of all of them; a run that is shorter ends their learning with its training.
pub(crate) const TIMER: f64 = 3_600.0;

impl Mode {
    /// A reference that has learnt a workload.
    pub(crate) fn taught(&self, train: &[&Watched]) -> Box<dyn Reference> {
        let mut reference = (self.make)();
        let begin = train.first().map(|act| crate::attacks::seconds(act.time));
        for watched in train {
            let since = crate::attacks::seconds(watched.time) - begin.unwrap_or_default();
            if since < TIMER {
                reference.learn(&Act::of(watched));
            }
        }
        reference.close();
        reference
    }
}

/// What a reference tells of these acts, each once.
pub(crate) fn alerts(reference: &dyn Reference, acts: &[&Watched]) -> BTreeSet<String> {
    let acts = acts.iter().map(|watched| Act::of(watched));
    acts.filter(|act| reference.knows(act) == Some(false))
        .map(|act| reference.alert(&act))
        .collect()
}
