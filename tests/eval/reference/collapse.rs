//! One set for a whole container, whoever did it; a directory with many children stands for any.

use std::collections::{BTreeMap, HashSet};

use super::{Act, Reference};

/// Children of a directory above which they become any.
const CHILDREN: usize = 50;
/// The same below `/etc`.
const CHILDREN_ETC: usize = 100;

/// Class and object; of files their collapsed path.
#[derive(Debug, Default)]
pub(super) struct Collapse {
    others: HashSet<String>,
    files: BTreeMap<&'static str, Node>,
}

/// A directory, or a name in it.
#[derive(Debug, Default)]
struct Node {
    /// Something has just this path.
    ends: bool,
    children: BTreeMap<String, Node>,
    /// What stands for every child.
    any: Option<Box<Node>>,
}

impl Node {
    fn insert(&mut self, path: &[&str], most: usize) {
        let Some((first, rest)) = path.split_first() else {
            self.ends = true;
            return;
        };
        if let Some(any) = &mut self.any {
            any.insert(rest, most);
            return;
        }
        self.children
            .entry((*first).to_owned())
            .or_default()
            .insert(rest, most);
        if self.children.len() > most {
            let mut any = Self::default();
            for (_, child) in std::mem::take(&mut self.children) {
                any.merge(child);
            }
            self.any = Some(Box::new(any));
        }
    }

    fn merge(&mut self, other: Self) {
        self.ends |= other.ends;
        for (name, child) in other.children {
            match &mut self.any {
                Some(any) => any.merge(child),
                None => self.children.entry(name).or_default().merge(child),
            }
        }
        if let Some(theirs) = other.any {
            let mut any = self.any.take().unwrap_or_default();
            for (_, child) in std::mem::take(&mut self.children) {
                any.merge(child);
            }
            any.merge(*theirs);
            self.any = Some(any);
        }
    }

    /// Two directories of anything one below the other stand for any depth.
    fn has(&self, path: &[&str], below_any: bool) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return self.ends;
        };
        match (&self.any, self.children.get(*first)) {
            (Some(any), _) => (below_any && any.ends) || any.has(rest, true),
            (None, Some(child)) => child.has(rest, false),
            (None, None) => false,
        }
    }
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

fn most(path: &str) -> usize {
    if path.starts_with("/etc/") {
        CHILDREN_ETC
    } else {
        CHILDREN
    }
}

fn key(act: &Act<'_>) -> String {
    format!("{} {}", act.watched.class, act.watched.exact)
}

impl Reference for Collapse {
    fn learn(&mut self, act: &Act<'_>) {
        let watched = act.watched;
        if watched.class.is_of_files() {
            let files = self.files.entry(watched.class.name()).or_default();
            files.insert(&segments(&watched.exact), most(&watched.exact));
        } else {
            self.others.insert(key(act));
        }
    }

    fn knows(&self, act: &Act<'_>) -> Option<bool> {
        let watched = act.watched;
        if !watched.class.is_of_files() {
            return Some(self.others.contains(&key(act)));
        }
        let files = self.files.get(watched.class.name());
        Some(files.is_some_and(|files| files.has(&segments(&watched.exact), false)))
    }

    fn alert(&self, act: &Act<'_>) -> String {
        key(act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_children_become_any_and_two_of_these_any_depth() {
        let mut root = Node::default();
        for n in 0..=CHILDREN {
            root.insert(&["data", &n.to_string(), "file"], CHILDREN);
        }
        assert!(root.has(&["data", "new", "file"], false));
        assert!(!root.has(&["data", "new", "other"], false));
        assert!(!root.has(&["else"], false));
        for n in 0..=CHILDREN {
            root.insert(&["data", "1", &n.to_string()], CHILDREN);
        }
        assert!(root.has(&["data", "new", "other"], false));
        assert!(root.has(&["data", "new", "deep", "er"], false));
    }
}
