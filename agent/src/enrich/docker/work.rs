//! Which containers are to be inspected, each once at a time.

use std::collections::{HashMap, VecDeque};

/// Containers queued or under way at most; beyond, the engine's events wait in their socket.
const MAX_OPEN: usize = 16_384;

/// The list of inspects to do.
#[derive(Debug, Default)]
pub(super) struct Work {
    queue: VecDeque<String>,
    state: HashMap<String, State>,
    under_way: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    UnderWay,
    /// Under way, and something changed since it began: the answer may be old.
    Outdated,
}

impl Work {
    /// There is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.state.len() < MAX_OPEN
    }

    /// A container is new or has changed.
    pub(super) fn changed(&mut self, id: &str) {
        match self.state.get_mut(id) {
            Some(State::Queued | State::Outdated) => {}
            Some(state) => *state = State::Outdated,
            None => {
                self.state.insert(id.to_owned(), State::Queued);
                self.queue.push_back(id.to_owned());
            }
        }
    }

    /// Someone wants to know a container; an inspect under way will do.
    pub(super) fn wanted(&mut self, id: &str) {
        if !self.state.contains_key(id) {
            self.changed(id);
        }
    }

    /// The next container to inspect, unless `limit` are under way.
    pub(super) fn next(&mut self, limit: usize) -> Option<String> {
        if self.under_way >= limit {
            return None;
        }
        let id = self.queue.pop_front()?;
        self.state.insert(id.clone(), State::UnderWay);
        self.under_way += 1;
        Some(id)
    }

    /// An inspect ended; a container that changed meanwhile is queued again.
    pub(super) fn done(&mut self, id: &str) {
        self.under_way = self.under_way.saturating_sub(1);
        if self.state.remove(id) == Some(State::Outdated) {
            self.changed(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_is_inspected_once_at_a_time() {
        let mut work = Work::default();
        work.changed("a");
        work.changed("a");
        work.wanted("a");
        work.changed("b");
        assert_eq!(work.next(1).as_deref(), Some("a"));
        assert_eq!(work.next(1), None, "limit");
        work.wanted("a");
        work.done("a");
        assert_eq!(work.next(1).as_deref(), Some("b"), "a is answered");
        assert_eq!(work.next(2), None);
    }

    #[test]
    fn a_change_during_an_inspect_asks_again() {
        let mut work = Work::default();
        work.changed("a");
        assert_eq!(work.next(8).as_deref(), Some("a"));
        work.changed("a");
        work.changed("a");
        assert_eq!(work.next(8), None, "not twice at once");
        work.done("a");
        assert_eq!(work.next(8).as_deref(), Some("a"));
        work.done("a");
        assert_eq!(work.next(8), None);
        assert!(work.state.is_empty());
    }
}
