//! Queries that wait for an answer.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use crate::model::{Dns, DnsMatch, DnsQuestion};

/// How long a query waits. Resolvers give up after 5 s, and try a few times.
const PATIENCE_NS: u64 = 30_000_000_000;
/// Most queries of an owner that wait. When there are more the oldest is forgotten, and an answer
/// to nothing is not taken for a forged one until it would have expired.
pub(super) const MAX_QUERIES: usize = 256;

/// A query.
#[derive(Clone, Debug)]
pub(super) struct Query {
    id: u16,
    question: DnsQuestion,
    server: IpAddr,
    /// Times that it was sent and not yet answered.
    open: u32,
}

impl Query {
    /// The query that a message makes.
    pub(super) fn of(dns: &Dns) -> Option<Self> {
        Some(Self {
            id: dns.message.id?,
            question: dns.message.question.clone()?,
            server: dns.server?,
            open: 1,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.server == other.server && self.question == other.question
    }
}

/// The queries of an owner, by the cookie of their socket.
#[derive(Debug, Default)]
pub(super) struct Queries {
    by_socket: HashMap<u64, Vec<Query>>,
    /// When queries were sent, and through which socket: oldest first.
    order: VecDeque<(u64, u64)>,
    /// Until then a query that was forgotten may be answered.
    forgotten_until_ns: u64,
}

impl Queries {
    /// A query was sent. Resolvers repeat one that is not answered in time, and each copy may get
    /// an answer.
    pub(super) fn asked(&mut self, cookie: u64, query: Query, now_ns: u64) {
        self.expire(now_ns);
        let waiting = self.by_socket.entry(cookie).or_default();
        if let Some(same) = waiting.iter_mut().find(|other| other.is_same(&query)) {
            same.open += 1;
            return;
        }
        waiting.push(query);
        self.order.push_back((now_ns, cookie));
        if self.order.len() > MAX_QUERIES {
            self.forget_oldest();
            self.forgotten_until_ns = now_ns + PATIENCE_NS;
        }
    }

    /// Whether a message answers a query, which is then answered.
    pub(super) fn answered(&mut self, cookie: u64, answer: &Dns, now_ns: u64) -> DnsMatch {
        self.expire(now_ns);
        let waiting = self.by_socket.get_mut(&cookie);
        let found = match waiting {
            Some(waiting) => find(waiting, answer),
            None => DnsMatch::NoQuery,
        };
        match found {
            DnsMatch::Query | DnsMatch::Answered => found,
            _ if now_ns < self.forgotten_until_ns => DnsMatch::Unknown,
            _ => found,
        }
    }

    /// Forgets queries that have waited long enough.
    pub(super) fn expire(&mut self, now_ns: u64) {
        while let Some((asked_ns, _)) = self.order.front()
            && asked_ns + PATIENCE_NS <= now_ns
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, cookie)) = self.order.pop_front() else {
            return;
        };
        if let Some(waiting) = self.by_socket.get_mut(&cookie) {
            // Each socket's queries stand in the order in which they were sent.
            waiting.remove(0);
            if waiting.is_empty() {
                self.by_socket.remove(&cookie);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let kept: usize = self.by_socket.values().map(Vec::len).sum();
        assert_eq!(kept, self.order.len());
        kept
    }
}

/// The query that an answer is for, or the first thing in which it differs from all of them.
fn find(waiting: &mut [Query], answer: &Dns) -> DnsMatch {
    let mut nearest = DnsMatch::OtherId;
    for query in waiting {
        if Some(query.id) != answer.message.id {
            continue;
        }
        if Some(query.server) != answer.server {
            nearest = nearer(nearest, DnsMatch::OtherServer);
        } else if !is_about(answer, &query.question) {
            nearest = nearer(nearest, DnsMatch::OtherQuestion);
        } else if query.open == 0 {
            nearest = DnsMatch::Answered;
        } else {
            query.open -= 1;
            return DnsMatch::Query;
        }
    }
    nearest
}

/// Of two ways to miss, the one that says more.
fn nearer(one: DnsMatch, other: DnsMatch) -> DnsMatch {
    let rank = |found| match found {
        DnsMatch::OtherId => 0,
        DnsMatch::OtherServer => 1,
        DnsMatch::OtherQuestion => 2,
        _ => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}

/// An answer repeats the question; one that reports an error may leave it out.
fn is_about(answer: &Dns, question: &DnsQuestion) -> bool {
    match &answer.message.question {
        Some(repeated) => repeated == question,
        None => answer.message.rcode.is_some_and(|rcode| rcode != 0),
    }
}
