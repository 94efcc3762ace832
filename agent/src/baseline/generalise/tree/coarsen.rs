//! Deep directories as `{any}`.

use super::node::{Child, Node, Size};
use super::{Merge, PathTree};
use crate::baseline::generalise::path::{AnyKey, Form};

impl<V: Merge + Default> PathTree<V> {
    /// Makes one `{any}` with each extension of all that lies below directories of that depth (the
    /// root directory has depth 0), apart from guarded paths. Tells how many nodes that saved.
    pub fn coarsen(&mut self, depth: usize) -> usize {
        let before = self.size.nodes;
        self.root.coarsen_at(depth, &mut self.size);
        // A directory with one file does not become smaller.
        before.saturating_sub(self.size.nodes)
    }
}

impl<V: Merge + Default> Node<V> {
    fn coarsen_at(&mut self, depth: usize, size: &mut Size) {
        if depth == 0 {
            self.coarsen(size);
            return;
        }
        for child in &mut self.children {
            child.node.coarsen_at(depth - 1, size);
        }
    }

    /// Moves what is not guarded below this node into `{any}` children.
    pub(super) fn coarsen(&mut self, size: &mut Size) {
        for child in std::mem::take(&mut self.children) {
            self.absorb(child, size);
        }
    }

    /// Takes in a child as far as it is guarded, and the rest of it as `{any}`.
    pub(super) fn absorb(&mut self, mut child: Child<V>, size: &mut Size) {
        let mut free = Vec::new();
        child.sift(&mut free, size);
        if child.is_bare() {
            size.remove(child.text());
        } else {
            self.put(child, size);
        }
        for (any, value) in free {
            self.coarse = true;
            let place = match self.place(any.text(), false) {
                Ok(place) => place,
                Err(place) => {
                    size.add(any.text().len());
                    let child = Child {
                        key: any.text().into(),
                        form: Form::Any,
                        shape: Box::default(),
                        node: Box::new(Self::new()),
                    };
                    self.children.insert(place, child);
                    place
                }
            };
            self.children[place].node.take_value(value);
        }
    }
}

impl<V> Child<V> {
    /// Moves every value that is not guarded out of this node and what is below, with what stands
    /// for its path.
    fn sift(&mut self, free: &mut Vec<(AnyKey, V)>, size: &mut Size) {
        if !self.node.guarded
            && let Some(value) = self.node.value.take()
        {
            free.push((AnyKey::of(self.general()), value));
        }
        self.node.coarse = false;
        self.node.children.retain_mut(|child| {
            child.sift(free, size);
            let bare = child.is_bare();
            if bare {
                size.remove(child.text());
            }
            !bare
        });
    }

    fn is_bare(&self) -> bool {
        self.node.value.is_none() && self.node.children.is_empty()
    }
}
