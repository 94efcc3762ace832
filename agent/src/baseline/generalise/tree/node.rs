//! Nodes, and how a path is found among them.

use super::PROMOTED_AT;
use crate::baseline::generalise::path::{AnyKey, Form, Part, RELATIVE, Segments, path_text};
use crate::baseline::generalise::text;

/// A directory or a file.
#[derive(Clone, Debug)]
pub(super) struct Node<V> {
    pub(super) value: Option<V>,
    /// The value is that of a path that is never generalised.
    pub(super) guarded: bool,
    /// One of the children is an `{any}`.
    pub(super) coarse: bool,
    /// By key.
    pub(super) children: Vec<Child<V>>,
}

/// A node with its name.
#[derive(Clone, Debug)]
pub(super) struct Child<V> {
    pub(super) key: Box<[u8]>,
    pub(super) form: Form,
    /// What the key is a value of, if it is one.
    pub(super) shape: Box<[u8]>,
    pub(super) node: Box<Node<V>>,
}

/// What a tree takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) nodes: usize,
    pub(super) text: usize,
}

impl Size {
    pub(super) fn add_all(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.text += other.text;
    }

    pub(super) fn add(&mut self, text: usize) {
        self.nodes += 1;
        self.text += text;
    }

    pub(super) fn remove(&mut self, text: usize) {
        self.nodes -= 1;
        self.text -= text;
    }

    pub(super) fn bytes<V>(self) -> usize {
        /// What an allocator adds to each of the three pieces of a node, about.
        const OVERHEAD: usize = 3 * 8;
        self.nodes * (size_of::<Child<V>>() + size_of::<Node<V>>() + OVERHEAD) + self.text
    }
}

/// Where a path goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The child's place.
    pub(super) child: usize,
    /// The rest of the path is in that child.
    pub(super) is_last: bool,
}

impl<V> Child<V> {
    /// The bytes of its texts.
    pub(super) fn text(&self) -> usize {
        self.key.len() + self.shape.len()
    }

    /// The most general text of its name.
    pub(super) fn general(&self) -> &[u8] {
        match self.form {
            Form::Value => &self.shape,
            _ => &self.key,
        }
    }
}

impl<V> Node<V> {
    pub(super) const fn new() -> Self {
        Self {
            value: None,
            guarded: false,
            coarse: false,
            children: Vec::new(),
        }
    }

    pub(super) fn is_coarse(&self) -> bool {
        self.coarse
    }

    pub(super) fn descend(&mut self, child: usize) -> &mut Self {
        &mut self.children[child].node
    }

    /// Where the segment of a path is found.
    pub(super) fn step(&self, path: &Segments, at: usize) -> Option<Step> {
        let part = path.part(at)?;
        if self.coarse && path.guard().is_none() {
            let any = AnyKey::of(path.part(path.len() - 1)?.general());
            let child = self.place(any.text(), false).ok()?;
            return Some(Step {
                child,
                is_last: true,
            });
        }
        let shaped = match part.form {
            Form::Value => self.place(part.shape, false).ok(),
            _ => None,
        };
        let pinned = part.form == Form::Pinned;
        let child = shaped.or_else(|| self.place(part.name, pinned).ok())?;
        Some(Step {
            child,
            is_last: false,
        })
    }

    pub(super) fn find(&self, path: &Segments) -> Option<&V> {
        self.find_from(path, 0)
    }

    /// The value of the rest of a path.
    fn find_from(&self, path: &Segments, mut at: usize) -> Option<&V> {
        let mut node = self;
        while at < path.len() {
            let step = node.step(path, at)?;
            node = &node.children[step.child].node;
            at = if step.is_last { path.len() } else { at + 1 };
        }
        node.value.as_ref()
    }

    /// See [`PathTree::lookup_shaped`](super::PathTree::lookup_shaped).
    pub(super) fn find_shaped(&self, path: &Segments) -> Option<&V> {
        let mut node = self;
        let mut shaped = false;
        for at in 0..path.len() {
            let step = node.step(path, at)?;
            if step.is_last {
                return None;
            }
            let child = &node.children[step.child];
            shaped |= child.form == Form::Shape;
            node = &child.node;
        }
        node.value.as_ref().filter(|_| shaped)
    }

