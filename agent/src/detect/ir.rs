//! What a condition is compiled to: a tree over typed comparisons that are shared by all rules.

use std::collections::HashSet;

use super::catalogue::{FieldArg, FieldId};
use super::event_types::EventTypes;
use super::falco::ast::{ListOperator, Order, TextOperator};
use super::falco::source::Place;
use super::fields::proc::Proc;
use super::getopt::Wanted;
use super::glob::Glob;
use super::net::Network;
use super::value::OwnedScalar;

/// Position of a leaf in its set.
pub(crate) type LeafId = u32;

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    /// Exactly one child holds.
    One(Box<[Node]>),
    Leaf(Term),
}

impl Node {
    /// Some comparison reads an environment.
    pub(crate) fn is_secret(&self, leaves: &[Leaf]) -> bool {
        match self {
            Self::Leaf(term) => leaves[term.leaf as usize].is_secret(),
            Self::Not(child) => child.is_secret(leaves),
            Self::And(children) | Self::Or(children) | Self::One(children) => {
                children.iter().any(|child| child.is_secret(leaves))
            }
        }
    }
}

/// A comparison where it was written: equal ones of different places are one leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) leaf: LeafId,
    pub(crate) written: WrittenId,
}

/// Position of a place in its set.
pub(crate) type WrittenId = u32;

/// Where a comparison was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Written {
    pub(crate) place: Place,
    /// Macros that lead to it, that of the rule's own condition first.
    pub(crate) macros: Box<[Box<str>]>,
}

/// An exception of a rule: the condition holds only where none of its alternatives does.
#[derive(Clone, Debug)]
pub(crate) struct Exception {
    pub(crate) name: String,
    pub(crate) alternatives: Box<[Node]>,
}

/// One comparison.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) left: Source,
    pub(crate) test: Test,
    /// All of several values must pass, not just one.
    pub(crate) all: bool,
    /// How it is shown to people.
    pub(crate) shown: Shown,
}

impl Leaf {
    fn is_secret(&self) -> bool {
        let right = matches!(&self.test, Test::Dynamic(_, right) if right.is_secret());
        right || self.left.is_secret()
    }
}

/// A comparison as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shown {
    pub(crate) field: String,
    pub(crate) operator: String,
    pub(crate) operand: String,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Field {
        id: FieldId,
        argument: Option<FieldArg>,
    },
    Constant(OwnedScalar),
    Transform(Transform, Box<Source>),
    Join {
        separator: Box<[u8]>,
        parts: Box<[Source]>,
    },
    /// The options among a program's arguments.
    Options(Box<OptionSource>),
    /// A field that is known and cannot be read: always missing. In output templates only.
    Absent,
}

impl Source {
    /// It reads an environment, which can hold passwords and keys.
    pub(crate) fn is_secret(&self) -> bool {
        match self {
            Self::Field { id, .. } => {
                matches!(id, FieldId::Proc(Proc::Env | Proc::Aenv))
            }
            Self::Constant(_) | Self::Absent => false,
            Self::Transform(_, inner) => inner.is_secret(),
            Self::Join { parts, .. } => parts.iter().any(Self::is_secret),
            Self::Options(options) => {
                options.letters.is_secret()
                    || match &options.words {
                        Words::Arguments => false,
                        Words::Each(words) => words.iter().any(Self::is_secret),
                    }
            }
        }
    }
}

/// What `getopt()` reads.
#[derive(Clone, Debug)]
pub(crate) struct OptionSource {
    pub(crate) words: Words,
    /// The letters that are options.
    pub(crate) letters: Source,
    pub(crate) wanted: Wanted,
}

/// Words in a row.
#[derive(Clone, Debug)]
pub(crate) enum Words {
    /// The process's arguments.
    Arguments,
    /// Each from a source of its own.
    Each(Box<[Source]>),
}

/// A function of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transform {
    ToLower,
    ToUpper,
    DecodeBase64,
    Basename,
    Len,
    /// A part of a moment that is given in nanoseconds since 1970.
    Part(TimePart),
}

/// A part of a date and time, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimePart {
    Minute,
    Hour,
    /// Of the month, from 1.
    Day,
    /// Of the year as ISO 8601 counts them.
    Week,
    Month,
    Year,
}

