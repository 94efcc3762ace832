//! Names that a path must have for a comparison to hold.

use gravlens_common::PATH_BEGIN;

use super::super::catalogue::FieldId;
use super::super::fields::evt::Evt;
use super::super::fields::fd::Fd;
use super::super::fields::paths::Fs;
use super::super::fields::sigma::Sigma;
use super::super::glob::Glob;
use super::super::ir::{Leaf, Source, Test, Transform};

/// A part of a path that the kernel looks up. Letters of either case are the same to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamePattern {
    /// The last name of the path.
    Last(Box<[u8]>),
    /// A name anywhere in it, the last one included.
    Anywhere(Box<[u8]>),
    /// What the path begins with.
    Begin([u8; PATH_BEGIN]),
}

/// Which part of an opened file's path a comparison is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Directory,
    Filename,
}

/// Expected share of paths that end with a given name.
const ONE_LAST: f32 = 0.005;
/// The same of those that have it anywhere.
const ONE_NAME: f32 = 0.02;
/// The same of a name that many paths have.
const COMMON_NAME: f32 = 0.3;

/// Names of directories below which many paths lie.
const COMMON: &[&[u8]] = &[
    b"bin", b"dev", b"etc", b"home", b"lib", b"lib64", b"local", b"opt", b"proc", b"root", b"run",
    b"sbin", b"share", b"sys", b"tmp", b"usr", b"var",
];

impl NamePattern {
    /// Expected share of paths that have it: an estimate, good enough to compare.
    fn share(&self) -> f32 {
        match self {
            Self::Last(_) => ONE_LAST,
            Self::Anywhere(name) if COMMON.contains(&&**name) => COMMON_NAME,
            Self::Anywhere(_) => ONE_NAME,
            Self::Begin(_) => COMMON_NAME,
        }
    }
}

/// Expected share of paths that have one of them.
pub(super) fn share<'a>(patterns: impl Iterator<Item = &'a NamePattern>) -> f32 {
    patterns.map(NamePattern::share).sum::<f32>().min(1.0)
}

/// Patterns of which the path of an opened file has one wherever the comparison holds; `None` when
/// there are none.
pub(super) fn of(leaf: &Leaf) -> Option<Vec<NamePattern>> {
    // All of several values, or none: no comparison of one path is such.
    if leaf.all {
        return None;
    }
    match part(&leaf.left)? {
        Part::Whole => of_path(&leaf.test),
        Part::Directory => of_directory(&leaf.test),
        Part::Filename => of_filename(&leaf.test),
    }
}

/// Case does not matter, so neither does a change of it.
fn part(source: &Source) -> Option<Part> {
    match source {
        Source::Field { id, argument: None } => match id {
            FieldId::Fd(Fd::Name)
            | FieldId::Evt(Evt::ArgName | Evt::ArgCallPath)
            | FieldId::Fs(Fs::Name)
            | FieldId::Sigma(Sigma::TargetFilename | Sigma::PathName) => Some(Part::Whole),
            FieldId::Fd(Fd::Directory) => Some(Part::Directory),
            FieldId::Fd(Fd::Filename) => Some(Part::Filename),
            _ => None,
        },
        Source::Transform(Transform::ToLower | Transform::ToUpper, inner) => part(inner),
        Source::Transform(Transform::Basename, inner) => {
            (part(inner)? == Part::Whole).then_some(Part::Filename)
        }
        _ => None,
    }
}

fn of_path(test: &Test) -> Option<Vec<NamePattern>> {
    let one = |pattern: Option<NamePattern>| pattern.map(|pattern| vec![pattern]);
    match test {
        Test::Equal(text) | Test::EqualFolded(text) => one(literal(text, true, true)),
        Test::TextIn(texts) => texts.iter().map(|text| literal(text, true, true)).collect(),
        Test::Prefix(text) | Test::PrefixFolded(text) => one(literal(text, true, false)),
        Test::Suffix(text) | Test::SuffixFolded(text) => one(literal(text, false, true)),
        Test::Contains(finder) => one(literal(finder.needle(), false, false)),
        Test::ContainsFolded(text) => one(literal(text, false, false)),
        Test::Glob(glob) | Test::GlobFolded(glob) => one(of_glob(glob.pattern())),
        Test::PathPrefix(prefixes) => {
            let plain = prefixes.literals();
            let plain = plain.map(|prefix| literal(&below(prefix), true, false));
            let patterns = prefixes.patterns().iter().map(Glob::pattern);
            plain.chain(patterns.map(of_glob_below)).collect()
        }
        _ => None,
    }
}

/// The path goes on with a slash behind its directory.
fn of_directory(test: &Test) -> Option<Vec<NamePattern>> {
    let one = |pattern: Option<NamePattern>| pattern.map(|pattern| vec![pattern]);
    match test {
        Test::Equal(text) | Test::EqualFolded(text) => one(literal(&below(text), true, false)),
        Test::TextIn(texts) => {
            let texts = texts.iter();
            texts
                .map(|text| literal(&below(text), true, false))
                .collect()
        }
        Test::Prefix(text) | Test::PrefixFolded(text) => one(literal(text, true, false)),
        Test::Suffix(text) | Test::SuffixFolded(text) => one(literal(&below(text), false, false)),
        Test::Contains(finder) => one(literal(finder.needle(), false, false)),
        Test::ContainsFolded(text) => one(literal(text, false, false)),
        Test::PathPrefix(prefixes) => {
            let plain = prefixes.plain()?;
            plain
                .map(|prefix| literal(&below(prefix), true, false))
                .collect()
        }
        _ => None,
    }
}

