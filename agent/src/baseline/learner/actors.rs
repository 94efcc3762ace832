//! Who acts: the role of every process that was executed in a workload.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use gravlens_common::ExecKey;

use super::super::role::{Lineage, Role, User};
use crate::model::{Event, ExecId, Payload, Process};

/// A process that was executed in an instance, or forked from one that was.
#[derive(Clone, Debug)]
struct Actor {
    /// Own cgroup id of its container or service.
    instance: u64,
    lineage: Arc<Lineage>,
    roles: Roles,
    parent: Option<ExecKey>,
}

/// The roles of an actor.
#[derive(Clone, Debug)]
pub(super) struct Roles {
    user: User,
    /// Its own.
    pub(super) own: Role,
    /// Of who started the program that it runs.
    pub(super) starter: Role,
    /// It, or who it descends from, has met a rule.
    pub(super) tainted: bool,
}

/// All of them, by exec id.
///
/// What the runtime does in a container before it executes the container's own program is its own
/// business: a process that never executed anything in the container is none of its actors. One that
/// ran before anybody watched is taken for one, as nobody can tell.
#[derive(Debug, Default)]
pub(super) struct Actors {
    by_key: HashMap<ExecKey, Actor, RandomState>,
}

impl Actors {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Keeps up with the life of processes.
    pub(super) fn follow(&mut self, event: &Event<'_>, instance: u64) {
        let process = &event.process;
        match event.payload {
            Payload::Exec => self.execute(process, instance),
            Payload::Fork => self.fork(process, instance),
            Payload::Exit { .. } => {
                self.by_key.remove(&process.exec_id.key());
            }
            _ => {}
        }
    }

    /// The roles of who made an event; `None` for nobody of the workload.
    pub(super) fn of(&mut self, event: &Event<'_>, instance: u64) -> Option<Roles> {
        let process = &*event.process;
        self.find(process, instance);
        let actor = self.by_key.get_mut(&process.exec_id.key())?;
        if actor.instance != instance {
            // It was moved here, and has executed nothing here yet.
            return None;
        }
        let user = User::of(process);
        if actor.roles.user != user {
            // It acts as another user since.
            actor.roles.user = user;
            actor.roles.own = actor.lineage.role(user);
        }
        Some(actor.roles.clone())
    }

    /// A process does something where nobody learns: who executes or ends there is gone for good.
    pub(super) fn leave(&mut self, event: &Event<'_>) {
        match event.payload {
            Payload::Exec => {
                self.previous(event.process.exec_id);
            }
            Payload::Exit { .. } => {
                self.by_key.remove(&event.process.exec_id.key());
            }
            _ => {}
        }
    }

    /// A rule matched what the process did; who is tainted since.
    pub(super) fn taint(&mut self, key: ExecKey) -> Vec<ExecKey> {
        let mut suspects = vec![key];
        let mut tainted = Vec::new();
        while let Some(key) = suspects.pop() {
            let Some(actor) = self.by_key.get_mut(&key) else {
                continue;
            };
            if std::mem::replace(&mut actor.roles.tainted, true) {
                continue;
            }
            tainted.push(key);
            let children = self.by_key.iter();
            let children = children.filter(|(_, actor)| actor.parent == Some(key));
            suspects.extend(children.map(|(child, _)| *child));
        }
        tainted
    }

    /// An instance ended.
    pub(super) fn forget(&mut self, instance: u64) {
        self.by_key.retain(|_, actor| actor.instance != instance);
    }

    /// Enters a process that ran before anybody watched.
    fn find(&mut self, process: &Process, instance: u64) {
        let unknown = !self.by_key.contains_key(&process.exec_id.key());
        if !unknown || !process.seen_late || !process.image.known || is_from_outside(process) {
            return;
        }
        let inside = |of: &Process| of.cgroup_id == process.cgroup_id;
        let lineage = Arc::new(Lineage::of_found(process, inside));
        let starter = lineage.role(User::of(process));
        self.enter(process, instance, lineage, starter, false);
    }

    /// The actor that a process was forked from. What one workload starts in another, as a runtime does
    /// its containers, is none of its own.
    fn parent(&mut self, process: &Process, instance: u64) -> Option<(ExecKey, &Actor)> {
        let parent = process.parent.as_deref()?;
        if parent.cgroup_id == process.cgroup_id {
            self.find(parent, instance);
        }
        let key = parent.exec_id.key();
        let actor = self.by_key.get(&key)?;
        (actor.instance == instance).then_some((key, actor))
    }

    /// The child acts in the role of who forked it.
    fn fork(&mut self, process: &Process, instance: u64) {
        if let Some((parent, actor)) = self.parent(process, instance) {
            let child = Actor {
                parent: Some(parent),
                ..actor.clone()
            };
            self.by_key.insert(process.exec_id.key(), child);
        }
    }

    fn execute(&mut self, process: &Process, instance: u64) {
        let previous = self.previous(process.exec_id);
        let previous = match previous.filter(|actor| actor.instance == instance) {
            Some(previous) => Some(previous),
            // Its fork was not told.
            None => self
                .parent(process, instance)
                .map(|(_, actor)| actor.clone()),
        };
        let (before, starter, tainted) = match previous {
            Some(Actor { lineage, roles, .. }) => (lineage, roles.own, roles.tainted),
            // The runtime's own program, which the container cannot name.
            None if is_from_outside(process) => return,
            None => {
                let first = Lineage::first(process);
                let starter = first.role(User::of(process));
                (Arc::new(first), starter, false)
            }
        };
        let lineage = Arc::new(before.with(process));
        self.enter(process, instance, lineage, starter, tainted);
    }

    fn enter(
        &mut self,
        process: &Process,
        instance: u64,
        lineage: Arc<Lineage>,
        starter: Role,
        tainted: bool,
    ) {
        let user = User::of(process);
        let roles = Roles {
            user,
            own: lineage.role(user),
            starter,
            tainted,
        };
        let actor = Actor {
            instance,
            lineage,
            roles,
            parent: process.parent.as_ref().map(|parent| parent.exec_id.key()),
        };
        self.by_key.insert(process.exec_id.key(), actor);
    }

    /// Takes the image that a process ran before: its `exec_seq` was less by one.
    fn previous(&mut self, exec_id: ExecId) -> Option<Actor> {
        let exec_seq = exec_id.exec_seq.checked_sub(1)?;
        let before = ExecId {
            exec_seq,
            ..exec_id
        };
        self.by_key.remove(&before.key())
    }
}

/// The program lies outside of what the process's container can reach: runtimes enter it with one that
/// is sealed in memory, or the root of a mount that is attached nowhere.
fn is_from_outside(process: &Process) -> bool {
    let exe = process.image.exe.as_ref();
    exe.is_some_and(|exe| exe.path.unreachable || exe.memfd || *exe.path.bytes == *b"/")
}
