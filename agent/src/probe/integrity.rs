//! Whether links and maps are still as they were made.
//!
//! What is attached is known by the kernel's ids: they are compared with what the kernel says now.
//! A perf event that was disabled behind a link does not show here; the canary notices it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
    programs::links::FdLink,
};
use zerocopy::IntoBytes as _;

use super::{
    ProbeError,
    approvers::{self, InForce},
    bpf::{self, LinkTarget},
};

/// Maps that nobody writes after the start, beside that of the approvers, which are exchanged with the
/// rules. The kernel freezes the first against user space; a
/// value that the programs insert must not become another; the next silences them all, and the
/// tables tell them which calls to report.
const CONSTANT_MAPS: [&str; 6] = [
    ".rodata",
    "ZERO_COUNTERS",
    "ENDED",
    "PATH_CALLS",
    "COMPAT_CALLS",
    "TWIN_CALLS",
];

/// A link with the place that it led to when it was made.
#[derive(Debug)]
pub(super) struct HeldLink {
    program: &'static str,
    id: u32,
    target: LinkTarget,
    /// Dropping it detaches the program.
    _link: FdLink,
}

impl HeldLink {
    pub(super) fn new(program: &'static str, link: FdLink) -> Result<Self, String> {
        let id = link.info().map_err(|error| error.to_string())?.id();
        let target = bpf::link_target(id).map_err(|error| error.to_string())?;
        Ok(Self {
            program,
            id,
            target,
            _link: link,
        })
    }

    /// Name of its program.
    pub(super) fn program(&self) -> &'static str {
        self.program
    }

    /// What is wrong with it.
    fn fault(&self) -> Option<String> {
        describe(self.program, self.target, bpf::link_target(self.id))
    }
}

fn describe(program: &str, made: LinkTarget, now: io::Result<LinkTarget>) -> Option<String> {
    let now = match now {
        Ok(now) if now == made => return None,
        Ok(now) => now,
        Err(error) => return Some(format!("the link of {program} is gone: {error}")),
    };
    Some(match now.cgroup_id {
        Some(0) => format!("the cgroup link of {program} is detached"),
        _ if now.program_id != made.program_id => {
            format!("the link of {program} runs another program")
        }
        _ => format!("the link of {program} is attached elsewhere"),
    })
}

/// The links, shared between who holds them and who looks at them.
#[derive(Clone, Debug, Default)]
pub(super) struct Links(Arc<Mutex<Vec<HeldLink>>>);

impl Links {
    pub(super) fn new(links: Vec<HeldLink>) -> Self {
        Self(Arc::new(Mutex::new(links)))
    }

    /// Takes them all, after `silence` is done: whoever looks sees either nothing done, or no link
    /// any more. Dropping a link detaches its program.
    pub(super) fn end(&self, silence: impl FnOnce()) -> Vec<HeldLink> {
        let mut links = self.lock();
        if !links.is_empty() {
            silence();
        }
        std::mem::take(&mut links)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<HeldLink>> {
        // Nothing panics with it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct HeldMap {
    name: &'static str,
    fd: OwnedFd,
    /// Sizes of a value and of the map.
    value_size: u32,
    entries: u32,
    content: Content,
}

/// What a map is to hold.
#[derive(Debug)]
enum Content {
    /// What it held at first.
    Constant(Vec<u8>),
    /// The approvers in force.
    Approvers(InForce),
}

impl Content {
    fn is(&self, found: &[u8]) -> bool {
        match self {
            Self::Constant(content) => content == found,
            Self::Approvers(table) => table.lock().as_bytes() == found,
        }
    }
}

impl HeldMap {
    fn new(name: &'static str, map: &MapData) -> io::Result<Self> {
        let mut map = Self::holding(name, map, Content::Constant(Vec::new()))?;
        map.content = Content::Constant(map.read()?);
        Ok(map)
    }

    fn holding(name: &'static str, map: &MapData, content: Content) -> io::Result<Self> {
        let info = map.info().map_err(io::Error::other)?;
        let fd = map.fd().as_fd().try_clone_to_owned()?;
        Ok(Self {
            name,
            fd,
            value_size: info.value_size(),
            entries: info.max_entries(),
            content,
        })
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        for index in 0..self.entries {
            content.extend(bpf::value_at(self.fd.as_fd(), index, self.value_size)?);
        }
        Ok(content)
    }

    fn fault(&self) -> Option<String> {
        match self.read() {
            Ok(content) if self.content.is(&content) => None,
            Ok(_) => Some(format!("the map {} was changed", self.name)),
            Err(error) => Some(format!("the map {} cannot be read: {error}", self.name)),
        }
    }
}

/// Looks after links and maps. The links are not kept by it: once they are detached in order there
/// is nothing to look at.
#[derive(Debug)]
pub struct Integrity {
    links: Links,
    maps: Vec<HeldMap>,
}

impl Integrity {
    /// Remembers how the maps are now.
    pub(super) fn new(ebpf: &Ebpf, links: Links, approvers: InForce) -> Result<Self, ProbeError> {
        let constants = CONSTANT_MAPS.iter();
        let mut maps = constants
            .map(|&name| {
                HeldMap::new(name, array(ebpf, name)?).map_err(|error| unread(name, error))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let name = approvers::MAP;
        let map = HeldMap::holding(name, array(ebpf, name)?, Content::Approvers(approvers));
        maps.push(map.map_err(|error| unread(name, error))?);
        Ok(Self { links, maps })
    }

    /// Links and maps that are looked after.
    pub fn size(&self) -> (usize, usize) {
        (self.links.len(), self.maps.len())
    }

    /// What is not as it was made, in words. Each fault has the same words every time.
    pub fn faults(&self) -> Vec<String> {
        // Held to the end: the switch is used under it.
        let links = self.links.lock();
        if links.is_empty() {
            return Vec::new();
        }
        let faulty = links.iter().filter_map(HeldLink::fault);
        faulty
            .chain(self.maps.iter().filter_map(HeldMap::fault))
            .collect()
    }
}

fn array<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a MapData, ProbeError> {
    match ebpf.map(name) {
        Some(Map::Array(map)) => Ok(map),
        _ => Err(ProbeError::Load(format!("the object has no array {name}"))),
    }
}

fn unread(name: &str, error: io::Error) -> ProbeError {
    ProbeError::io(format!("cannot read the map {name}"), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: LinkTarget = LinkTarget {
        program_id: 5,
        cgroup_id: Some(77),
    };

    #[test]
    fn a_fault_is_told_in_words() {
        let fault = |now| describe("connect4", MADE, now);
        assert_eq!(fault(Ok(MADE)), None);
        let detached = LinkTarget {
            cgroup_id: Some(0),
            ..MADE
        };
        let replaced = LinkTarget {
            program_id: 6,
            ..MADE
        };
        let gone = io::Error::from(io::ErrorKind::NotFound);
        for (now, words) in [
            (Ok(detached), "detached"),
            (Ok(replaced), "another program"),
            (Err(gone), "is gone"),
        ] {
            let told = fault(now).unwrap();
            assert!(told.contains("connect4") && told.contains(words), "{told}");
        }
    }
}