fn of_filename(test: &Test) -> Option<Vec<NamePattern>> {
    let last = |text: &[u8]| {
        let is_name = !text.is_empty() && !text.contains(&b'/');
        is_name.then(|| NamePattern::Last(text.into()))
    };
    match test {
        Test::Equal(text) | Test::EqualFolded(text) => last(text).map(|pattern| vec![pattern]),
        Test::TextIn(texts) => texts.iter().map(|text| last(text)).collect(),
        _ => None,
    }
}

/// What stands in a path of which something lies below this one, or that is this one.
fn below(path: &[u8]) -> Vec<u8> {
    [path, b"/"].concat()
}

/// The rarest pattern of every path that contains the text: at its begin, at its end, or anywhere.
/// Names between two slashes are whole, and so is the one behind the last slash at the end.
fn literal(text: &[u8], at_begin: bool, at_end: bool) -> Option<NamePattern> {
    let names: Vec<&[u8]> = text.split(|byte| *byte == b'/').collect();
    let (last, before) = names.split_last()?;
    if at_end && !before.is_empty() && !last.is_empty() {
        return Some(NamePattern::Last((*last).into()));
    }
    let whole = before.iter().skip(1).filter(|name| !name.is_empty());
    let rarest = rarest(whole.map(|name| NamePattern::Anywhere((*name).into())));
    rarest.or_else(|| {
        let begin = text.first_chunk().filter(|_| at_begin)?;
        Some(NamePattern::Begin(*begin))
    })
}

/// The rarest one; of those that are equally rare the last.
fn rarest(patterns: impl Iterator<Item = NamePattern>) -> Option<NamePattern> {
    patterns.reduce(|best, next| {
        if next.share() <= best.share() {
            next
        } else {
            best
        }
    })
}

/// The rarest pattern of every path that matches as a whole.
fn of_glob(pattern: &[u8]) -> Option<NamePattern> {
    let runs = literals(pattern)?.into_iter();
    rarest(runs.filter_map(|run| literal(run.text, run.at_begin, run.at_end)))
}

/// The same of every path that matches, or lies below one that does.
fn of_glob_below(pattern: &[u8]) -> Option<NamePattern> {
    let runs = literals(pattern)?.into_iter();
    rarest(runs.filter_map(|run| {
        if run.at_end {
            literal(&below(run.text), run.at_begin, false)
        } else {
            literal(run.text, run.at_begin, false)
        }
    }))
}

/// A part of a pattern without wildcards.
struct Run<'a> {
    text: &'a [u8],
    at_begin: bool,
    at_end: bool,
}

/// The parts without wildcards; `None` where it is not plain to see what is one.
fn literals(pattern: &[u8]) -> Option<Vec<Run<'_>>> {
    let mut runs = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut run = |start: usize, end: usize| {
        if start < end {
            runs.push(Run {
                text: &pattern[start..end],
                at_begin: start == 0,
                at_end: end == pattern.len(),
            });
        }
    };
    while at < pattern.len() {
        match Glob::<&[u8]>::wildcard(&pattern[at..])? {
            0 => at += 1,
            length => {
                run(start, at);
                at += length;
                start = at;
            }
        }
    }
    run(start, pattern.len());
    Some(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pattern: Option<NamePattern>) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match pattern {
            None => "-".to_owned(),
            Some(NamePattern::Last(name)) => format!("last {}", text(&name)),
            Some(NamePattern::Anywhere(name)) => format!("any {}", text(&name)),
            Some(NamePattern::Begin(begin)) => format!("begin {}", text(&begin)),
        }
    }

    #[test]
    fn a_text_has_a_pattern_of_every_path_that_contains_it() {
        for (text, at_begin, at_end, expected) in [
            ("/etc/shadow", true, true, "last shadow"),
            ("/etc/", true, false, "any etc"),
            ("/etc", true, false, "begin /etc"),
            ("/et", true, false, "-"),
            ("/", true, true, "-"),
            ("", true, true, "-"),
            ("/var/log/", true, false, "any log"),
            ("/usr/local/bin/", true, false, "any bin"),
            ("/etc/ssh/ssh_host_", true, false, "any ssh"),
            ("/.ssh/", false, false, "any .ssh"),
            (".ssh/", false, false, "-"),
            ("/.aws/credentials", false, true, "last credentials"),
            (".pem", false, true, "-"),
            ("a/b", false, true, "last b"),
            ("a/b", false, false, "-"),
            ("/etc/", true, true, "any etc"),
            ("//", false, false, "-"),
        ] {
            let found = literal(text.as_bytes(), at_begin, at_end);
            assert_eq!(shown(found), expected, "{text} {at_begin} {at_end}");
        }
    }

    #[test]
    fn a_glob_has_a_pattern_of_every_path_that_matches() {
        for (pattern, whole, below) in [
            ("*/.ssh/id_*", "any .ssh", "any .ssh"),
            ("/proc/*/environ", "last environ", "any environ"),
            ("/dev/sd[a-z]*", "any dev", "any dev"),
            ("/home/*/.ssh", "last .ssh", "any .ssh"),
            ("*.pem", "-", "-"),
            ("/et[c]/x?", "-", "-"),
            ("/etc*", "begin /etc", "begin /etc"),
            ("a\\*b/c/", "-", "-"),
            ("*", "-", "-"),
        ] {
            assert_eq!(shown(of_glob(pattern.as_bytes())), whole, "{pattern}");
            assert_eq!(shown(of_glob_below(pattern.as_bytes())), below, "{pattern}");
        }
    }
}
