//! Putting nodes together, and the rules that make them fewer.

use super::node::{Child, Node, Size};
use super::{Merge, PROMOTED_AT};
use crate::baseline::generalise::path::Form;

impl<V: Merge + Default> Node<V> {
    pub(super) fn set_default(&mut self, guarded: bool) {
        self.value.get_or_insert_default();
        self.guarded |= guarded;
    }

    /// Another one with the same patterns and values.
    pub(super) fn copy(&self) -> Self {
        let copy = |value: &V| {
            let mut copy = V::default();
            copy.merge(value);
            copy
        };
        Self {
            value: self.value.as_ref().map(copy),
            guarded: self.guarded,
            coarse: self.coarse,
            children: self
                .children
                .iter()
                .map(|child| Child {
                    key: child.key.clone(),
                    form: child.form,
                    shape: child.shape.clone(),
                    node: Box::new(child.node.copy()),
                })
                .collect(),
        }
    }

    /// Takes in another node, whose children `size` counts already.
    pub(super) fn join(&mut self, other: Self, size: &mut Size) {
        if let Some(value) = other.value {
            self.take_value(value);
        }
        self.guarded |= other.guarded;
        for child in other.children {
            self.adopt(child, size);
        }
    }

    pub(super) fn take_value(&mut self, value: V) {
        match &mut self.value {
            Some(own) => own.merge(&value),
            None => self.value = Some(value),
        }
    }

    /// Takes in a child, which `size` counts already, and applies the rules.
    pub(super) fn adopt(&mut self, child: Child<V>, size: &mut Size) {
        match child.form {
            Form::Any => {
                if !self.coarse {
                    self.coarsen(size);
                    self.coarse = true;
                }
                self.put(child, size);
            }
            _ if self.coarse => self.absorb(child, size),
            Form::Value => {
                if let Ok(place) = self.place(&child.shape, false) {
                    size.remove(child.text());
                    self.children[place].node.join(*child.node, size);
                    return;
                }
                let shape = child.shape.clone();
                if self.put(child, size) {
                    let values = self
                        .children
                        .iter()
                        .filter(|child| child.is_value_of(&shape));
                    if values.count() >= PROMOTED_AT {
                        self.promote(shape, size);
                    }
                }
            }
            Form::Shape => {
                let shape = child.key.clone();
                if self.put(child, size) {
                    self.promote(shape, size);
                }
            }
            Form::Fixed | Form::Pinned => {
                self.put(child, size);
            }
        }
    }

    /// Joins a child with the one of its name, or puts it there; tells whether it is new.
    pub(super) fn put(&mut self, child: Child<V>, size: &mut Size) -> bool {
        match self.place(&child.key, child.form == Form::Pinned) {
            Ok(place) => {
                size.remove(child.text());
                self.children[place].node.join(*child.node, size);
                false
            }
            Err(place) => {
                self.children.insert(place, child);
                true
            }
        }
    }

    /// Makes all values of a shape the child of that shape.
    fn promote(&mut self, shape: Box<[u8]>, size: &mut Size) {
        let values: Vec<_> = self
            .children
            .extract_if(.., |child| child.is_value_of(&shape))
            .collect();
        let place = match self.place(&shape, false) {
            Ok(place) => place,
            Err(place) => {
                size.add(shape.len());
                let child = Child {
                    key: shape,
                    form: Form::Shape,
                    shape: Box::default(),
                    node: Box::new(Self::new()),
                };
                self.children.insert(place, child);
                place
            }
        };
        let node = &mut self.children[place].node;
        for value in values {
            size.remove(value.text());
            node.join(*value.node, size);
        }
    }
}

impl<V> Child<V> {
    fn is_value_of(&self, shape: &[u8]) -> bool {
        self.form == Form::Value && *self.shape == *shape
    }
}
