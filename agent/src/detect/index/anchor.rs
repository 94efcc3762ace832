//! The anchor of a rule: comparisons of which one must hold.

use super::super::catalogue::{FieldId, FieldInfo, Kind, info};
use super::super::event_types::EventTypes;
use super::super::fields::evt::Evt;
use super::super::glob::Glob;
use super::super::ir::{Leaf, LeafId, Node, Source, Test};
use super::super::net::Network;

/// Comparisons of which at least one holds, or is unknown, whenever the rule matches or is undecided.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Anchor {
    /// The comparisons.
    pub(crate) leaves: Vec<LeafId>,
    /// Share of events that are expected to meet one: an estimate, good enough to compare.
    pub(crate) share: f32,
}

/// How a condition can be narrowed down.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Anchored {
    /// It holds for no event of these types.
    Never,
    /// Nothing narrows it down.
    Always,
    By(Anchor),
}

/// What is known of a condition on some event types.
enum Found {
    Constant(bool),
    Open,
    By(Anchor),
}

/// What is known of comparisons before there is an event.
pub(crate) trait View {
    /// What the comparison is for every event in view, where that is one and the same.
    fn constant(&self, leaf: &Leaf) -> Option<bool>;

    /// Expected share of events for which the comparison holds; `None` when it cannot be looked up.
    fn share(&self, leaf: &Leaf) -> Option<f32>;
}

/// The anchor of a condition on events of these types.
pub(super) fn of(condition: &Node, leaves: &[Leaf], types: EventTypes) -> Anchored {
    in_view(condition, leaves, &Types(types))
}

/// The anchor of a condition on the events in view.
pub(crate) fn in_view(condition: &Node, leaves: &[Leaf], view: &impl View) -> Anchored {
    match (Search { leaves, view }).node(condition, false) {
        Found::Constant(false) => Anchored::Never,
        Found::Constant(true) | Found::Open => Anchored::Always,
        Found::By(anchor) => Anchored::By(anchor),
    }
}

/// Events of some types.
struct Types(EventTypes);

impl View for Types {
    fn constant(&self, leaf: &Leaf) -> Option<bool> {
        constant_on(leaf, self.0)
    }

    fn share(&self, leaf: &Leaf) -> Option<f32> {
        share(leaf)
    }
}

/// What the comparison is for all events of these types.
pub(crate) fn constant_on(leaf: &Leaf, types: EventTypes) -> Option<bool> {
    match &leaf.test {
        Test::Never => return Some(false),
        Test::EventType(wanted) => {
            let met = wanted.intersection(types);
            return if met.is_empty() {
                Some(false)
            } else {
                (met == types).then_some(true)
            };
        }
        _ => {}
    }
    let Source::Field { id, .. } = &leaf.left else {
        return None;
    };
    // A field that no event of these types has is missing.
    let absent = info(*id).on.intersection(types).is_empty();
    absent.then_some(false)
}

struct Search<'a, V> {
    leaves: &'a [Leaf],
    view: &'a V,
}

impl<V: View> Search<'_, V> {
    fn node(&self, node: &Node, negated: bool) -> Found {
        match (node, negated) {
            (Node::Leaf(term), _) => self.leaf(term.leaf, negated),
            (Node::Not(child), _) => self.node(child, !negated),
            (Node::And(children), false) | (Node::Or(children), true) => {
                self.all(children, negated)
            }
            (Node::Or(children), false) | (Node::And(children), true) => {
                self.any(children, negated)
            }
            // More than one that holds is too many, so none of them is needed to make it fail.
            (Node::One(_), true) => Found::Open,
            (Node::One(children), false) => match self.any(children, false) {
                Found::Constant(true) => Found::Open,
                found => found,
            },
        }
    }

    /// All must hold: the rarest is enough.
    fn all(&self, children: &[Node], negated: bool) -> Found {
        let mut best = Found::Constant(true);
        for child in children {
            let found = self.node(child, negated);
            best = match (best, found) {
                (_, Found::Constant(false)) => return Found::Constant(false),
                (best, Found::Constant(true)) => best,
                (Found::By(best), Found::By(other)) if best.share <= other.share => Found::By(best),
                (_, Found::By(other)) => Found::By(other),
                (Found::Constant(_), Found::Open) => Found::Open,
                (best, Found::Open) => best,
            };
        }
        best
    }

    /// One must hold: each needs its own.
    fn any(&self, children: &[Node], negated: bool) -> Found {
        let mut union: Option<Anchor> = None;
        let mut is_open = false;
        for child in children {
            match self.node(child, negated) {
                Found::Constant(true) => return Found::Constant(true),
                Found::Constant(false) => {}
                Found::Open => is_open = true,
                Found::By(anchor) => {
                    let union = union.get_or_insert_with(|| Anchor {
                        leaves: Vec::new(),
                        share: 0.0,
                    });
                    union.share += anchor.share;
                    union.leaves.extend(anchor.leaves);
                }
            }
        }
        match union {
            _ if is_open => Found::Open,
            None => Found::Constant(false),
            Some(mut union) => {
                union.leaves.sort_unstable();
                union.leaves.dedup();
                Found::By(union)
            }
        }
    }

    fn leaf(&self, id: LeafId, negated: bool) -> Found {
        let leaf = &self.leaves[id as usize];
        match self.view.constant(leaf) {
            Some(truth) => return Found::Constant(truth != negated),
            None if negated => return Found::Open,
            None => {}
        }
        match self.view.share(leaf) {
            Some(share) => Found::By(Anchor {
                leaves: vec![id],
                share,
            }),
            None => Found::Open,
        }
    }
}

