//! Process groups and sessions of a process, and who leads them.

use super::super::value::{Scalar, Value};
use crate::model::{Groups, Process};

/// Which of a process's groups is meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Process group.
    Group,
    /// Session.
    Session,
}

impl Kind {
    fn id(self, groups: &Groups) -> u32 {
        match self {
            Self::Group => groups.group,
            Self::Session => groups.session,
        }
    }

    fn own_id(self, groups: &Groups) -> u32 {
        match self {
            Self::Group => groups.own_group,
            Self::Session => groups.own_session,
        }
    }
}

/// Its number on the node.
pub(super) fn id<'a>(process: &Process, kind: Kind) -> Value<'a> {
    let groups = process.groups.as_ref();
    groups.map_or(Value::Missing, |groups| Value::number(kind.id(groups)))
}

/// Its number inside the container.
pub(super) fn own_id<'a>(process: &Process, kind: Kind) -> Value<'a> {
    let groups = process.groups.as_ref();
    groups.map_or(Value::Missing, |groups| Value::number(kind.own_id(groups)))
}

/// Whether the process leads it, by the numbers on the node.
pub(super) fn leads<'a>(process: &Process, kind: Kind) -> Value<'a> {
    let groups = process.groups.as_ref();
    groups.map_or(Value::Missing, |groups| {
        Value::flag(kind.id(groups) == process.exec_id.tgid)
    })
}

/// The same by the numbers inside the container.
pub(super) fn leads_own<'a>(process: &Process, kind: Kind) -> Value<'a> {
    match (&process.groups, process.vpid) {
        (Some(groups), Some(vpid)) => Value::flag(kind.own_id(groups) == vpid),
        _ => Value::Missing,
    }
}

/// Something of the leader: the eldest of the process and its ancestors, one after the other, that
/// are in the same group.
pub(super) fn of_leader<'a>(
    process: &'a Process,
    kind: Kind,
    read: fn(&Process) -> Option<Scalar<'_>>,
) -> Value<'a> {
    let id = |process: &Process| process.groups.as_ref().map(|groups| kind.id(groups));
    let Some(wanted) = id(process) else {
        return Value::Missing;
    };
    let same = process
        .ancestors()
        .take_while(|ancestor| id(ancestor) == Some(wanted));
    Value::optional(read(same.last().unwrap_or(process)))
}

/// Pid of the eldest shell among the process and its ancestors: of those whose names end in `sh`.
pub(super) fn login_shell<'a>(process: &Process) -> Value<'a> {
    let shells = std::iter::once(process)
        .chain(process.ancestors())
        .filter(|process| process.comm.ends_with(b"sh"));
    shells
        .last()
        .map_or(Value::Missing, |shell| Value::number(shell.exec_id.tgid))
}
