//! Paths and patterns of which each stands for what it says: nothing is generalised.

use super::Merge;
use super::nearest::Nearest;
use super::node::{Child, Node, Size, Step};
use crate::baseline::generalise::path::{AnyKey, Form, Segments, path_text};
use crate::baseline::generalise::text;

/// Paths and patterns with what is known of each, in which neither rule of
/// [`PathTree`](super::PathTree) applies.
///
/// A path is looked up by what it fits: of several patterns that of the earlier segment that is more
/// exact, a value before its shape and its shape before `{any}`. So `/srv/7` is told apart from
/// `/srv/{n}`, whatever came first.
#[derive(Clone, Debug)]
pub struct ExactTree<V> {
    /// No node of it counts as coarse or guarded: these are for the rules.
    root: Box<Node<V>>,
    size: Size,
    len: usize,
}

impl<V> Default for ExactTree<V> {
    fn default() -> Self {
        Self {
            root: Box::new(Node::new()),
            size: Size::default(),
            len: 0,
        }
    }
}

impl<V: Merge + Default> ExactTree<V> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of that very path or pattern, which is put in if it is not there.
    pub fn entry(&mut self, path: &Segments) -> &mut V {
        let mut node = &mut *self.root;
        for part in (0..path.len()).map_while(|at| path.part(at)) {
            let place = node.place(part.name, part.form == Form::Pinned);
            let place = place.unwrap_or_else(|place| {
                let child = Child {
                    key: part.name.into(),
                    form: part.form,
                    shape: match part.form {
                        Form::Value => part.shape.into(),
                        _ => Box::default(),
                    },
                    node: Box::new(Node::new()),
                };
                self.size.add(child.text());
                node.children.insert(place, child);
                place
            });
            node = node.descend(place);
        }
        if node.value.is_none() {
            self.len += 1;
        }
        node.value.get_or_insert_default()
    }

    /// The value of the pattern that a path fits.
    pub fn lookup(&self, path: &Segments) -> Option<&V> {
        find(&self.root, path, 0)
    }

    /// The same, to be changed.
    pub fn lookup_mut(&mut self, path: &Segments) -> Option<&mut V> {
        find_mut(&mut self.root, path, 0)
    }

    /// The text of the pattern that a path fits.
    pub fn pattern(&self, path: &Segments) -> Option<String> {
        let mut joined = Vec::new();
        let (mut node, mut at) = (&*self.root, 0);
        while at < path.len() {
            let step = way(node, path, at)?;
            let child = &node.children[step.child];
            child.append_to(&mut joined);
            (node, at) = (&child.node, after(step, path, at));
        }
        node.value.as_ref()?;
        Some(text::string(path_text(&joined)))
    }

    /// Takes out that very path or pattern.
    pub fn remove(&mut self, path: &Segments) -> Option<V> {
        let removed = remove(&mut self.root, path, 0, &mut self.size)?;
        self.len -= 1;
        Some(removed)
    }

    /// Takes in another tree.
    pub fn merge(&mut self, other: &Self) {
        join(&mut self.root, &other.root, &mut self.size, &mut self.len);
    }

    /// The known pattern that a path is most like; see [`PathTree::nearest`](super::PathTree::nearest).
    pub fn nearest(&self, path: &Segments) -> Option<Nearest> {
        self.root.nearest(path)
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

    /// Lets `each` rewrite every value, as all trees that are merged with this one are rewritten.
    pub fn each_value_mut(&mut self, each: &mut impl FnMut(&mut V)) {
        self.root.values_mut(each);
    }

    /// How many paths and patterns there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// About how many bytes of memory its nodes take.
    pub fn bytes(&self) -> usize {
        self.size.bytes::<V>()
    }
}

/// Where a path may go on, the most exact first.
fn steps<V>(node: &Node<V>, path: &Segments, at: usize) -> [Option<Step>; 3] {
    let Some(part) = path.part(at) else {
        return [None; 3];
    };
    let found = |place: Result<usize, usize>, is_last| {
        let child = place.ok()?;
        Some(Step { child, is_last })
    };
    let shape = (part.form == Form::Value)
        .then(|| node.place(part.shape, false))
        .and_then(|place| found(place, false));
    // As in the other tree, what is guarded has to be named.
    let last = path.part(path.len() - 1);
    let any = last
        .filter(|_| path.guard().is_none())
        .and_then(|last| found(node.place(AnyKey::of(last.general()).text(), false), true));
    let pinned = part.form == Form::Pinned;
    [found(node.place(part.name, pinned), false), shape, any]
}

fn after(step: Step, path: &Segments, at: usize) -> usize {
    if step.is_last { path.len() } else { at + 1 }
}

/// The first step that leads to a value.
fn way<V>(node: &Node<V>, path: &Segments, at: usize) -> Option<Step> {
    let steps = steps(node, path, at).into_iter().flatten();
    let mut leading = steps.filter(|step| {
        find(
            &node.children[step.child].node,
            path,
            after(*step, path, at),
        )
        .is_some()
    });
    leading.next()
}

fn find<'a, V>(node: &'a Node<V>, path: &Segments, at: usize) -> Option<&'a V> {
    if at >= path.len() {
        return node.value.as_ref();
    }
    let mut steps = steps(node, path, at).into_iter().flatten();
    steps.find_map(|step| find(&node.children[step.child].node, path, after(step, path, at)))
}

fn find_mut<'a, V>(node: &'a mut Node<V>, path: &Segments, at: usize) -> Option<&'a mut V> {
    if at >= path.len() {
        return node.value.as_mut();
    }
    let step = way(node, path, at)?;
    find_mut(node.descend(step.child), path, after(step, path, at))
}

fn remove<V>(node: &mut Node<V>, path: &Segments, at: usize, size: &mut Size) -> Option<V> {
    let Some(part) = path.part(at) else {
        return node.value.take();
    };
    let place = node.place(part.name, part.form == Form::Pinned).ok()?;
    let removed = remove(node.descend(place), path, at + 1, size)?;
    let child = &node.children[place];
    if child.node.value.is_none() && child.node.children.is_empty() {
        size.remove(child.text());
        node.children.remove(place);
    }
    Some(removed)
}

fn join<V: Merge + Default>(node: &mut Node<V>, other: &Node<V>, size: &mut Size, len: &mut usize) {
    if let Some(value) = &other.value {
        if node.value.is_none() {
            *len += 1;
        }
        node.value.get_or_insert_default().merge(value);
    }
    for child in &other.children {
        let place = node.place(&child.key, child.form == Form::Pinned);
        let place = place.unwrap_or_else(|place| {
            size.add(child.text());
            let empty = Child {
                key: child.key.clone(),
                form: child.form,
                shape: child.shape.clone(),
                node: Box::new(Node::new()),
            };
            node.children.insert(place, empty);
            place
        });
        join(node.descend(place), &child.node, size, len);
    }
}