/// Share of texts that are expected to equal a given one.
const ONE_TEXT: f32 = 0.01;
/// The same for a value of a field that has few.
const ONE_OF_FEW: f32 = 0.4;
/// Share of texts that go on as expected, for each byte compared.
const BYTE: f32 = 0.6;

/// Expected share of events for which the comparison holds; `None` when it cannot be looked up.
fn share(leaf: &Leaf) -> Option<f32> {
    let Source::Field { id, .. } = &leaf.left else {
        return None;
    };
    let info = info(*id);
    if leaf.all || is_computed(*id) {
        return None;
    }
    let one = one_value(info);
    let share = match &leaf.test {
        Test::Equal(_) => one,
        Test::TextIn(texts) => one * texts.len() as f32,
        Test::Prefix(prefix) => of_length(prefix.len()),
        Test::Suffix(suffix) => of_length(suffix.len()),
        Test::Contains(finder) => of_length(finder.needle().len()),
        Test::EqualFolded(_) => one,
        Test::PrefixFolded(text) | Test::SuffixFolded(text) | Test::ContainsFolded(text) => {
            of_length(text.len())
        }
        Test::PathPrefix(prefixes) => {
            let mut share = 0.0;
            for prefix in prefixes.plain()? {
                share += of_length(prefix.len() + 1);
            }
            share
        }
        Test::Glob(glob) | Test::GlobFolded(glob) => of_length(glob.longest_literal()?.len()),
        Test::NumberIn(numbers) => numbers.iter().map(|number| of_number(*number)).sum(),
        Test::Bool(_) => ONE_OF_FEW,
        Test::Address(networks) => networks.iter().map(of_network).sum(),
        _ => return None,
    };
    Some(share.min(1.0))
}

/// Text that is put together for each event: to look it up costs more than it saves.
fn is_computed(id: FieldId) -> bool {
    matches!(
        id,
        FieldId::Evt(
            Evt::Args
                | Evt::Time
                | Evt::TimeS
                | Evt::TimeIso8601
                | Evt::Datetime
                | Evt::DatetimeS
                | Evt::ArgFlags
                | Evt::ArgMode
                | Evt::ArgTuple
        )
    )
}

fn one_value(info: &FieldInfo) -> f32 {
    if info.few_values && info.kind == Kind::Text {
        ONE_OF_FEW
    } else {
        ONE_TEXT
    }
}

fn of_length(bytes: usize) -> f32 {
    BYTE.powi(bytes.min(16) as i32)
}

/// Small numbers are more frequent: descriptors, results, root's id, the first pid of a container.
fn of_number(number: i64) -> f32 {
    if number.unsigned_abs() < 10 {
        0.2
    } else {
        ONE_TEXT
    }
}

fn of_network(network: &Network) -> f32 {
    match network.host_bits() {
        0..=8 => ONE_TEXT,
        9..=24 => 0.1,
        _ => 0.8,
    }
}

impl<P: AsRef<[u8]>> Glob<P> {
    /// Length of the wildcard that the pattern begins with, 0 when it is a plain byte; `None` where
    /// that is not plain to see.
    pub(in crate::detect) fn wildcard(pattern: &[u8]) -> Option<usize> {
        match pattern.first() {
            Some(b'*' | b'?') => Some(1),
            Some(b'[') => bracket(pattern),
            // It gives the next byte another meaning.
            Some(b'\\') => None,
            _ => Some(0),
        }
    }

    /// The longest run of bytes that every match contains; `None` when there is none.
    pub(super) fn longest_literal(&self) -> Option<&[u8]> {
        let pattern = self.pattern();
        let (mut longest, mut start, mut at) = (&pattern[..0], 0, 0);
        while at < pattern.len() {
            match Self::wildcard(&pattern[at..])? {
                0 => at += 1,
                length => {
                    longest = longer(longest, &pattern[start..at]);
                    at += length;
                    start = at;
                }
            }
        }
        longest = longer(longest, &pattern[start..]);
        (!longest.is_empty()).then_some(longest)
    }
}

/// Length of the bracket expression that the pattern begins with; `None` where that is not plain to
/// see.
fn bracket(pattern: &[u8]) -> Option<usize> {
    let first = if matches!(pattern.get(1), Some(b'!' | b'^')) {
        3
    } else {
        2
    };
    let end = first + memchr::memchr(b']', pattern.get(first..)?)?;
    let inner = &pattern[1..end];
    (!inner.iter().any(|byte| b"[\\".contains(byte))).then_some(end + 1)
}

fn longer<'a>(one: &'a [u8], other: &'a [u8]) -> &'a [u8] {
    if other.len() > one.len() { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_a_literal_that_all_its_matches_contain() {
        for (pattern, expected) in [
            ("/dev/sd[a-z]*", Some("/dev/sd")),
            ("/proc/[0-9]*/root/*", Some("/proc/")),
            ("*[!a-z]abc?d", Some("abc")),
            ("[]]x", Some("x")),
            ("plain", Some("plain")),
            ("*?", None),
            ("", None),
            ("a[b", None),
            ("[[:digit:]]a", None),
            ("a\\*b", None),
        ] {
            let glob = Glob::new(pattern.as_bytes());
            let found = glob.longest_literal();
            assert_eq!(found, expected.map(str::as_bytes), "{pattern}");
        }
    }
}
