//! How many streams or calls are open, and whose they are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::peer::Client;
use super::tally::Tally;

/// One of so many places is kept for the unix socket.
const RESERVE: usize = 8;

/// Places for things that are open at a time.
#[derive(Debug)]
pub(super) struct Places {
    total: usize,
    each: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    /// Those over the network.
    remote: usize,
    by_client: Tally<Client>,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// So many are open in all, as many as may be.
    Total(usize),
    /// So many are open over the network; the rest is kept for the unix socket.
    Network(usize),
    /// This client has so many open, as many as one may.
    Client(usize),
}

/// A place that is taken; dropping it makes room.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    client: Option<Client>,
}

impl Places {
    /// Room for `total`, and for `each` of one client.
    pub(super) fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            each,
            open: Mutex::default(),
        })
    }

    /// Takes a place. The users of the unix socket are no client: they are the agent's own.
    pub(super) fn take(self: &Arc<Self>, client: Option<Client>) -> Result<Place, NoRoom> {
        let mut open = self.open();
        if open.total >= self.total {
            return Err(NoRoom::Total(self.total));
        }
        if let Some(client) = &client {
            let most = self.total - reserve(self.total);
            if open.remote >= most {
                return Err(NoRoom::Network(most));
            }
            if open.by_client.of(client) >= self.each {
                return Err(NoRoom::Client(self.each));
            }
            open.by_client.add(client.clone());
            open.remote += 1;
        }
        open.total += 1;
        Ok(Place {
            places: Arc::clone(self),
            client,
        })
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open().total
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One at least, unless there is one only.
fn reserve(total: usize) -> usize {
    (total / RESERVE).max(1).min(total.saturating_sub(1))
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.open();
        open.total -= 1;
        let Some(client) = &self.client else { return };
        open.remote -= 1;
        open.by_client.remove(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::grpc::peer::Name;

    fn client(name: &str) -> Option<Client> {
        Some(Client::Certificate([Name::parse(name)].into()))
    }

    #[test]
    fn a_client_has_its_share_and_the_socket_its_reserve() {
        let places = Places::new(5, 2);
        let take = |client| places.take(client);
        let first = take(client("a")).unwrap();
        let _second = take(client("a")).unwrap();
        assert_eq!(take(client("a")).unwrap_err(), NoRoom::Client(2));
        let _third = take(client("b")).unwrap();
        let _fourth = take(Some(Client::Loopback)).unwrap();
        assert_eq!(take(client("b")).unwrap_err(), NoRoom::Network(4));
        let local = take(None).unwrap();
        assert_eq!(take(None).unwrap_err(), NoRoom::Total(5));
        drop(first);
        let _again = take(client("a")).unwrap();
        drop(local);
        assert_eq!(places.count(), 4);
        assert_eq!(take(client("c")).unwrap_err(), NoRoom::Network(4));
    }

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        let places = Places::new(4, 1);
        let place = places.take(client("a")).unwrap();
        places.take(client("a")).unwrap_err();
        drop(place);
        assert_eq!(places.open().by_client.keys(), 0);
        assert_eq!((places.count(), places.open().remote), (0, 0));
    }

    #[test]
    fn there_is_always_room_for_one_over_the_network() {
        let reserves = [1, 2, 8, 16, 64, 100].map(reserve);
        assert_eq!(reserves, [0, 1, 1, 2, 8, 12]);
    }
}
