//! Connections over TCP that are still in their handshake. They have room of their own: the places
//! of those that may be served are for clients with a certificate alone.
//!
//! Whoever says nothing must keep nobody out. So when there is no place left, the oldest handshake
//! of the origin with the most gives way to a new one; an honest one takes a few round trips.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::peer::Origin;
use super::tally::Tally;

/// Handshakes under way at a time.
#[derive(Debug)]
pub(super) struct Newcomers {
    total: usize,
    each: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// The oldest has the least number.
    by_number: BTreeMap<u64, Newcomer>,
    by_origin: Tally<Origin>,
}

#[derive(Debug)]
struct Newcomer {
    origin: Origin,
    /// When it is gone the place is given away.
    _kept: oneshot::Sender<()>,
}

/// Too many from one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} handshakes from there are under way already, and more are not allowed")]
pub(super) struct Crowded(usize);

/// The place of one handshake; dropping it makes room.
#[derive(Debug)]
pub(super) struct Place {
    newcomers: Arc<Newcomers>,
    number: u64,
    kept: oneshot::Receiver<()>,
}

impl Newcomers {
    /// Room for `total` handshakes, `each` from one origin.
    pub(super) fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            each,
            waiting: Mutex::default(),
        })
    }

    /// Takes a place, another's if need be.
    pub(super) fn take(self: &Arc<Self>, origin: Origin) -> Result<Place, Crowded> {
        let mut waiting = self.waiting();
        if waiting.by_origin.of(&origin) >= self.each {
            return Err(Crowded(self.each));
        }
        if waiting.by_number.len() >= self.total
            && let Some(number) = waiting.dispensable()
        {
            waiting.remove(number);
        }
        Ok(Place {
            newcomers: Arc::clone(self),
            kept: waiting.add(origin),
            number: waiting.next,
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The oldest of an origin that has the most.
    fn dispensable(&self) -> Option<u64> {
        let most = self.by_origin.most()?;
        let mut oldest_first = self.by_number.iter();
        let found = oldest_first.find(|(_, newcomer)| self.by_origin.of(&newcomer.origin) == most);
        found.map(|(number, _)| *number)
    }

    /// Adds one, with the next number.
    fn add(&mut self, origin: Origin) -> oneshot::Receiver<()> {
        let (sender, kept) = oneshot::channel();
        self.next += 1;
        let newcomer = Newcomer {
            origin,
            _kept: sender,
        };
        self.by_number.insert(self.next, newcomer);
        self.by_origin.add(origin);
        kept
    }

    fn remove(&mut self, number: u64) {
        let Some(Newcomer { origin, .. }) = self.by_number.remove(&number) else {
            return;
        };
        self.by_origin.remove(&origin);
    }
}

impl Place {
    /// Returns when the place was given to another.
    pub(super) async fn given_away(&mut self) {
        let _ = (&mut self.kept).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.newcomers.waiting().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn from(number: u32) -> Origin {
        Origin::User(Some(number))
    }

    fn is_given_away(place: &mut Place) -> bool {
        place.given_away().now_or_never().is_some()
    }

    #[test]
    fn one_origin_has_its_share() {
        let newcomers = Newcomers::new(8, 2);
        let first = newcomers.take(from(1)).unwrap();
        let mut second = newcomers.take(from(1)).unwrap();
        assert_eq!(newcomers.take(from(1)).unwrap_err(), Crowded(2));
        drop(first);
        newcomers.take(from(1)).unwrap();
        assert!(!is_given_away(&mut second));
        drop(second);
        assert_eq!(newcomers.waiting().by_origin.keys(), 0);
    }

    #[test]
    fn the_oldest_of_the_greediest_gives_way() {
        let newcomers = Newcomers::new(4, 3);
        let take = |number| newcomers.take(from(number)).unwrap();
        let mut alone = take(1);
        let mut greedy = [take(2), take(2), take(2)];
        let mut later = take(3);
        let gone = greedy.each_mut().map(is_given_away);
        assert_eq!(gone, [true, false, false]);
        assert!(!is_given_away(&mut alone) && !is_given_away(&mut later));
        // Where all have as many, the oldest.
        drop(greedy);
        let mut others = [take(4), take(5), take(6)];
        assert!(is_given_away(&mut alone));
        assert!(!is_given_away(&mut later) && !others.iter_mut().any(is_given_away));
        assert_eq!(newcomers.waiting().by_number.len(), 4);
        // What was given away is counted no more when it ends.
        drop(alone);
        assert_eq!(newcomers.waiting().by_origin.keys(), 4);
    }
}
