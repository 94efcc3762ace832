//! Differences as JSON.

use serde::Serialize;

use super::Comparison;
use crate::baseline::diff::{Change, Item, RoleDiff, Side};
use crate::baseline::{Class, Phase};

/// All that is different.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    old: &'a str,
    new: &'a str,
    same_workload: bool,
    /// What the exit code says.
    differ: bool,
    roles: Vec<RoleDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct RoleDocument<'a> {
    role: &'a str,
    /// The only one that has the role.
    only: Option<&'static str>,
    changes: Vec<ChangeDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct ChangeDocument<'a> {
    phase: &'static str,
    class: &'static str,
    change: &'static str,
    old: Option<ItemDocument<'a>>,
    new: Option<ItemDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct ItemDocument<'a> {
    pattern: &'a str,
    trust: &'static str,
}

impl<'a> Document<'a> {
    pub(super) fn of(found: &'a Comparison) -> Self {
        Self {
            old: found.old.text(),
            new: found.new.text(),
            same_workload: found.old == found.new,
            differ: !found.diff.is_empty(),
            roles: found.diff.roles.iter().map(RoleDocument::of).collect(),
        }
    }
}

impl<'a> RoleDocument<'a> {
    fn of(role: &'a RoleDiff) -> Self {
        Self {
            role: role.role.text(),
            only: role.only.map(|side| match side {
                Side::One => "old",
                Side::Other => "new",
            }),
            changes: role.changes.iter().map(ChangeDocument::of).collect(),
        }
    }
}

impl<'a> ChangeDocument<'a> {
    fn of((phase, class, change): &'a (Phase, Class, Change)) -> Self {
        let (change, old, new) = match change {
            Change::Only(Side::One, item) => ("removed", Some(item), None),
            Change::Only(Side::Other, item) => ("added", None, Some(item)),
            Change::Decided(old, new) => ("decided", Some(old), Some(new)),
            Change::Covered(old, new) => ("covered", Some(old), Some(new)),
        };
        Self {
            phase: phase.name(),
            class: Class::name(*class),
            change,
            old: old.map(ItemDocument::of),
            new: new.map(ItemDocument::of),
        }
    }
}

impl<'a> ItemDocument<'a> {
    fn of(item: &'a Item) -> Self {
        Self {
            pattern: &item.pattern,
            trust: item.trust.name(),
        }
    }
}
