//! Roles: who does something in a workload, by the executables that led to it.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::model::{ExeFile, Layer, Process};

/// Executables of a lineage that are told apart: the acting one and those before it, equal
/// neighbours counted once. The workload's root stands before them, however far away it is.
const LINEAGE: usize = 4;
/// Ancestors that are looked at: a longer chain is cut, as the process table cuts it.
const MAX_ANCESTORS: usize = 64;

/// Where an executable's file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The image, or the node's own file.
    Image,
    /// The writable layer: it came, or was changed, at run time.
    Upper,
    /// A file that lives in memory only.
    Memfd,
    /// It had no name left when it was executed.
    Unlinked,
    /// The kernel did not tell.
    Unknown,
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
                // What lies on no overlay is a mount's or the node's own.
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
            Self::Unknown => "unknown",
        }
    }

    /// Nothing that was shipped with the workload: its behaviour is never learnt by itself.
    pub const fn is_foreign(self) -> bool {
        matches!(self, Self::Upper | Self::Memfd | Self::Unlinked)
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

/// Who acts: a lineage with what matters of the user.
///
/// Its text is its identity, also between nodes: `root uid0 /usr/sbin/nginx > /bin/sh [upper]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(Arc<str>);

impl Role {
    /// The role of a process. `inside` tells whether a process belongs to the workload.
    pub fn of(process: &Process, inside: impl Fn(&Process) -> bool) -> Self {
        Self::of_lineage(Some(process), process, inside)
    }

    /// The role of who started a process that has just executed its image: its lineage without the
    /// image itself.
    pub fn of_starter(process: &Process, inside: impl Fn(&Process) -> bool) -> Self {
        let parent = process.parent.as_deref().filter(|parent| inside(parent));
        Self::of_lineage(parent, process, inside)
    }

    /// A role as it was written.
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0
    }

    fn of_lineage(
        newest: Option<&Process>,
        process: &Process,
        inside: impl Fn(&Process) -> bool,
    ) -> Self {
        let lineage = Lineage::of(newest, &inside);
        let family = Lineage::of(Some(process), &inside).family();
        let mut text = String::new();
        text.push_str(match family {
            Family::Root => "root",
            Family::Outsider => "outsider",
        });
        text.push_str(match process.ids.map(|ids| ids.euid) {
            Some(0) => " uid0",
            Some(_) => " user",
            None => " unknown",
        });
        for (place, step) in lineage.steps().enumerate() {
            text.push_str(if place == 0 { " " } else { " > " });
            step.write(&mut text);
        }
        Self(text.into())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The processes from the acting one up to the first that is inside.
struct Lineage<'a> {
    /// Nearest first.
    processes: Vec<&'a Process>,
}

impl<'a> Lineage<'a> {
    fn of(newest: Option<&'a Process>, inside: &impl Fn(&Process) -> bool) -> Self {
        let chain = std::iter::successors(newest, |process| process.parent.as_deref());
        let processes = chain
            .take(MAX_ANCESTORS)
            .take_while(|process| inside(process))
            .collect();
        Self { processes }
    }

    /// The first process of a pid namespace is nobody's child in it. A workload without a namespace
    /// of its own has only one family.
    fn family(&self) -> Family {
        let Some(first) = self.processes.last() else {
            return Family::Root;
        };
        match first.vpid {
            Some(1) | None => Family::Root,
            Some(vpid) if vpid == first.exec_id.tgid => Family::Root,
            Some(_) => Family::Outsider,
        }
    }

    /// Root first, then the nearest ones, the acting one last; equal neighbours count once.
    fn steps(&self) -> impl Iterator<Item = Step<'a>> {
        let mut steps: Vec<Step<'a>> = Vec::new();
        for process in &self.processes {
            let step = Step::of(process);
            if steps.last() != Some(&step) {
                steps.push(step);
            }
        }
        if steps.len() > LINEAGE + 1 {
            let root = steps.pop();
            steps.truncate(LINEAGE);
            steps.extend(root);
        }
        steps.into_iter().rev()
    }
}

/// One executable of a lineage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step<'a> {
    path: &'a [u8],
    origin: Origin,
}

impl<'a> Step<'a> {
    fn of(process: &'a Process) -> Self {
        match &process.image.exe {
            Some(exe) => Self {
                path: &exe.path.bytes,
                origin: Origin::of(exe),
            },
            None => Self {
                path: &process.comm,
                origin: Origin::Unknown,
            },
        }
    }

    fn write(self, text: &mut String) {
        push_executable(text, self.path, self.origin);
    }
}

/// Appends an executable with where it comes from.
pub(super) fn push_executable(text: &mut String, path: &[u8], origin: Origin) {
    push_escaped(text, path);
    if !origin.word().is_empty() {
        let _ = write!(text, " [{}]", origin.word());
    }
}

/// Appends bytes so that one text stands for one value: what is not printable ASCII, the backslash
/// and the space are written as `\xNN`.
pub(super) fn push_escaped(text: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_graphic() && byte != b'\\' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}
