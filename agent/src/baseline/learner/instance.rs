//! A container or a service that teaches.

use std::cmp::Ordering;
use std::collections::HashMap;

use foldhash::fast::RandomState;
use sha2::{Digest as _, Sha256};

use super::super::class::Class;
use super::super::drift::Version;
use super::super::evidence::{InstanceId, NodeId, OpenWindow, WindowId};
use super::super::generalise::path::Segments;
use super::super::profile::{Found, Phase, Profile};
use super::super::role::Role;
use super::super::state::Flags;
use super::super::workload::Workload;
use super::LearnSettings;
use super::member::Member;

/// Behaviours that may come in one window before it no longer counts as whole.
const WINDOW_KEYS: usize = 4_096;
/// Appearances of this window that are remembered; further ones are looked up anew.
const NOTED: usize = 8_192;
/// Room for them that is kept from one unit to the next.
const NOTED_KEPT: usize = 1_024;
/// Units that may pass without anything having been taken in: after more, nobody watched.
const UNWATCHED: u64 = 10;

/// A behaviour in a window: its role, class and general object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) role: Role,
    pub(super) class: Class,
    pub(super) object: Box<str>,
}

/// Whether an act is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// By itself.
    One,
    /// With all that come after it.
    Many,
    /// Not any more.
    None,
}

/// A container or a service that teaches.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) id: InstanceId,
    pub(super) workload: Workload,
    /// The version of the workload that it is of.
    pub(super) version: Option<Version>,
    phase: Phase,
    unit: OpenWindow<Key>,
    /// What came in this unit already, and whether it was ordinary.
    noted: HashMap<[u64; 2], bool, RandomState>,
    /// Somebody acted in this unit who may teach.
    teaches: bool,
    /// Somebody did who has met a rule.
    suspected: bool,
    /// New behaviours in this unit, by class.
    new: [u32; Class::ALL.len()],
    /// Acts that were told of in this unit, by class.
    told: [u32; Class::ALL.len()],
}

/// A unit that has ended.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) phase: Phase,
    id: WindowId,
    begin: u64,
    end: u64,
    keys: Option<Vec<Key>>,
}

