//! Which attacks were found, and by what.

use serde::Serialize;

use super::Batch;
use crate::attacks::{self, Attack, LIMIT, Mark, Set, seconds};
use crate::play::{Played, Ruled, Told, program};
use crate::reference::{Act, Reference};

/// What became of an attack.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) attack: &'static str,
    pub(crate) workload: &'static str,
    pub(crate) technique: &'static str,
    pub(crate) mimicry: bool,
    pub(crate) poison: bool,
    /// By the baseline, rules off.
    pub(crate) off: Option<String>,
    /// By the baseline or a rule.
    pub(crate) on: Option<String>,
    /// By the baseline after attacks while it learnt, rules off; of those that are poison.
    pub(crate) poisoned_off: Option<String>,
    /// The same with rules, which keep what they match from being learnt.
    pub(crate) poisoned_on: Option<String>,
    /// By each reference.
    pub(crate) references: Vec<bool>,
    /// What was told of it without being an alert: its class was not armed.
    pub(crate) unarmed: Vec<String>,
    /// What its process and others of the container did that was new to the profile.
    pub(crate) new: Vec<String>,
    /// What the attacker saw.
    pub(crate) output: String,
}

impl Attack {
    /// The names are those of the object, or of the program that acts.
    fn names(&self, object: &str, program: &str) -> bool {
        let named = |name: &&str| object.contains(*name) || program == *name;
        self.names.iter().any(named)
    }
}

/// An attack that was carried out, and the time in which an alert is one of it.
#[derive(Clone, Copy, Debug)]
struct Span<'a> {
    mark: &'a Mark,
    seconds: f64,
}

impl<'a> Span<'a> {
    /// Ends when the next attack on the container begins, if that comes first.
    fn of(mark: &'a Mark, marks: &[Mark]) -> Self {
        let of_container = marks
            .iter()
            .filter(|other| other.container == mark.container);
        let after = of_container.map(|other| other.begin - mark.begin);
        let next = after
            .filter(|since| *since > 0.0)
            .fold(f64::INFINITY, f64::min);
        Self {
            mark,
            seconds: next.min(LIMIT.as_secs_f64()),
        }
    }

    /// In the container, and in time. A record has the time of its call, by the same clock.
    fn has(&self, container: &str, time: f64) -> bool {
        self.mark.container == container && (0.0..self.seconds).contains(&(time - self.mark.begin))
    }
}

/// What is told names what was done.
fn told_names(attack: &Attack, told: &Told) -> bool {
    attack.names(&told.object, &told.program) || attack.names(&told.samples, &told.program)
}

fn told<'a>(span: Span<'_>, attack: &Attack, told: &'a [Told]) -> Option<&'a Told> {
    told.iter().find(|told| {
        told.is_alert() && span.has(&told.container, told.time) && told_names(attack, told)
    })
}

fn ruled<'a>(span: Span<'_>, attack: &Attack, ruled: &'a [Ruled]) -> Option<&'a Ruled> {
    ruled.iter().find(|ruled| {
        span.has(&ruled.container, ruled.time)
            && attack.names.iter().any(|name| ruled.text.contains(name))
    })
}

/// By the baseline, or else by a rule.
fn found(span: Span<'_>, attack: &Attack, played: &Played) -> Option<String> {
    let told = told(span, attack, &played.told).map(text);
    told.or_else(|| {
        let ruled = ruled(span, attack, &played.ruled)?;
        Some(format!("rule: {}", ruled.rule))
    })
}

fn text(told: &Told) -> String {
    format!(
        "{} {} {}: {}",
        told.phase.name(),
        told.kind.name(),
        told.class,
        told.object
    )
}

/// What became of every attack of a batch.
pub(super) fn of(batch: &Batch, references: &[Vec<Box<dyn Reference>>]) -> Vec<Found> {
    let marks = &batch.attacks_truth.marks;
    let known = marks
        .iter()
        .filter_map(|mark| Some((mark, attacks::named(&mark.attack)?)));
    known
        .map(|(mark, attack)| one(batch, Span::of(mark, marks), attack, references))
        .collect()
}

fn one(
    batch: &Batch,
    span: Span<'_>,
    attack: &'static Attack,
    references: &[Vec<Box<dyn Reference>>],
) -> Found {
    let place = batch.place(attack.workload);
    let of_mark = |watched: &&gravlens::baseline::Watched| {
        span.has(&watched.container, seconds(watched.time))
    };
    let acts: Vec<_> = batch.off.attacks.watched.iter().filter(of_mark).collect();
    let seen_by = |reference: &dyn Reference| {
        acts.iter().any(|watched| {
            let act = Act::of(watched);
            attack.names(&watched.exact, &program(&watched.process))
                && reference.knows(&act) == Some(false)
        })
    };
    let references = place.map_or_else(Vec::new, |place| {
        let modes = references[place].iter();
        modes.map(|reference| seen_by(&**reference)).collect()
    });
    let unarmed = batch.off.attacks.told.iter().filter(|told| {
        !told.is_alert() && span.has(&told.container, told.time) && told_names(attack, told)
    });
    let mut new: Vec<String> = acts
        .iter()
        .filter(|watched| !watched.known)
        .map(|watched| format!("{} {}: {}", watched.role, watched.class, watched.object))
        .collect();
    new.sort();
    new.dedup();
    new.truncate(30);
    let baseline = |played: &Played| told(span, attack, &played.told).map(text);
    Found {
        attack: attack.name,
        workload: attack.workload,
        technique: attack.technique,
        mimicry: attack.set == Set::Mimicry,
        poison: attack.poison && batch.poisoned_on.is_some(),
        off: baseline(&batch.off.attacks),
        on: found(span, attack, &batch.on.attacks),
        poisoned_off: batch.poisoned_off.as_ref().and_then(baseline),
        poisoned_on: batch.poisoned_on.as_ref().and_then(baseline),
        references,
        unarmed: unarmed.map(text).take(10).collect(),
        new,
        output: span.mark.output.clone(),
    }
}
