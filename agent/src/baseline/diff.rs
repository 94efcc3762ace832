//! What two profiles of a workload do not have in common.
//!
//! ```text
//!   root uid0 /usr/sbin/nginx
//!     run file_read
//! -     /etc/nginx/old.conf
//! ~     /var/cache/7 -> /var/cache/{n}
//! -     /etc/shadow
//! +     rejected: /etc/shadow
//! + root user /bin/sh: 1 behaviour
//! +   run exec
//! +     /bin/ls
//! ```
//!
//! `-` is in the first only, `+` in the other only. Two such lines of one behaviour tell that operators
//! decided otherwise. `~` is a behaviour of one that fits a pattern of the other: no difference in
//! what is known.

#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use super::class::Class;
use super::evidence::{Decision, Seen, Trust};
use super::file::UNDATED;
use super::profile::{Behaviours, Objects, Phase, Profile};
use super::role::Role;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The first.
    One,
    /// The second.
    Other,
}

impl Side {
    const fn opposite(self) -> Self {
        match self {
            Self::One => Self::Other,
            Self::Other => Self::One,
        }
    }
}

/// A behaviour as one of the two has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its pattern.
    pub pattern: String,
    /// What it counts for.
    pub trust: Trust,
}

/// What is different of a behaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only one has it.
    Only(Side, Item),
    /// Operators decided otherwise.
    Decided(Item, Item),
    /// The behaviour of one fits the pattern of the other.
    Covered(Item, Item),
}

/// What is different of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleDiff {
    /// The role.
    pub role: Role,
    /// The only one that has it.
    pub only: Option<Side>,
    /// Its behaviours, in the order of profiles.
    pub changes: Vec<(Phase, Class, Change)>,
}

/// All that is different. It displays as the lines above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Roles with a difference, in the order of their texts.
    pub roles: Vec<RoleDiff>,
}

impl Diff {
    /// Whether both know and decide the same. Patterns that one has for behaviours of the other may
    /// still be told.
    pub fn is_empty(&self) -> bool {
        let mut changes = self.roles.iter().flat_map(|role| &role.changes);
        changes.all(|(_, _, change)| matches!(change, Change::Covered(..)))
    }
}

/// Compares two profiles.
pub fn diff(one: &Profile, other: &Profile) -> Diff {
    let roles: BTreeSet<&Role> = one.roles.keys().chain(other.roles.keys()).collect();
    let roles = roles.into_iter().map(|role| {
        let (of_one, of_other) = (one.roles.get(role), other.roles.get(role));
        let mut changes = Vec::new();
        let mut has = [false; 2];
        for phase in Phase::ALL {
            for class in Class::ALL {
                let one = Half::of(of_one, phase, class);
                let other = Half::of(of_other, phase, class);
                has[0] |= !one.patterns.is_empty();
                has[1] |= !other.patterns.is_empty();
                let found = compare(&one, &other).into_iter();
                changes.extend(found.map(|change| (phase, class, change)));
            }
        }
        let only = match has {
            [true, false] => Some(Side::One),
            [false, true] => Some(Side::Other),
            _ => None,
        };
        RoleDiff {
            role: role.clone(),
            only,
            changes,
        }
    });
    Diff {
        roles: roles.filter(|role| !role.changes.is_empty()).collect(),
    }
}

/// A class of a role in one profile.
#[derive(Default)]
struct Half<'a> {
    objects: Option<&'a Objects>,
    patterns: BTreeMap<String, &'a Seen>,
}

impl<'a> Half<'a> {
    fn of(behaviours: Option<&'a Behaviours>, phase: Phase, class: Class) -> Self {
        let objects = behaviours.and_then(|behaviours| behaviours.get(phase, class));
        Self {
            objects,
            patterns: objects.into_iter().flat_map(Objects::patterns).collect(),
        }
    }

    /// The pattern that a behaviour of the other one fits.
    fn covering(&self, text: &str) -> Option<(String, &'a Seen)> {
        let pattern = self.objects?.pattern_of(text)?;
        let seen = *self.patterns.get(&pattern)?;
        Some((pattern, seen))
    }
}

fn compare(one: &Half<'_>, other: &Half<'_>) -> Vec<Change> {
    let sides = [(Side::One, one, other), (Side::Other, other, one)];
    // By the text that tells it.
    let mut changes: BTreeMap<(&str, Side), Change> = BTreeMap::new();
    // What the lines so far tell of.
    let mut told: BTreeSet<(Side, String)> = BTreeSet::new();
    for (side, own, others) in sides {
        for (text, seen) in &own.patterns {
            let Some((pattern, covering)) = others.covering(text) else {
                continue;
            };
            let (own, others) = (item(text, seen), item(&pattern, covering));
            let equal = *text == pattern;
            let (first, second) = match side {
                Side::One => (own, others),
                Side::Other => (others, own),
            };
            if is_decided_otherwise(seen, covering) {
                // Of one text, both sides come upon it.
                let side = if equal { Side::One } else { side };
                changes.insert((text, side), Change::Decided(first, second));
            } else if !equal {
                changes.insert((text, side), Change::Covered(first, second));
            }
            told.insert((side, text.clone()));
            told.insert((side.opposite(), pattern));
        }
    }
    for (side, own, _) in sides {
        for (text, seen) in &own.patterns {
            if !told.contains(&(side, text.clone())) {
                changes.insert((text, side), Change::Only(side, item(text, seen)));
            }
        }
    }
    changes.into_values().collect()
}

fn item(pattern: &str, seen: &Seen) -> Item {
    Item {
        pattern: pattern.to_owned(),
        trust: seen.trust(),
    }
}

/// Who keeps a reviewed file vouches for all that is in it: that what was learnt is in such a file is
/// what both say.
fn is_decided_otherwise(one: &Seen, other: &Seen) -> bool {
    let decision = |seen: &Seen| seen.decision().map(|(decision, _)| decision);
    let vouched = |seen: &Seen| seen.decision() == Some((Decision::Accepted, UNDATED));
    let agree = |one: &Seen, other: &Seen| vouched(one) && other.trust() == Trust::Learnt;
    decision(one) != decision(other) && !agree(one, other) && !agree(other, one)
}
