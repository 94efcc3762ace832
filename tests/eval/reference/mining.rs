//! A tree of each role in which siblings of one form become a template.

use std::collections::{BTreeMap, BTreeSet};

use gravlens::baseline::Class;

use super::{Act, Reference};

/// Children of a directory above which its siblings are mined.
const FAN_OUT: usize = 15;
/// Siblings of one form that become a template.
const BUCKET: usize = 5;
/// Directories whose children stay as they are.
const GUARDED: [&str; 3] = ["/etc", "/var", "/tmp"];
/// What separates the parts of a name.
const SEPARATORS: [char; 3] = ['-', '.', '_'];

/// Role and class, and below them paths. Arguments are not looked at.
#[derive(Debug, Default)]
pub(super) struct Mining {
    known: BTreeMap<String, BTreeSet<String>>,
    trees: BTreeMap<String, Tree>,
}

/// A directory.
#[derive(Debug, Default)]
struct Tree {
    ends: bool,
    children: BTreeMap<String, Tree>,
    templates: Vec<(Template, Tree)>,
}

/// Parts of a name: with their kind, and those that are the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Template {
    signature: String,
    parts: Vec<Option<String>>,
}

/// The kinds of a name's parts with what separates them: numbers N, letters A, both M.
fn signature(name: &str) -> String {
    let mut out = String::new();
    for part in name.split_inclusive(SEPARATORS) {
        let body = part.trim_end_matches(SEPARATORS);
        let digits = body.chars().any(|c| c.is_ascii_digit());
        let letters = body.chars().any(|c| !c.is_ascii_digit());
        out.push_str(match (digits, letters) {
            (true, false) => "N",
            (true, true) => "M",
            (false, true) => "A",
            (false, false) => "",
        });
        out.push_str(&part[body.len()..]);
    }
    out
}

fn parts(name: &str) -> Vec<&str> {
    name.split(SEPARATORS).collect()
}

impl Template {
    /// What these names of one signature have in common.
    fn of(names: &[String]) -> Option<Self> {
        let first = names.first()?;
        let mut common: Vec<Option<String>> = parts(first)
            .into_iter()
            .map(|part| Some(part.to_owned()))
            .collect();
        for name in names {
            for (part, common) in parts(name).into_iter().zip(&mut common) {
                if common.as_deref() != Some(part) {
                    *common = None;
                }
            }
        }
        Some(Self {
            signature: signature(first),
            parts: common,
        })
    }

    /// Nothing of it is literal.
    fn is_bare(&self) -> bool {
        self.parts.iter().all(Option::is_none)
    }

    fn matches(&self, name: &str) -> bool {
        signature(name) == self.signature
            && parts(name)
                .into_iter()
                .zip(&self.parts)
                .all(|(part, common)| common.as_deref().is_none_or(|common| common == part))
    }
}

impl Tree {
    fn insert(&mut self, path: &[String]) {
        match path.split_first() {
            None => self.ends = true,
            Some((first, rest)) => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    fn merge(&mut self, other: Self) {
        self.ends |= other.ends;
        for (name, child) in other.children {
            self.children.entry(name).or_default().merge(child);
        }
    }

    fn mine(&mut self, place: &str) {
        if self.children.len() > FAN_OUT && !GUARDED.contains(&place) {
            let mut buckets: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for name in self.children.keys() {
                buckets
                    .entry(signature(name))
                    .or_default()
                    .push(name.clone());
            }
            let one_form = buckets.len() == 1;
            for (signature, names) in buckets {
                let Some(template) = Template::of(&names) else {
                    continue;
                };
                let plain = !signature.contains(['N', 'M']);
                if names.len() < BUCKET || template.is_bare() && (plain || !one_form) {
                    continue;
                }
                let mut merged = Self::default();
                for name in &names {
                    merged.merge(self.children.remove(name).unwrap_or_default());
                }
                self.templates.push((template, merged));
            }
        }
        for (name, child) in &mut self.children {
            child.mine(&format!("{place}/{name}"));
        }
        for (_, child) in &mut self.templates {
            child.mine(&format!("{place}/*"));
        }
    }

    fn has(&self, path: &[String]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return self.ends;
        };
        let literal = self
            .children
            .get(first)
            .is_some_and(|child| child.has(rest));
        let mut templates = self.templates.iter();
        literal || templates.any(|(template, child)| template.matches(first) && child.has(rest))
    }
}

/// Ids of processes and threads are taken out, as are those of containers.
fn reduced(path: &str) -> Vec<String> {
    let mut before = "";
    let mut out = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let number = part.bytes().all(|byte| byte.is_ascii_digit());
        let container = part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = number && matches!(before, "proc" | "task") || container;
        out.push(if id { "*" } else { part }.to_owned());
        before = part;
    }
    out
}

fn place(act: &Act<'_>) -> String {
    format!("{} {}", act.watched.role, act.watched.class)
}

impl Reference for Mining {
    fn learn(&mut self, act: &Act<'_>) {
        let watched = act.watched;
        if watched.class.is_of_files() {
            let tree = self.trees.entry(place(act)).or_default();
            tree.insert(&reduced(&watched.exact));
        } else {
            let known = self.known.entry(place(act)).or_default();
            known.insert(watched.exact.clone());
        }
    }

    fn close(&mut self) {
        for tree in self.trees.values_mut() {
            tree.mine("");
        }
    }

    fn knows(&self, act: &Act<'_>) -> Option<bool> {
        let watched = act.watched;
        if watched.class == Class::Arguments {
            return None;
        }
        if watched.class.is_of_files() {
            let tree = self.trees.get(&place(act));
            return Some(tree.is_some_and(|tree| tree.has(&reduced(&watched.exact))));
        }
        let known = self.known.get(&place(act));
        Some(known.is_some_and(|known| known.contains(&watched.exact)))
    }

    fn alert(&self, act: &Act<'_>) -> String {
        format!("{} {}", place(act), act.watched.exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        reduced(text)
    }

    #[test]
    fn siblings_of_one_form_become_a_template_that_keeps_what_they_share() {
        let mut tree = Tree::default();
        for n in 0..=FAN_OUT {
            tree.insert(&path(&format!("/data/report-{n}.csv")));
        }
        tree.mine("");
        assert!(tree.has(&path("/data/report-9999.csv")));
        assert!(!tree.has(&path("/data/other-1.csv")));
        assert!(!tree.has(&path("/data/report-x.csv")));
    }

    #[test]
    fn names_without_anything_in_common_stay_unless_all_are_of_one_form_with_numbers() {
        let mut tree = Tree::default();
        for n in 0..=FAN_OUT {
            tree.insert(&path(&format!("/base/{n}")));
            tree.insert(&path(&format!("/mixed/{n}")));
        }
        tree.insert(&path("/mixed/word"));
        tree.mine("");
        assert!(tree.has(&path("/base/77")));
        assert!(!tree.has(&path("/mixed/77")));
    }
}
