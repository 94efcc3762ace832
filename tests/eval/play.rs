//! Captures played through the learner, and what it told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, ensure};
use gravlens::baseline::evidence::NodeId;
use gravlens::baseline::state::State;
use gravlens::baseline::{Class, Kind, LearnSettings, Learner, Phase, Profile, Watched, Workload};
use gravlens::capture::{Capture, Input, captures};
use gravlens::detect::{LoadOptions, RuleSet, bundled, load};
use gravlens::pipeline::Replay;
use gravlens::proto::Alert;
use gravlens::proto::record::Body;

use crate::attacks::seconds;

/// Seconds between two looks at the states of all classes.
const LOOK: f64 = 5.0;

/// Profiles by workload.
pub(crate) type Profiles = BTreeMap<Workload, Profile>;
/// When a class of a workload was first seen in each state, in seconds since the first event.
pub(crate) type Reached = BTreeMap<(String, Phase, Class), BTreeMap<State, f64>>;

/// Something that the baseline told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Seconds since the Unix epoch.
    pub(crate) time: f64,
    pub(crate) kind: Kind,
    pub(crate) class: Class,
    pub(crate) phase: Phase,
    pub(crate) state: State,
    pub(crate) workload: String,
    pub(crate) container: String,
    pub(crate) role: String,
    pub(crate) object: String,
    /// Some of what is told together with it.
    pub(crate) samples: String,
    /// Path of the program that did it.
    pub(crate) program: String,
}

/// Something that a rule told.
#[derive(Clone, Debug)]
pub(crate) struct Ruled {
    pub(crate) time: f64,
    pub(crate) rule: String,
    pub(crate) container: String,
    /// The rule's output, and the path and the arguments of the process.
    pub(crate) text: String,
}

/// What a capture made.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) told: Vec<Told>,
    pub(crate) ruled: Vec<Ruled>,
    pub(crate) watched: Vec<Watched>,
    pub(crate) reached: Reached,
    pub(crate) seen: u64,
    pub(crate) lost: u64,
}

impl Told {
    /// It would have been an alert: its class is armed, or never becomes ordinary.
    pub(crate) fn is_alert(&self) -> bool {
        self.state >= State::Armed || matches!(self.kind, Kind::Grave | Kind::Rejected)
    }
}

/// The bundled rules, or none.
pub(crate) fn rules(on: bool) -> Result<Arc<RuleSet>> {
    let files = if on { bundled() } else { Vec::new() };
    let loaded = load(&files, &LoadOptions::default());
    ensure!(
        loaded.report.refused.is_empty(),
        "{}",
        loaded.report.to_text()
    );
    Ok(Arc::new(loaded.set))
}

/// Plays a capture. `profiles` are what is known before and after.
pub(crate) fn play(
    file: &Path,
    rules: &Arc<RuleSet>,
    settings: &LearnSettings,
    profiles: &mut Profiles,
) -> Result<Played> {
    let mut played = Played::default();
    for mut capture in captures(&[file.to_owned()])? {
        one(&mut capture, rules, settings, profiles, &mut played)
            .with_context(|| format!("playing {}", file.display()))?;
    }
    Ok(played)
}

fn one(
    capture: &mut Capture,
    rules: &Arc<RuleSet>,
    settings: &LearnSettings,
    profiles: &mut Profiles,
    played: &mut Played,
) -> Result<()> {
    // Each capture watched for itself: what two of them watched adds up.
    let settings = LearnSettings {
        node: NodeId(capture.header().capture_id),
        ..*settings
    };
    let mut learner = Learner::new(settings, profiles.clone());
    learner.keep_watched();
    let replay = Replay::learning(capture.header(), Arc::clone(rules), learner);
    let mut replay = replay.map_err(|fault| anyhow!("{fault}"))?;
    let mut looks = Looks::default();
    while let Some(input) = capture.next_input().map_err(|damage| anyhow!("{damage}"))? {
        let tick = match &input {
            Input::Tick { wall, .. } => Some(seconds(*wall)),
            _ => None,
        };
        replay.apply(input).map_err(|fault| anyhow!("{fault}"))?;
        take(&mut replay, played);
        if let (Some(now), Some(learner)) = (tick, replay.learner()) {
            looks.look(now, learner, &mut played.reached);
        }
    }
    replay.finish();
    take(&mut replay, played);
    let (seen, lost) = replay.account();
    played.seen += seen;
    played.lost += lost;
    let learner = replay.into_learner().context("nobody learnt")?;
    *profiles = learner.into_profiles();
    Ok(())
}

fn take(replay: &mut Replay, played: &mut Played) {
    while let Some(record) = replay.next_record() {
        if let Some(Body::Alert(alert)) = record.body
            && let Some(ruled) = ruled(&alert)
        {
            played.ruled.push(ruled);
        }
    }
    let Some(learner) = replay.learner() else {
        return;
    };
    played.watched.extend(learner.take_watched());
    for novel in learner.take_novel() {
        played.told.push(Told {
            time: seconds(novel.event.time),
            kind: novel.kind,
            class: novel.class,
            phase: novel.phase,
            state: novel.state,
            workload: novel.workload.text().to_owned(),
            container: novel.container_id().to_owned(),
            role: novel.role.text().to_owned(),
            object: novel.object.clone(),
            samples: novel.samples.join(" "),
            program: program(&novel.event.process),
        });
    }
}

/// Path of the program that a process runs.
pub(crate) fn program(process: &gravlens::model::Process) -> String {
    let exe = process.image.exe.as_ref();
    exe.map_or_else(String::new, |exe| {
        String::from_utf8_lossy(&exe.path.bytes).into_owned()
    })
}

/// An alert of a rule, which is of a container.
fn ruled(alert: &Alert) -> Option<Ruled> {
    let container = alert.container.as_ref()?.id.clone();
    let rule = alert.rule.as_ref()?;
    if matches!(&*rule.language, "built-in" | "baseline") {
        return None;
    }
    let process = alert.process.clone().unwrap_or_default();
    let path = process.executable.and_then(|exe| exe.path);
    let time = alert.time.unwrap_or_default();
    Some(Ruled {
        time: time.seconds as f64 + f64::from(time.nanos) / 1e9,
        rule: rule.name.clone(),
        container,
        text: format!(
            "{} {} {}",
            alert.output,
            path.map_or_else(String::new, |path| path.text),
            process.args.join(" ")
        ),
    })
}

/// When the states are looked at.
#[derive(Debug, Default)]
struct Looks {
    begin: Option<f64>,
    next: f64,
}

impl Looks {
    fn look(&mut self, now: f64, learner: &Learner, reached: &mut Reached) {
        let begin = *self.begin.get_or_insert(now);
        if now < self.next {
            return;
        }
        self.next = now + LOOK;
        for (workload, profile) in learner.profiles() {
            for view in profile.classes().filter(|view| view.behaviours > 0) {
                let class = (workload.text().to_owned(), view.phase, view.class);
                let states = reached.entry(class).or_default();
                states.entry(view.standing.state).or_insert(now - begin);
            }
        }
    }
}
