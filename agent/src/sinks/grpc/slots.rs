//! How many connections are open.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::peer::Origin;
use super::tally::Tally;

/// Connections open at a time.
#[derive(Debug)]
pub(super) struct Slots {
    total: usize,
    each: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_origin: Tally<Origin>,
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSlot {
    /// Too many in all.
    #[error("{0} connections are open already; stream.max_connections allows no more")]
    Total(usize),
    /// Too many from there.
    #[error("{0} connections from there are open already, and more are not allowed")]
    Origin(usize),
}

/// One open connection; dropping it makes room.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    origin: Origin,
}

impl Slots {
    /// Room for `total` connections, `each` from one origin.
    pub(super) fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            each,
            open: Mutex::default(),
        })
    }

    /// Takes a slot.
    pub(super) fn take(self: &Arc<Self>, origin: Origin) -> Result<Slot, NoSlot> {
        let mut open = self.open();
        if open.total >= self.total {
            return Err(NoSlot::Total(self.total));
        }
        if open.by_origin.of(&origin) >= self.each {
            return Err(NoSlot::Origin(self.each));
        }
        open.by_origin.add(origin);
        open.total += 1;
        Ok(Slot {
            slots: Arc::clone(self),
            origin,
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.open();
        open.total -= 1;
        open.by_origin.remove(&self.origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_bounded_in_all_and_each_and_come_back() {
        let slots = Slots::new(3, 2);
        let user = |uid| Origin::User(Some(uid));
        let one = slots.take(user(1)).unwrap();
        let _two = slots.take(user(1)).unwrap();
        assert_eq!(slots.take(user(1)).unwrap_err(), NoSlot::Origin(2));
        let three = slots.take(user(2)).unwrap();
        assert_eq!(slots.take(user(3)).unwrap_err(), NoSlot::Total(3));
        drop(one);
        let _four = slots.take(user(1)).unwrap();
        drop(three);
        assert_eq!(slots.open().by_origin.keys(), 1);
    }
}
