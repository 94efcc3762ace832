//! Paths that share their directories, with three values of one shape under a parent made one.
//!
//! # Why order does not matter
//!
//! A tree stands for the set of paths put into it. Two rules make it smaller:
//!
//! - *promote*: children of one node whose names are values of one shape become the child of that
//!   shape when there are [`PROMOTED_AT`] of them or when it is there already;
//! - *coarsen*: what lies below a node that has an `{any}` child goes into its `{any}` children.
//!
//! A rule that applies makes nodes fewer, so the rules end. They never hinder each other: a name
//! has one shape, whatever else is in the tree; a rule that applies to a node applies to every node
//! that it is merged into, which has the children of both; and below an `{any}` both orders end in
//! the same child, because the extension that chooses it is that of the shape. So by Newman's lemma
//! the end is the same whichever rule is applied first, and since the rules may as well be applied
//! to the paths all at once, it depends on the set of paths alone. Values are joined, which is
//! indifferent to order too. Hence putting in is a closure operator, and [`PathTree::merge`] is
//! commutative, associative and idempotent.
//!
//! Guarded paths take part in neither rule. Their values are nodes of their own, so a directory of
//! which a guarded path makes use can be generalised for the others.

mod coarsen;
mod exact;
mod nearest;
mod node;
mod rules;

#[cfg(test)]
mod tests;

pub use self::exact::ExactTree;
pub use self::nearest::Nearest;
use self::node::{Node, Size, chain};
use super::path::Segments;

/// So many values of one shape under one parent become that shape.
pub const PROMOTED_AT: usize = 3;

/// What is known of a path.
///
/// A join: commutative, associative, idempotent, and the default is the value of nothing, which
/// changes none that it is merged into.
pub trait Merge {
    /// Takes in what another one knows.
    fn merge(&mut self, other: &Self);
}

/// What a path is to a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// It fits a pattern.
    Known,
    /// It was put in.
    New,
    /// It was put in, and with what was there it made a pattern.
    Promoted,
}

/// Paths and patterns with what is known of each.
#[derive(Clone, Debug)]
pub struct PathTree<V> {
    root: Node<V>,
    size: Size,
}

impl<V> Default for PathTree<V> {
    fn default() -> Self {
        Self {
            root: Node::new(),
            size: Size::default(),
        }
    }
}

impl<V: Merge + Default> PathTree<V> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value for a path or a pattern, which is put in if it is not there. The value must only
    /// ever grow by [`Merge`].
    pub fn observe(&mut self, path: &Segments) -> (&mut V, Novelty) {
        let novelty = if self.lookup(path).is_some() {
            Novelty::Known
        } else {
            self.insert(path)
        };
        let value = self.root.find_mut(path, 0);
        (value.expect("it is there, or was put in"), novelty)
    }

    /// Whether a path that fits no pattern makes one with what is there: so many others differ from it
    /// in one value alone that with it there are [`PROMOTED_AT`] of one shape. A guarded path never
    /// does.
    pub fn completes(&self, path: &Segments) -> bool {
        path.guard().is_none() && self.root.completes(path)
    }

    /// The value of the pattern that a path fits, if types stand in it for what varies.
    pub fn lookup_shaped(&self, path: &Segments) -> Option<&V> {
        self.root.find_shaped(path)
    }

    /// The value of the pattern that a path fits.
    pub fn lookup(&self, path: &Segments) -> Option<&V> {
        self.root.find(path)
    }

    /// Takes in another tree.
    pub fn merge(&mut self, other: &Self) {
        self.size.add_all(other.size);
        self.root.join(other.root.copy(), &mut self.size);
    }

    /// Every pattern with its value, in the order of the texts.
    pub fn patterns(&self) -> impl Iterator<Item = (String, &V)> {
        self.root.patterns().into_iter()
    }

    /// Every value, in no order that means anything.
    pub fn values(&self) -> Vec<&V> {
        let mut values = Vec::new();
        self.root.values(&mut |value| values.push(value));
        values
    }

    /// Those of guarded paths alone.
    pub fn guarded_values(&self) -> Vec<&V> {
        let mut values = Vec::new();
        self.root.guarded_values(&mut |value| values.push(value));
        values
    }

    /// Lets `each` rewrite every value, as all trees that are merged with this one are rewritten.
    pub fn each_value_mut(&mut self, each: &mut impl FnMut(&mut V)) {
        self.root.values_mut(each);
    }

    /// Nodes below the root directory.
    pub fn nodes(&self) -> usize {
        self.size.nodes
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.size.bytes::<V>()
    }

    fn insert(&mut self, path: &Segments) -> Novelty {
        let nodes = self.size.nodes;
        let mut node = &mut self.root;
        let mut at = 0;
        while at < path.len() {
            let Some(next) = node.step(path, at) else {
                let (child, added) = chain(path, at, node.is_coarse());
                self.size.add_all(added);
                node.adopt(child, &mut self.size);
                let expected = nodes + added.nodes;
                return if self.size.nodes < expected {
                    Novelty::Promoted
                } else {
                    Novelty::New
                };
            };
            node = node.descend(next.child);
            at = if next.is_last { path.len() } else { at + 1 };
        }
        node.set_default(path.guard().is_some());
        Novelty::New
    }
}
