//! The learner: takes every event in, learns from it or says what is new about it.
//!
//! One task owns it. It takes the time from events and ticks, so the same recording gives the same
//! profiles and verdicts.

mod actors;
mod instance;
mod judge;
mod member;
mod novel;
mod population;
mod repeat;
mod rollout;
mod surges;
#[cfg(test)]
mod tests;
mod waiting;
mod watched;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use foldhash::quality::RandomState;
use gravlens_common::ExecKey;

use self::actors::{Actors, Roles};
use self::instance::Instance;
use self::judge::Judgement;
use self::member::Member;
pub use self::novel::{Evidence, Kind, Novel};
use self::population::Population;
pub use self::repeat::Repeat;
use self::waiting::WaitingRoom;
pub use self::watched::Watched;
use super::act;
use super::class::Class;
use super::evidence::NodeId;
use super::generalise::path::Segments;
use super::profile::Profile;
use super::state;
use super::workload::Workload;
use crate::model::{Container, ContainerView, Event, Payload, Syscall};

/// How to learn.
#[derive(Clone, Copy, Debug)]
pub struct LearnSettings {
    /// Who learns: the key of what this node and store have watched.
    pub node: NodeId,
    /// Seconds of a window.
    pub window: u64,
    /// Seconds from an instance's start that count as its start phase.
    pub start_phase: u64,
    /// When a class may claim what.
    pub state: state::Settings,
    /// Most bytes of one profile: beyond, patterns become coarser.
    pub profile_bytes: usize,
    /// New behaviours of a class that one instance may teach in one unit: more are a flood, and the
    /// unit does not count.
    pub flood: u32,
    /// Acts of a class that are told of one instance in one unit: more are told as one.
    pub surge: u32,
    /// An operator says that the workloads are not started so often that one could wait for it.
    pub starts_waived: bool,
}

impl Default for LearnSettings {
    fn default() -> Self {
        Self {
            node: NodeId(0),
            window: 60,
            start_phase: 60,
            state: state::Settings::default(),
            profile_bytes: 256 * 1024,
            flood: 2_000,
            surge: 20,
            starts_waived: false,
        }
    }
}

/// Ended instances that are remembered: what comes late from them is no new instance.
const GONE: usize = 4_096;

/// All profiles, and the instances that teach them.
#[derive(Debug, Default)]
pub struct Learner {
    settings: LearnSettings,
    profiles: BTreeMap<Workload, Profile>,
    /// What reviewed files say.
    reviewed: BTreeMap<Workload, Profile>,
    /// Workloads of which more is known than when this was taken last.
    changed: BTreeSet<Workload>,
    /// By own cgroup id.
    instances: BTreeMap<u64, Instance>,
    populations: BTreeMap<Workload, Population>,
    waiting: WaitingRoom,
    gone: VecDeque<u64>,
    actors: Actors,
    novel: Vec<Novel>,
    /// What the last event would be if it came again.
    repeat: Option<Repeat>,
    /// Processes that were tainted since this was asked last.
    tainted: Vec<ExecKey>,
    /// Every act, for who asked for them.
    watched: Option<Vec<Watched>>,
    hashers: [RandomState; 2],
    path: Segments,
}

impl Learner {
    /// One that has learnt these profiles before.
    pub fn new(settings: LearnSettings, mut profiles: BTreeMap<Workload, Profile>) -> Self {
        for profile in profiles.values_mut() {
            profile.settle_all(&settings);
        }
        Self {
            settings,
            profiles,
            ..Self::default()
        }
    }

    /// What reviewed files say from now on. It outranks what was learnt, and their workloads are
    /// locked; those that had one and have none any more are not.
    pub fn review(&mut self, reviewed: BTreeMap<Workload, Profile>) {
        self.reviewed = reviewed;
        for (workload, profile) in &mut self.profiles {
            let is_reviewed = self.reviewed.contains_key(workload);
            if profile.is_reviewed() != is_reviewed {
                profile.set_reviewed(is_reviewed);
                profile.settle_all(&self.settings);
            }
        }
    }