/// What a value must satisfy.
#[derive(Debug)]
pub(crate) enum Test {
    Exists,
    /// Membership of an empty list: false whatever the value, so the left side is not read and
    /// need not be known.
    Never,
    /// The event's type is in the set; the left side is not read.
    EventType(EventTypes),
    Number(Order, i64),
    NumberIn(Box<[i64]>),
    NumberNot(i64),
    Bool(bool),
    Address(Box<[Network]>),
    AddressNot(Network),
    Equal(Box<[u8]>),
    NotEqual(Box<[u8]>),
    TextIn(HashSet<Box<[u8]>>),
    Prefix(Box<[u8]>),
    Suffix(Box<[u8]>),
    Contains(Box<memchr::memmem::Finder<'static>>),
    /// The needle is in lower case, as are those of the three below.
    ContainsFolded(Box<[u8]>),
    EqualFolded(Box<[u8]>),
    PrefixFolded(Box<[u8]>),
    SuffixFolded(Box<[u8]>),
    Glob(Glob<Box<[u8]>>),
    GlobFolded(Glob<Box<[u8]>>),
    Regex(Box<regex::bytes::Regex>),
    PathPrefix(PathPrefixes),
    /// The right side is read from the event too.
    Dynamic(Comparison, Source),
}

/// A comparison of two values of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Order(Order),
    Text(TextOperator),
    List(ListOperator),
}

/// Files and directories: a path is in the set when it is one of them or below one.
#[derive(Debug, Default)]
pub(crate) struct PathPrefixes {
    plain: HashSet<Box<[u8]>>,
    /// Prefixes with wildcards, matched component by component.
    patterns: Vec<Glob<Box<[u8]>>>,
}

impl PathPrefixes {
    pub(crate) fn new<'a>(prefixes: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut set = Self::default();
        for prefix in prefixes {
            let end = prefix
                .iter()
                .rposition(|&byte| byte != b'/')
                .map_or(0, |last| last + 1);
            let prefix: Box<[u8]> = prefix[..end].into();
            if prefix.iter().any(|byte| b"*?[".contains(byte)) {
                set.patterns.push(Glob::new(prefix));
            } else {
                set.plain.insert(prefix);
            }
        }
        set
    }

    /// The prefixes; `None` when some have wildcards.
    pub(crate) fn plain(&self) -> Option<impl Iterator<Item = &[u8]>> {
        self.patterns.is_empty().then_some(self.literals())
    }

    /// The prefixes without wildcards.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &[u8]> {
        self.plain.iter().map(|prefix| &**prefix)
    }

    /// The prefixes with wildcards.
    pub(crate) fn patterns(&self) -> &[Glob<Box<[u8]>>] {
        &self.patterns
    }

    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        let mut end = 0;
        loop {
            let prefix = &path[..end];
            let depth = depth(prefix);
            if self.plain.contains(prefix)
                || self
                    .patterns
                    .iter()
                    .any(|pattern| pattern.depth() == depth && pattern.matches(prefix))
            {
                return true;
            }
            if end >= path.len() {
                return false;
            }
            end = memchr::memchr(b'/', &path[end + 1..])
                .map_or(path.len(), |offset| end + 1 + offset);
        }
    }
}

fn depth(path: &[u8]) -> usize {
    path.iter().filter(|&&byte| byte == b'/').count()
}

impl Glob<Box<[u8]>> {
    /// Slashes in the pattern: a wildcard of a path prefix stays within its component.
    fn depth(&self) -> usize {
        depth(self.pattern())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_prefixes_end_at_components() {
        let set =
            PathPrefixes::new([b"/tmp/hello".as_slice(), b"/etc/", b"/home/*/.ssh"].into_iter());
        for (path, expected) in [
            ("/tmp/hello", true),
            ("/tmp/hello/world", true),
            ("/tmp/hello_world", false),
            ("/etc", true),
            ("/etc/shadow", true),
            ("/etcetera", false),
            ("/home/a/.ssh/id_rsa", true),
            ("/home/a/b/.ssh/id_rsa", false),
            ("", false),
        ] {
            assert_eq!(set.matches(path.as_bytes()), expected, "{path}");
        }
        let root = PathPrefixes::new([b"/".as_slice()].into_iter());
        assert!(root.matches(b"/anything"));
    }
}
