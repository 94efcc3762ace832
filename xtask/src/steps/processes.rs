//! Finding the processes of one step. They are known by a variable in their environment, which
//! orphans and daemons keep; containers' processes, whose environment is another, by their parents.

use std::collections::HashMap;
use std::fs;

use rustix::process::Pid;

/// The variable with which every process of a step starts.
pub(super) struct Marker(String);

impl Marker {
    pub(super) const VARIABLE: &str = "GRAVLENS_XTASK_STEP";

    pub(super) fn new(value: &str) -> Self {
        Self(value.to_owned())
    }

    pub(super) fn value(&self) -> &str {
        &self.0
    }

    fn is_on(&self, pid: Pid) -> bool {
        let entry = format!("{}={}", Self::VARIABLE, self.0);
        let environment = read(pid, "environ");
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == entry.as_bytes())
    }
}

/// All living processes that carry the marker, `root`, and their descendants.
pub(super) fn marked(marker: &Marker, root: Option<Pid>) -> Vec<Pid> {
    let parents = parents();
    let mut found: Vec<Pid> = parents
        .keys()
        .copied()
        .filter(|pid| Some(*pid) == root || marker.is_on(*pid))
        .collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = parents.iter().filter(|(_, above)| **above == Some(parent));
        let new: Vec<Pid> = children
            .map(|(pid, _)| *pid)
            .filter(|pid| !found.contains(pid))
            .collect();
        found.extend(new);
        next += 1;
    }
    found
}

/// A process's name, for people.
pub(super) fn name(pid: Pid) -> String {
    String::from_utf8_lossy(&read(pid, "comm"))
        .trim()
        .to_owned()
}

/// Every process that is not a zombie, with its parent.
fn parents() -> HashMap<Pid, Option<Pid>> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter_map(|pid| Some((pid, living_parent(&read(pid, "stat"))?)))
        .collect()
}

/// From `pid (name) state ppid ...`, where the name may hold anything.
fn living_parent(stat: &[u8]) -> Option<Option<Pid>> {
    let text = String::from_utf8_lossy(stat);
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z" && state != "X").then_some(Pid::from_raw(parent))
}

fn read(pid: Pid, file: &str) -> Vec<u8> {
    fs::read(format!("/proc/{}/{file}", pid.as_raw_nonzero())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        assert_eq!(living_parent(b"7 (a) Z 1) S 42 7"), Some(Pid::from_raw(42)));
        assert_eq!(living_parent(b"7 (sh) Z 42 7"), None);
        assert_eq!(living_parent(b""), None);
    }
}
