//! What is known of a behaviour, and for how long its workload was watched.
//!
//! [`Seen`] and [`Exposure`] are join-semilattices: merging is commutative, associative and
//! idempotent, so replicas and nodes may exchange them in any order and as often as they like.
//!
//! # Units
//! In the run phase the sampling unit is one window of one instance, and only a *whole* window
//! counts: the instance lived all through it and no event was lost. In the start phase the unit is
//! one start of an instance. Whether a window is whole is known when it ends, so an instance has an
//! [`OpenWindow`]: a behaviour is entered there and *known* at once ([`Seen::observe`]), and is
//! *counted* when the window closes as whole:
//!
//! ```
//! use gravlens::baseline::evidence::{Exposure, InstanceId, NodeId, OpenWindow, Seen, WindowId};
//!
//! let (node, instance) = (NodeId(1), InstanceId(7));
//! let mut exposure = Exposure::default();
//! let mut seen = vec![Seen::default()];
//!
//! let mut window = OpenWindow::new(WindowId(42), 100, 1_000);
//! seen[0].observe(130, instance, 0b1);
//! window.saw(0);
//! // An event that was lost would say: window.lost()
//! let (id, begin) = (window.id(), window.begin());
//! if let Some(keys) = window.close() {
//!     keys.into_iter().for_each(|key: usize| seen[key].count(id));
//!     exposure.whole_window(node, instance, begin, 160);
//! } else {
//!     exposure.lossy(node, 60);
//! }
//! assert_eq!((seen[0].windows.count(), exposure.totals().seconds), (1, 60));
//! ```
//!
//! What is seen in a window that is not whole is known, but neither it nor the time counts: the
//! ratio of the two stays honest.

mod exposure;
mod sample;
#[cfg(test)]
pub(super) mod tests;
mod window;

pub use exposure::{Exposure, NodeExposure, Totals};
pub use sample::Sample;
pub use window::OpenWindow;

/// A sampling unit: keyed hash of the instance and the number of its window, or of the instance
/// alone for its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(pub u64);

/// Keyed hash of an instance: a container, or one run of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub u64);

/// Keyed hash of a node and its store: a node that lost its store has to take a new one, for its
/// counters begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// Longest gap between two appearances that is remembered: a clock that jumps by decades must not
/// make a behaviour immortal.
pub const MAX_GAP: u32 = 400 * 86_400;

/// What an operator said of a behaviour. Of two at the same time the stricter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// It belongs to the workload.
    Accepted,
    /// It does not, however often it comes.
    Rejected,
}

/// What the agent itself noted of a behaviour; never taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks(u8);

impl Marks {
    /// It first came when its class was armed, and raised an alert.
    pub const QUARANTINED: Self = Self(1);
    /// The role works on what it made itself.
    pub const OWN: Self = Self(2);
    /// Of a kind that no time makes ordinary.
    pub const NEVER_LEARNT: Self = Self(4);

    /// Both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Every mark with its name in files.
    pub const NAMES: [(Self, &'static str); 3] = [
        (Self::QUARANTINED, "quarantined"),
        (Self::OWN, "own"),
        (Self::NEVER_LEARNT, "never_learnt"),
    ];
}

/// What a behaviour counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Learnt by watching.
    Learnt,
    /// Came too late to be learnt: waits for somebody to decide.
    Quarantined,
    /// An operator vouches for it.
    Accepted,
    /// An operator forbids it.
    Rejected,
    /// Only an operator could make it known.
    NeverLearnt,
}

impl Trust {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Learnt,
        Self::Quarantined,
        Self::Accepted,
        Self::Rejected,
        Self::NeverLearnt,
    ];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Learnt => "learnt",
            Self::Quarantined => "quarantined",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::NeverLearnt => "never_learnt",
        }
    }
}

/// What is known of one behaviour. The default is the least element: never seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// First time; `u64::MAX` when never.
    pub first: u64,
    /// Last time.
    pub last: u64,
    /// Units that it counts for.
    pub windows: Sample<3>,
    /// Instances that it was seen in.
    pub instances: Sample<3>,
    /// Versions that it was seen in, as bits over [`crate::baseline::drift::Versions`].
    pub versions: u64,
    decided: u64,
    /// Longest time between two appearances, in seconds.
    pub gap: u32,
    /// The agent's notes.
    pub marks: Marks,
    decision: Option<Decision>,
}

const _: () = assert!(size_of::<Seen>() <= 96);

impl Default for Seen {
    fn default() -> Self {
        Self {
            first: u64::MAX,
            last: 0,
            windows: Sample::default(),
            instances: Sample::default(),
            versions: 0,
            decided: 0,
            gap: 0,
            marks: Marks::default(),
            decision: None,
        }
    }
}

impl Seen {
    /// It came, in a window that may or may not turn out whole. `version` is its bit of
    /// [`crate::baseline::drift::Versions`], or 0.
    pub fn observe(&mut self, time: u64, instance: InstanceId, version: u64) {
        if self.is_seen() {
            let gap = time
                .saturating_sub(self.last)
                .max(self.first.saturating_sub(time));
            let gap = u32::try_from(gap).map_or(MAX_GAP, |gap| gap.min(MAX_GAP));
            self.gap = self.gap.max(gap);
        }
        self.first = self.first.min(time);
        self.last = self.last.max(time);
        self.instances.insert(instance.0);
        self.versions |= version;
    }

    /// It counts for this unit, which has ended and was whole.
    ///
    /// Once `windows` is full, nothing depends on further units and a caller may leave them out.
    pub fn count(&mut self, unit: WindowId) {
        self.windows.insert(unit.0);
    }

    /// Whether it ever came.
    pub fn is_seen(&self) -> bool {
        self.first <= self.last
    }

    /// An operator decided at `time`; a later word replaces an earlier one.
    pub fn decide(&mut self, decision: Decision, time: u64) {
        (self.decided, self.decision) = (self.decided, self.decision).max((time, Some(decision)));
    }

    /// The operator's word and its time.
    pub fn decision(&self) -> Option<(Decision, u64)> {
        Some((self.decision?, self.decided))
    }

    /// What it counts for: the operator's word first, then the agent's notes.
    pub fn trust(&self) -> Trust {
        match self.decision {
            Some(Decision::Rejected) => Trust::Rejected,
            Some(Decision::Accepted) => Trust::Accepted,
            None if self.marks.has(Marks::NEVER_LEARNT) => Trust::NeverLearnt,
            None if self.marks.has(Marks::QUARANTINED) => Trust::Quarantined,
            None => Trust::Learnt,
        }
    }

    /// Join. The version bits of both must be over the same list: see
    /// [`crate::baseline::drift::Versions::merge`].
    pub fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.windows.merge(&other.windows);
        self.instances.merge(&other.instances);
        self.versions |= other.versions;
        self.gap = self.gap.max(other.gap);
        self.marks = self.marks.union(other.marks);
        (self.decided, self.decision) =
            (self.decided, self.decision).max((other.decided, other.decision));
    }
}