impl Instance {
    /// One that is seen for the first time.
    pub(super) fn new(
        member: Member<'_>,
        workload: &Workload,
        boot_ns: u64,
        now: u64,
        settings: &LearnSettings,
    ) -> Self {
        let id = member.instance_id(settings.node);
        let age = member
            .created_boot_ns()
            .map(|born| boot_ns.saturating_sub(born) / 1_000_000_000);
        let phase = match age {
            Some(age) if age < settings.start_phase => Phase::Start,
            _ => Phase::Run,
        };
        let begin = match phase {
            Phase::Start => now.saturating_sub(age.unwrap_or(0)),
            Phase::Run => now,
        };
        Self {
            id,
            workload: workload.clone(),
            version: member.version(),
            phase,
            unit: OpenWindow::new(unit_id(id, phase, begin), begin, WINDOW_KEYS),
            noted: HashMap::default(),
            teaches: false,
            suspected: false,
            new: [0; Class::ALL.len()],
            told: [0; Class::ALL.len()],
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Events were lost.
    pub(super) fn lost(&mut self) {
        self.unit.lost();
    }

    /// When the window ends that it is in, in seconds since the Unix epoch.
    pub(super) fn end_of_window(&self, settings: &LearnSettings) -> u64 {
        self.unit.begin().saturating_add(settings.window.max(1))
    }

    /// Whether this was ordinary when it came before in this unit; `None` if it did not. When too much
    /// came to remember, it may have.
    pub(super) fn noted(&self, fingerprint: [u64; 2]) -> Option<bool> {
        self.noted.get(&fingerprint).copied()
    }

    /// It has come; whether that is remembered.
    pub(super) fn note(&mut self, fingerprint: [u64; 2], is_ordinary: bool) -> bool {
        let has_room = self.noted.len() < NOTED;
        if has_room {
            self.noted.insert(fingerprint, is_ordinary);
        }
        has_room
    }

    /// Somebody acts, who has met a rule or has not.
    pub(super) fn acts(&mut self, is_tainted: bool) {
        self.teaches |= !is_tainted;
        self.suspected |= is_tainted;
    }

    /// It came in this unit.
    pub(super) fn saw(&mut self, key: Key) {
        self.unit.saw(key);
    }

    /// Whether one more new behaviour of a class may be learnt in this unit. With the first that may
    /// not, the unit no longer counts.
    pub(super) fn may_learn(&mut self, class: Class, most: u32) -> bool {
        let new = &mut self.new[class.index()];
        *new = new.saturating_add(1);
        if *new > most {
            self.unit.lost();
        }
        *new <= most
    }

    /// Whether one more act of a class is told in this unit.
    pub(super) fn tell(&mut self, class: Class, most: u32) -> Telling {
        let told = &mut self.told[class.index()];
        *told = told.saturating_add(1);
        match (*told).cmp(&most.saturating_add(1)) {
            Ordering::Less => Telling::One,
            Ordering::Equal => Telling::Many,
            Ordering::Greater => Telling::None,
        }
    }

    /// The next unit that is over.
    pub(super) fn take_ended(&mut self, now: u64, settings: &LearnSettings) -> Option<Unit> {
        let length = match self.phase {
            Phase::Start => settings.start_phase,
            Phase::Run => settings.window,
        };
        let length = length.max(1);
        let (begin, end) = (self.unit.begin(), self.unit.begin().saturating_add(length));
        let gap = length.saturating_mul(UNWATCHED);
        if now > end.saturating_add(gap) || now.saturating_add(gap) < begin {
            // The clock was set, or nobody watched: what was begun does not count.
            self.unit.lost();
            return Some(self.close(now.max(begin), now));
        }
        (end <= now).then(|| self.close(end, end))
    }

    /// The instance has ended, and with it the unit that it was in. A window that was cut short counts
    /// for as long as it lasted.
    pub(super) fn into_last(mut self, now: u64) -> Unit {
        self.close(now, now)
    }

    /// Ends the unit, and begins a window.
    fn close(&mut self, end: u64, begin_next: u64) -> Unit {
        let id = unit_id(self.id, Phase::Run, begin_next);
        let next = OpenWindow::new(id, begin_next, WINDOW_KEYS);
        let mut unit = std::mem::replace(&mut self.unit, next);
        let phase = std::mem::replace(&mut self.phase, Phase::Run);
        let teaches = std::mem::take(&mut self.teaches);
        let suspected = std::mem::take(&mut self.suspected);
        self.noted.clear();
        self.noted.shrink_to(NOTED_KEPT);
        self.new = [0; Class::ALL.len()];
        self.told = [0; Class::ALL.len()];
        if suspected && !teaches {
            // Nobody showed what is ordinary.
            unit.lost();
        }
        let (id, begin) = (unit.id(), unit.begin());
        Unit {
            phase,
            id,
            begin,
            end,
            keys: unit.close().map(|keys| keys.into_iter().collect()),
        }
    }
}

/// A container that is started again keeps its id, so a unit is known by when it began.
fn unit_id(instance: InstanceId, phase: Phase, begin: u64) -> WindowId {
    let parts = [
        phase.name().as_bytes(),
        &instance.0.to_le_bytes(),
        &begin.to_le_bytes(),
    ];
    WindowId(fingerprint(&parts))
}

impl Unit {
    /// Counts what came in it, and lets the classes go where that puts them.
    pub(super) fn settle(
        self,
        profile: &mut Profile,
        instance: InstanceId,
        settings: &LearnSettings,
    ) {
        let phase = self.phase;
        let flags = self.count(profile, instance, settings.node);
        profile.settle(phase, flags, settings);
    }

    /// Counts what came in it, if it was whole.
    fn count(self, profile: &mut Profile, instance: InstanceId, node: NodeId) -> Flags {
        let Some(keys) = self.keys else {
            profile
                .exposure
                .lossy(node, self.end.saturating_sub(self.begin));
            return Flags {
                lossy: true,
                ..Flags::default()
            };
        };
        for key in keys {
            let Some(behaviours) = profile.roles.get_mut(&key.role) else {
                continue;
            };
            let Some(objects) = behaviours.get_mut(self.phase, key.class) else {
                continue;
            };
            let path;
            let object = if key.class.is_of_files() {
                let Ok(parsed) = Segments::parse(&key.object) else {
                    continue;
                };
                path = parsed;
                Found::Path(&path)
            } else {
                Found::Text(&key.object)
            };
            if objects.get(object).is_some()
                && let Some(seen) = objects.entry(object)
            {
                seen.count(self.id);
            }
        }
        match self.phase {
            Phase::Start => profile.exposure.start(node, instance, self.begin, self.end),
            Phase::Run => profile
                .exposure
                .whole_window(node, instance, self.begin, self.end),
        }
        Flags::default()
    }
}

/// 64 bits that stand for these texts.
pub(super) fn fingerprint(parts: &[&[u8]]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}
