//! The known pattern that a new path is most like.

use super::node::{Child, Node};
use super::{Merge, PathTree};
use crate::baseline::generalise::path::{Form, Part, Segments, path_text};
use crate::baseline::generalise::text;

/// What a new path is most like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The pattern.
    pub pattern: String,
    /// Segments that the path has in common with what is known.
    pub matched: usize,
    /// The first segment that is new; `None` if the path is a directory that was only passed
    /// through.
    pub diverging: Option<String>,
}

impl<V: Merge + Default> PathTree<V> {
    /// The known pattern that a path is most like; `None` in an empty tree.
    ///
    /// It shares the longest start with the path; of those with the same, each next segment is the
    /// one that looks most like the path's.
    pub fn nearest(&self, path: &Segments) -> Option<Nearest> {
        self.root.nearest(path)
    }
}

impl<V> Node<V> {
    pub(super) fn nearest(&self, path: &Segments) -> Option<Nearest> {
        let mut node = self;
        let mut joined = Vec::new();
        let mut matched = 0;
        while matched < path.len() {
            let Some(step) = node.step(path, matched) else {
                break;
            };
            let child = &node.children[step.child];
            child.append_to(&mut joined);
            node = &child.node;
            matched = if step.is_last {
                path.len()
            } else {
                matched + 1
            };
        }
        let diverging = path.part(matched).map(|part| text::string(part.name));
        // Below a directory that the path has left, a pattern that goes on is most like it; the
        // directory itself is one when there is none.
        let mut at = matched;
        while let Some(child) = node.most_like(path.part(at)) {
            if node.value.is_some() && at >= path.len() {
                break;
            }
            child.append_to(&mut joined);
            node = &child.node;
            at += 1;
        }
        node.value.as_ref()?;
        Some(Nearest {
            pattern: text::string(path_text(&joined)),
            matched,
            diverging,
        })
    }

    /// The child that looks most like a segment, the first of several.
    fn most_like(&self, part: Option<Part<'_>>) -> Option<&Child<V>> {
        let likeness = |key: &[u8], general: &[u8]| {
            part.map_or(0, |part| {
                common(key.iter(), part.name.iter())
                    + common(general.iter().rev(), part.general().iter().rev())
            })
        };
        let mut best = None;
        for child in &self.children {
            let like = likeness(&child.key, child.general());
            // Whatever there is looks like nothing.
            let like = if child.form == Form::Any { 0 } else { like };
            if best.is_none_or(|(most, _)| like > most) {
                best = Some((like, child));
            }
        }
        best.map(|(_, child)| child)
    }
}

fn common<'a>(one: impl Iterator<Item = &'a u8>, other: impl Iterator<Item = &'a u8>) -> usize {
    one.zip(other)
        .take_while(|(one, other)| one == other)
        .count()
}