    /// What reviewed files say.
    pub fn reviewed(&self) -> &BTreeMap<Workload, Profile> {
        &self.reviewed
    }

    /// More is known of a workload than before.
    pub(super) fn touch(&mut self, workload: &Workload) {
        if !self.changed.contains(workload) {
            self.changed.insert(workload.clone());
        }
    }

    /// Profiles of which more is known than when this was asked last.
    pub fn changed(&mut self) -> Vec<(Workload, Profile)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed
            .filter_map(|workload| {
                let profile = self.profiles.get(&workload)?.clone();
                Some((workload, profile))
            })
            .collect()
    }

    /// Every profile by its workload.
    pub fn profiles(&self) -> &BTreeMap<Workload, Profile> {
        &self.profiles
    }

    /// The profiles, when nothing comes any more.
    pub fn into_profiles(self) -> BTreeMap<Workload, Profile> {
        self.profiles
    }

    /// How to learn.
    pub fn settings(&self) -> &LearnSettings {
        &self.settings
    }

    /// The most instances of each workload that were alive at a time.
    pub fn most_live(&self) -> BTreeMap<Workload, u32> {
        let populations = self.populations.iter();
        populations
            .map(|(workload, population)| (workload.clone(), population.most()))
            .collect()
    }

    /// Instances of a workload that are alive.
    pub fn live(&self, workload: &Workload) -> u32 {
        let population = self.populations.get(workload);
        population.map_or(0, Population::live)
    }

    /// More comes of some class of a workload than was predicted.
    pub fn is_drifting(&self, workload: &Workload) -> bool {
        let population = self.populations.get(workload);
        population.is_some_and(|population| {
            let mut classes = Class::ALL.into_iter();
            classes.any(|class| population.is_drifting(class))
        })
    }

    /// The profile of a workload, an empty one if nothing is known yet.
    pub(super) fn profile_mut(&mut self, workload: &Workload) -> &mut Profile {
        self.know(workload);
        self.profiles
            .get_mut(workload)
            .expect("it was put there if it was not")
    }

    /// What was new since this was asked last.
    pub fn take_novel(&mut self) -> Vec<Novel> {
        std::mem::take(&mut self.novel)
    }

    /// Keeps every act from now on, for [`Self::take_watched`].
    pub fn keep_watched(&mut self) {
        self.watched.get_or_insert_default();
    }

    /// What was done since this was asked last; nothing without [`Self::keep_watched`].
    pub fn take_watched(&mut self) -> Vec<Watched> {
        self.watched
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// An event happened; `hit` tells that a rule matched it: then its process, and what descends from
    /// it, teaches nothing any more.
    ///
    /// As long as it is not known which workload a container belongs to, its events wait.
    pub fn observe(&mut self, event: &Event<'_>, hit: bool) {
        self.repeat = None;
        let Some(id) = event.container.own_cgroup_id() else {
            self.actors.leave(event);
            return;
        };
        if self.instances.contains_key(&id) {
            self.take(event, id, hit);
        } else if self.gone.contains(&id) {
            // It came late: its container has ended.
        } else {
            self.meet(event, hit);
        }
    }

    /// Takes in an event of one that is no instance yet.
    fn meet(&mut self, event: &Event<'_>, hit: bool) {
        match &event.container {
            ContainerView::Container(container) => {
                if let Some(workload) = Workload::of(container) {
                    self.release(container, &workload);
                    self.admit(event, Member::Container(container), &workload, hit);
                } else if let Some(crowded) = self.waiting.keep(event, container.cgroup_id, hit) {
                    self.release_unidentified(crowded);
                }
            }
            ContainerView::Host(Some(unit)) => {
                self.admit(event, Member::Unit(unit), &Workload::of_unit(unit), hit);
            }
            ContainerView::Host(None) | ContainerView::Unknown { .. } => {}
        }
    }

    /// A rule matched what a process did, as was found out later.
    pub fn suspect(&mut self, process: ExecKey) {
        self.waiting.suspect(process);
        self.taint(process);
    }

    /// Time passed: windows end, also of instances that do nothing.
    pub fn tick(&mut self, time: SystemTime) {
        let now = seconds(time);
        for id in self.waiting.overdue(now) {
            self.release_unidentified(id);
        }
        let ids: Vec<u64> = self.instances.keys().copied().collect();
        for id in ids {
            self.advance(id, now);
        }
        self.tell_rollouts(now);
    }

    /// Nothing comes any more: what waits is taken in with what is known now.
    pub fn conclude(&mut self) {
        for id in self.waiting.overdue(u64::MAX) {
            self.release_unidentified(id);
        }
        self.tell_rollouts(u64::MAX);
    }

    /// Tells what new versions did whose time is over.
    fn tell_rollouts(&mut self, now: u64) {
        let populations = self.populations.values_mut();
        let told = populations.filter_map(|population| population.take_rollout(now));
        self.novel.extend(told);
    }

    /// Events were lost: no window of now counts.
    pub fn lost(&mut self) {
        self.instances.values_mut().for_each(Instance::lost);
    }

    /// Events of one container or service were lost, by its cgroup id: its window of now does not count.
    pub fn lost_in(&mut self, cgroup_id: u64) {
        if let Some(instance) = self.instances.get_mut(&cgroup_id) {
            instance.lost();
        }
    }

    /// The runtime told more about a container.
    pub fn identified(&mut self, container: &Arc<Container>) {
        if let Some(workload) = Workload::of(container) {
            self.release(container, &workload);
        }
    }

    /// Takes in what waited for the container's workload to be known.
    fn release(&mut self, container: &Arc<Container>, workload: &Workload) {
        let before = self.novel.len();
        for (mut event, hit) in self.waiting.leave(container.cgroup_id) {
            event.container = ContainerView::Container(Arc::clone(container));
            self.admit(&event, Member::Container(container), workload, hit);
        }
        self.waited_since(before);
    }

    /// Nobody said in time which workload these events are of.
    fn release_unidentified(&mut self, id: u64) {
        let before = self.novel.len();
        for (event, hit) in self.waiting.leave(id) {
            if let ContainerView::Container(container) = &event.container {
                let workload = Workload::of_id(container);
                self.admit(&event, Member::Container(container), &workload, hit);
            }
        }
        self.waited_since(before);
    }

    /// What is new behind that place is so late because its event waited.
    fn waited_since(&mut self, place: usize) {
        for novel in &mut self.novel[place..] {
            novel.waited = true;
        }
    }

    /// Takes in an event of a container or service that may be new.
    fn admit(&mut self, event: &Event<'_>, member: Member<'_>, workload: &Workload, hit: bool) {
        let id = member.cgroup_id();
        // What happens to a container as a whole is none of its acts.
        if !self.instances.contains_key(&id) && !matches!(event.payload, Payload::Cgroup(_)) {
            let now = seconds(event.time);
            let instance = Instance::new(member, workload, event.boot_ns, now, &self.settings);
            self.know(workload);
            let population = self.populations.entry(workload.clone()).or_default();
            population.enter();
            if let (Some(version), Some(profile)) =
                (instance.version, self.profiles.get_mut(workload))
            {
                let before = population.begin_version(profile, version, now, &self.settings);
                self.novel.extend(before);
            }
            self.instances.insert(id, instance);
        }
        self.take(event, id, hit);
    }

    /// A workload has a profile from its first instance on.
    fn know(&mut self, workload: &Workload) {
        if self.profiles.contains_key(workload) {
            return;
        }
        let mut profile = Profile::default();
        if self.reviewed.contains_key(workload) {
            profile.set_reviewed(true);
            profile.settle_all(&self.settings);
        }
        self.profiles.insert(workload.clone(), profile);
    }

    fn take(&mut self, event: &Event<'_>, id: u64, hit: bool) {
        self.repeat = None; // also of what has waited
        let now = seconds(event.time);
        if let Payload::Cgroup(change) = &event.payload {
            if event.syscall == Syscall::CgroupRmdir && change.cgroup_id == id {
                self.ended(id, now);
            }
            return;
        }
        self.advance(id, now);
        self.actors.follow(event, id);
        let actor = self.actors.of(event, id);
        if hit {
            self.taint(event.exec_id().key());
        }
        if let Some(mut actor) = actor {
            if actor.tainted && matches!(event.payload, Payload::Fork) {
                self.tainted.push(event.exec_id().key());
            }
            actor.tainted |= hit;
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.acts(actor.tainted);
            }
            let is_ordinary = self.acts(event, id, &actor, now);
            self.repeat = self.repeat_of(id, &actor).filter(|_| is_ordinary);
        }
    }

    /// Ends the units of an instance that are over.
    fn advance(&mut self, id: u64, now: u64) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let mut changed = false;
        while let Some(unit) = instance.take_ended(now, &self.settings) {
            let profile = self.profiles.entry(instance.workload.clone()).or_default();
            unit.settle(profile, instance.id, &self.settings);
            if let Some(population) = self.populations.get_mut(&instance.workload) {
                population.settle(profile, now);
            }
            changed = true;
        }
        if changed {
            let workload = instance.workload.clone();
            self.touch(&workload);
        }
    }

    fn ended(&mut self, id: u64, now: u64) {
        self.advance(id, now);
        let Some(instance) = self.instances.remove(&id) else {
            return;
        };
        if let Some(population) = self.populations.get_mut(&instance.workload) {
            population.leave();
        }
        let (teacher, workload) = (instance.id, instance.workload.clone());
        self.touch(&workload);
        let profile = self.profiles.entry(workload).or_default();
        instance
            .into_last(now)
            .settle(profile, teacher, &self.settings);
        self.actors.forget(id);
        if self.gone.len() >= GONE {
            self.gone.pop_front();
        }
        self.gone.push_back(id);
    }

    /// What a process did; whether it would change nothing if it did it again in this unit.
    fn acts(&mut self, event: &Event<'_>, id: u64, actor: &Roles, now: u64) -> bool {
        let mut all_ordinary = !actor.tainted;
        act::each(event, |act| {
            let Some(instance) = self.instances.get_mut(&id) else {
                return;
            };
            let role = match act.class {
                Class::Exec => &actor.starter,
                _ => &actor.own,
            };
            let phase = instance.phase();
            // What a path below /proc means depends on who asks.
            let own = act.object.is_in_proc().then_some(event.process.vpid);
            let whole = (role, phase, act.class, &act.object, own, actor.tainted);
            let fingerprint = self.hashers.each_ref().map(|hasher| hasher.hash_one(whole));
            if let Some(is_ordinary) = instance.noted(fingerprint) {
                all_ordinary &= is_ordinary;
                return;
            }
            let population = self
                .populations
                .entry(instance.workload.clone())
                .or_default();
            let live = population.live();
            let (surges, rollout) = population.changes(instance.version, now);
            let mut judgement = Judgement {
                settings: &self.settings,
                reviewed: self.reviewed.get(&instance.workload),
                profile: self.profiles.entry(instance.workload.clone()).or_default(),
                role,
                starter: &actor.starter,
                instance,
                path: &mut self.path,
                tainted: actor.tainted,
                event,
                phase,
                now,
                surges,
                rollout,
                live,
                told: &mut self.novel,
                watched: self.watched.as_mut(),
            };
            let is_ordinary = judgement.act(&act);
            let is_noted = judgement.instance.note(fingerprint, is_ordinary);
            all_ordinary &= is_ordinary && is_noted;
        });
        all_ordinary
    }
}

/// Seconds since the Unix epoch.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
