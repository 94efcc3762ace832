//! Descriptions of containers, kept by id.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::{ContainerMetadata, Runtime};

/// Metadata that is there before the cgroup is: Docker announces a container before its first
/// process, and a stopped container may be started again. Bounded; when full the oldest entry
/// goes, and its container is asked for again should it start.
#[derive(Debug)]
pub(super) struct MetadataCache {
    capacity: usize,
    by_id: HashMap<String, (Runtime, Arc<ContainerMetadata>)>,
    oldest_first: VecDeque<String>,
}

impl MetadataCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            by_id: HashMap::new(),
            oldest_first: VecDeque::new(),
        }
    }

    pub(super) fn insert(&mut self, id: &str, runtime: Runtime, metadata: Arc<ContainerMetadata>) {
        if let Some(known) = self.by_id.get_mut(id) {
            *known = (runtime, metadata);
            return;
        }
        while self.by_id.len() >= self.capacity {
            match self.oldest_first.pop_front() {
                Some(oldest) => self.by_id.remove(&oldest),
                None => break,
            };
        }
        self.by_id.insert(id.to_owned(), (runtime, metadata));
        self.oldest_first.push_back(id.to_owned());
    }

    pub(super) fn get(&self, id: &str) -> Option<(Runtime, Arc<ContainerMetadata>)> {
        self.by_id.get(id).cloned()
    }

    pub(super) fn remove(&mut self, id: &str) {
        if self.by_id.remove(id).is_some() {
            self.oldest_first.retain(|kept| kept != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Arc<ContainerMetadata> {
        Arc::new(ContainerMetadata {
            name: name.to_owned(),
            ..ContainerMetadata::default()
        })
    }

    #[test]
    fn the_oldest_goes_first_and_a_removed_one_leaves_room() {
        let mut cache = MetadataCache::new(2);
        cache.insert("a", Runtime::Docker, named("a"));
        cache.insert("b", Runtime::Docker, named("b"));
        cache.insert("a", Runtime::Docker, named("renamed"));
        cache.insert("c", Runtime::Docker, named("c"));
        assert_eq!(cache.get("a"), None);
        assert_eq!(cache.get("b").unwrap().1.name, "b");
        cache.remove("b");
        cache.insert("d", Runtime::Docker, named("d"));
        assert!(cache.get("c").is_some() && cache.get("d").is_some());
        assert_eq!(cache.oldest_first.len(), 2);
    }
}