    /// See [`PathTree::completes`](super::PathTree::completes).
    pub(super) fn completes(&self, path: &Segments) -> bool {
        let mut node = self;
        let mut at = 0;
        while let Some(step) = node.step(path, at) {
            node = &node.children[step.child].node;
            if step.is_last {
                return false;
            }
            at += 1;
        }
        let Some(part) = path.part(at).filter(|part| part.form == Form::Value) else {
            return false;
        };
        let alike = node.children.iter().filter(|child| {
            child.form == Form::Value
                && *child.shape == *part.shape
                && child.node.find_from(path, at + 1).is_some()
        });
        alike.count() + 1 >= PROMOTED_AT
    }

    pub(super) fn find_mut(&mut self, path: &Segments, at: usize) -> Option<&mut V> {
        if at >= path.len() {
            return self.value.as_mut();
        }
        let step = self.step(path, at)?;
        let next = if step.is_last { path.len() } else { at + 1 };
        self.descend(step.child).find_mut(path, next)
    }

    /// Calls `each` with every value.
    pub(super) fn values<'a>(&'a self, each: &mut impl FnMut(&'a V)) {
        self.value.iter().for_each(&mut *each);
        for child in &self.children {
            child.node.values(each);
        }
    }

    /// Calls `each` with every value of a guarded path.
    pub(super) fn guarded_values<'a>(&'a self, each: &mut impl FnMut(&'a V)) {
        self.value
            .iter()
            .filter(|_| self.guarded)
            .for_each(&mut *each);
        for child in &self.children {
            child.node.guarded_values(each);
        }
    }

    /// Lets `each` change every value.
    pub(super) fn values_mut(&mut self, each: &mut impl FnMut(&mut V)) {
        self.value.iter_mut().for_each(&mut *each);
        for child in &mut self.children {
            child.node.values_mut(each);
        }
    }

    pub(super) fn place(&self, key: &[u8], pinned: bool) -> Result<usize, usize> {
        self.children
            .binary_search_by(|child| (&*child.key, child.form == Form::Pinned).cmp(&(key, pinned)))
    }

    /// Every pattern with its value, in the order of the texts.
    pub(super) fn patterns(&self) -> Vec<(String, &V)> {
        let mut found = Vec::new();
        self.visit(&mut Vec::new(), &mut |path, value| {
            found.push((text::string(path_text(path)), value));
        });
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found
    }

    /// Calls `each` with the text and the value of every pattern.
    fn visit<'a>(&'a self, path: &mut Vec<u8>, each: &mut impl FnMut(&[u8], &'a V)) {
        if let Some(value) = &self.value {
            each(path, value);
        }
        for child in &self.children {
            let length = path.len();
            child.append_to(path);
            child.node.visit(path, each);
            path.truncate(length);
        }
    }
}

impl<V> Child<V> {
    /// Appends its name to the path of its parent. What is not below the root directory has no
    /// slash in front.
    pub(super) fn append_to(&self, joined: &mut Vec<u8>) {
        if !joined.is_empty() || *self.key != *RELATIVE {
            joined.push(b'/');
        }
        joined.extend_from_slice(&self.key);
    }
}

/// A path from one of its segments on, below a node that may be coarse, with the default value.
pub(super) fn chain<V: Default>(path: &Segments, from: usize, coarse: bool) -> (Child<V>, Size) {
    let mut size = Size::default();
    let mut node = Node::new();
    node.value = Some(V::default());
    node.guarded = path.guard().is_some();
    let mut link = |part: Part<'_>, node: Node<V>| {
        let shape = match part.form {
            Form::Value => part.shape,
            _ => &[],
        };
        size.add(part.name.len() + shape.len());
        Child {
            key: part.name.into(),
            form: part.form,
            shape: shape.into(),
            node: Box::new(node),
        }
    };
    let last = path.len() - 1;
    let part = |at| path.part(at).expect("it has so many segments");
    if coarse && !node.guarded {
        let any = AnyKey::of(part(last).general());
        let part = Part {
            name: any.text(),
            shape: &[],
            form: Form::Any,
        };
        return (link(part, node), size);
    }
    let mut child = link(part(last), node);
    for at in (from..last).rev() {
        let mut parent = Node::new();
        parent.coarse = child.form == Form::Any;
        parent.children.push(child);
        child = link(part(at), parent);
    }
    (child, size)
}
