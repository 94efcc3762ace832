//! Who acts: the role of every process that was executed in a workload.

use std::collections::HashMap;

use gravlens_common::ExecKey;

use super::super::role::Role;
use crate::model::{Event, ExecId, Payload, Process};

/// A process that was executed in an instance, or forked from one that was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actor {
    /// Own cgroup id of its container.
    instance: u64,
    /// Its role, and that of who started its image, by number.
    pub(super) role: u32,
    pub(super) starter: u32,
    parent: Option<ExecKey>,
    /// It, or who it descends from, has met a rule.
    pub(super) tainted: bool,
}

/// All of them, by exec id.
///
/// What the runtime does in a container before it executes the container's own program is its own
/// business: a process that never executed anything in the container is none of its actors. One that
/// ran before the agent did is taken for one, as nobody can tell.
#[derive(Debug, Default)]
pub(super) struct Actors {
    by_key: HashMap<ExecKey, Actor>,
    roles: Vec<Role>,
    numbers: HashMap<Role, u32>,
}

impl Actors {
    /// Keeps up with the life of processes.
    pub(super) fn follow(&mut self, event: &Event<'_>, instance: u64) {
        let process = &*event.process;
        let key = process.exec_id.key();
        match event.payload {
            Payload::Exec => {
                let tainted = self.previous(process.exec_id).map(|before| before.tainted);
                self.enter(process, instance, tainted.unwrap_or(false));
            }
            Payload::Fork => {
                let parent = process.parent.as_ref().map(|parent| parent.exec_id.key());
                if let Some(parent) = parent
                    && let Some(&actor) = self.by_key.get(&parent)
                {
                    let child = Actor {
                        parent: Some(parent),
                        ..actor
                    };
                    self.by_key.insert(key, child);
                }
            }
            Payload::Exit { .. } => {
                self.by_key.remove(&key);
            }
            _ => {}
        }
    }

    /// The actor of an event.
    pub(super) fn of(&mut self, event: &Event<'_>, instance: u64) -> Option<Actor> {
        let process = &*event.process;
        if let Some(actor) = self.by_key.get(&process.exec_id.key()) {
            return Some(*actor);
        }
        if !process.seen_late || !process.image.known {
            return None;
        }
        Some(self.enter(process, instance, false))
    }

    /// A rule matched what the process did.
    pub(super) fn taint(&mut self, key: ExecKey) {
        let Some(actor) = self.by_key.get_mut(&key) else {
            return;
        };
        if std::mem::replace(&mut actor.tainted, true) {
            return;
        }
        let children: Vec<ExecKey> = self
            .by_key
            .iter()
            .filter(|(_, actor)| actor.parent == Some(key))
            .map(|(child, _)| *child)
            .collect();
        for child in children {
            self.taint(child);
        }
    }

    /// The role of that number.
    pub(super) fn role(&self, number: u32) -> &Role {
        &self.roles[number as usize]
    }

    /// An instance ended.
    pub(super) fn forget(&mut self, instance: u64) {
        self.by_key.retain(|_, actor| actor.instance != instance);
    }

    fn enter(&mut self, process: &Process, instance: u64, tainted: bool) -> Actor {
        let parent = process.parent.as_ref().map(|parent| parent.exec_id.key());
        let descends = parent.and_then(|parent| self.by_key.get(&parent));
        let tainted = tainted || descends.is_some_and(|parent| parent.tainted);
        let inside = |of: &Process| {
            std::ptr::eq(of, process)
                || self.by_key.contains_key(&of.exec_id.key())
                || of.seen_late && of.cgroup_id == process.cgroup_id
        };
        let (role, starter) = (Role::of(process, inside), Role::of_starter(process, inside));
        let actor = Actor {
            instance,
            role: self.number(role),
            starter: self.number(starter),
            parent,
            tainted,
        };
        self.by_key.insert(process.exec_id.key(), actor);
        actor
    }

    /// Forgets the image that a process ran before, which was `exec_seq` less one.
    fn previous(&mut self, exec_id: ExecId) -> Option<Actor> {
        let exec_seq = exec_id.exec_seq.checked_sub(1)?;
        let before = ExecId {
            exec_seq,
            ..exec_id
        };
        self.by_key.remove(&before.key())
    }

    fn number(&mut self, role: Role) -> u32 {
        if let Some(number) = self.numbers.get(&role) {
            return *number;
        }
        let number = self.roles.len() as u32;
        self.roles.push(role.clone());
        self.numbers.insert(role, number);
        number
    }
}
