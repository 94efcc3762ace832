//! Roles: who does something in a workload, by the programs that led to it.

mod program;

use std::fmt;
use std::sync::Arc;

pub(super) use self::program::{push_escaped, push_executable};
use crate::model::{ExeFile, Layer, Process};

/// Programs of a lineage that are told apart beside the first: the acting one and those before it.
const LINEAGE: usize = 4;
/// Ancestors that are looked at of a process that is not known from its start.
const MAX_ANCESTORS: usize = 64;

/// Where an executable's file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The image, a mount, or the node's own file.
    Image,
    /// The writable layer: it came, or was changed, at run time.
    Upper,
    /// A file that lives in memory only.
    Memfd,
    /// It had no name left when it was executed.
    Unlinked,
}

impl Origin {
    /// The origin of an executable.
    pub fn of(exe: &ExeFile) -> Self {
        if exe.memfd {
            Self::Memfd
        } else if exe.unlinked {
            Self::Unlinked
        } else {
            match exe.layer {
                Some(Layer::UpperOnly | Layer::CopiedUp) => Self::Upper,
                Some(Layer::Lower) | None => Self::Image,
            }
        }
    }

    /// Its word in a role; what is usual has none.
    const fn word(self) -> &'static str {
        match self {
            Self::Image => "",
            Self::Upper => "upper",
            Self::Memfd => "memfd",
            Self::Unlinked => "unlinked",
        }
    }

    /// Nothing that was shipped with the workload.
    pub const fn is_foreign(self) -> bool {
        !matches!(self, Self::Image)
    }
}

/// How a process came into its workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// It descends from the workload's first process.
    Root,
    /// It was put in from outside: `docker exec`, `kubectl exec`, nsenter.
    Outsider,
}

impl Family {
    /// The family of a process that nobody in the workload started. The first process of a pid
    /// namespace is the workload's own; in the node's namespace nobody can tell.
    pub(super) fn of_first(process: &Process) -> Self {
        match process.vpid {
            Some(vpid) if vpid != 1 && vpid != process.exec_id.tgid => Self::Outsider,
            _ => Self::Root,
        }
    }
}

/// What is kept apart of the user that a process acts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum User {
    Root,
    Other,
    Unknown,
}

impl User {
    pub(super) fn of(process: &Process) -> Self {
        match process.ids {
            Some(ids) if ids.euid == 0 => Self::Root,
            Some(_) => Self::Other,
            None => Self::Unknown,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Root => "uid0",
            Self::Other => "user",
            Self::Unknown => "unknown",
        }
    }
}

/// The programs that led to a process: the first one and the last, equal neighbours once. A child
/// keeps that of who forked it, also when that one is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lineage {
    family: Family,
    /// Oldest first.
    programs: Vec<Arc<str>>,
}

impl Lineage {
    /// Of a process that nobody in the workload started, before its program.
    pub(super) fn first(process: &Process) -> Self {
        Self {
            family: Family::of_first(process),
            programs: Vec::new(),
        }
    }

    /// Of a process that ran before anybody watched, as far as its ancestors are known; `inside`
    /// tells which of them belong to the workload.
    pub(super) fn of_found(process: &Process, inside: impl Fn(&Process) -> bool) -> Self {
        let mut chain: Vec<&Process> = process
            .ancestors()
            .take(MAX_ANCESTORS)
            .take_while(|ancestor| inside(ancestor))
            .collect();
        chain.insert(0, process);
        let first = chain.last().copied().unwrap_or(process);
        let mut lineage = Self::first(first);
        for ancestor in chain.iter().rev() {
            lineage = lineage.with(ancestor);
        }
        lineage
    }

    /// After a program was executed.
    pub(super) fn with(&self, process: &Process) -> Self {
        let mut program = String::new();
        match &process.image.exe {
            Some(exe) => push_executable(&mut program, &exe.path.bytes, Origin::of(exe)),
            None => push_escaped(&mut program, &process.comm),
        }
        let mut programs = self.programs.clone();
        if programs.last().is_none_or(|last| **last != *program) {
            programs.push(program.into());
        }
        if programs.len() > LINEAGE + 1 {
            programs.remove(1);
        }
        Self {
            family: self.family,
            programs,
        }
    }

    /// The role of who has it and acts as that user.
    pub(super) fn role(&self, user: User) -> Role {
        let mut text = String::from(match self.family {
            Family::Root => "root ",
            Family::Outsider => "outsider ",
        });
        text.push_str(user.word());
        for (place, program) in self.programs.iter().enumerate() {
            text.push_str(if place == 0 { " " } else { " > " });
            text.push_str(program);
        }
        Role(text.into())
    }
}

/// Who acts. Its text is its identity, also between nodes: `root uid0 /usr/sbin/nginx > /bin/sh`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(Arc<str>);

impl Role {
    /// A role as it was written.
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// That of nobody in particular.
    pub(super) fn nobody() -> Self {
        Self::from_text("")
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::process;

    #[test]
    fn a_lineage_keeps_its_first_program_and_its_last_ones() {
        let first = Process {
            vpid: Some(1),
            ..process(100, "init", &[], None)
        };
        let mut lineage = Lineage::first(&first);
        for name in ["init", "a", "a", "b", "c", "d", "e"] {
            lineage = lineage.with(&process(101, name, &[], None));
        }
        assert_eq!(
            lineage.role(User::Other).text(),
            "root user /usr/bin/init > /usr/bin/b > /usr/bin/c > /usr/bin/d > /usr/bin/e"
        );
    }

    #[test]
    fn who_was_put_in_from_outside_is_an_outsider() {
        let shell = Process {
            vpid: Some(17),
            ..process(4711, "sh", &[], None)
        };
        let role = Lineage::first(&shell).with(&shell).role(User::of(&shell));
        assert_eq!(role.text(), "outsider uid0 /usr/bin/sh");
        // In the pid namespace of the node everybody is.
        let shell = Process {
            vpid: Some(4711),
            ..shell
        };
        assert_eq!(Family::of_first(&shell), Family::Root);
    }
}
