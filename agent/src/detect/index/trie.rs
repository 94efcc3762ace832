//! Keys of which every one that a sequence of bytes begins with is found in one walk.

use std::collections::BTreeMap;

/// A trie under construction.
#[derive(Debug)]
pub(super) struct TrieBuilder {
    nodes: Vec<(BTreeMap<u8, usize>, Vec<u32>)>,
}

impl TrieBuilder {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Default::default()],
        }
    }

    /// Enters a key with what it stands for.
    pub(super) fn add(&mut self, key: impl Iterator<Item = u8>, value: u32) {
        let mut at = 0;
        for byte in key {
            let next = self.nodes.len();
            let node = *self.nodes[at].0.entry(byte).or_insert(next);
            if node == next {
                self.nodes.push(Default::default());
            }
            at = node;
        }
        self.nodes[at].1.push(value);
    }

    pub(super) fn finish(self) -> Trie {
        let mut trie = Trie::default();
        for (edges, values) in self.nodes {
            trie.nodes.push(Node {
                edges: trie.labels.len() as u32,
                values: trie.values.len() as u32,
            });
            for (label, target) in edges {
                trie.labels.push(label);
                trie.targets.push(target as u32);
            }
            trie.values.extend(values);
        }
        trie.nodes.push(Node {
            edges: trie.labels.len() as u32,
            values: trie.values.len() as u32,
        });
        trie
    }
}

/// A trie that does not change any more: its parts lie next to each other.
#[derive(Debug, Default)]
pub(super) struct Trie {
    /// One more than there are: each ends where the next begins.
    nodes: Vec<Node>,
    labels: Vec<u8>,
    targets: Vec<u32>,
    values: Vec<u32>,
}

/// Where the edges and values of a node begin.
#[derive(Debug)]
struct Node {
    edges: u32,
    values: u32,
}

impl Trie {
    /// There is no key.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Calls `found` for each key that the bytes begin with: its length, and what it stands for.
    pub(super) fn walk(
        &self,
        bytes: impl Iterator<Item = u8>,
        mut found: impl FnMut(usize, &[u32]),
    ) {
        let (mut at, mut depth) = (0, 0);
        let mut bytes = bytes;
        loop {
            let (node, next) = (&self.nodes[at], &self.nodes[at + 1]);
            if node.values < next.values {
                found(
                    depth,
                    &self.values[node.values as usize..next.values as usize],
                );
            }
            let Some(byte) = bytes.next() else { return };
            let edges = node.edges as usize..next.edges as usize;
            let Some(edge) = memchr::memchr(byte, &self.labels[edges.clone()]) else {
                return;
            };
            at = self.targets[edges.start + edge] as usize;
            depth += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_that_the_bytes_begin_with_is_found(
            keys in prop::collection::vec("[ab]{0,5}", 0..12),
            bytes in "[abc]{0,8}",
        ) {
            let mut builder = TrieBuilder::new();
            for (key, value) in keys.iter().zip(0..) {
                builder.add(key.bytes(), value);
            }
            let mut found = Vec::new();
            builder.finish().walk(bytes.bytes(), |length, values| {
                for value in values {
                    found.push(*value);
                    assert_eq!(keys[*value as usize].len(), length);
                }
            });
            found.sort_unstable();
            let expected: Vec<u32> = (0..keys.len() as u32)
                .filter(|value| bytes.starts_with(&keys[*value as usize]))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
