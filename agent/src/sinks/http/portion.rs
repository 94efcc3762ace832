//! How many records a request has.

/// After a request was refused for good each of its records goes alone: the receiver does not say
/// which it means.
#[derive(Debug)]
pub(in crate::sinks) struct Portion {
    most: usize,
    /// The next so many records go alone.
    alone: usize,
}

impl Portion {
    /// Requests have that many records, at least one.
    pub(in crate::sinks) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            alone: 0,
        }
    }

    /// Records of the next request, when so many wait.
    pub(in crate::sinks) fn next(&self, waiting: usize) -> usize {
        match self.alone {
            0 => self.most.min(waiting),
            _ => 1,
        }
    }

    /// That many records of a request are the receiver's.
    pub(in crate::sinks) fn accepted(&mut self, count: usize) {
        self.alone = self.alone.saturating_sub(count);
    }

    /// A request of that many records was refused. Whether it had one alone, which then is the one
    /// that the receiver means.
    pub(in crate::sinks) fn refused(&mut self, count: usize) -> bool {
        if count > 1 {
            self.alone = count;
            return false;
        }
        self.accepted(count);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_a_refused_request_go_alone() {
        let mut portion = Portion::new(10);
        assert_eq!(portion.next(3), 3);
        assert!(!portion.refused(3));
        for refused in [false, true, false] {
            assert_eq!(portion.next(40), 1);
            if refused {
                assert!(portion.refused(1));
            } else {
                portion.accepted(1);
            }
        }
        assert_eq!(portion.next(40), 10);
    }
}
