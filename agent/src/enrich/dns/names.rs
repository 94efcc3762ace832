//! The names of addresses, for as long as the answers hold that gave them.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use crate::model::{AddressName, Dns};

/// A name is kept at least for so long: programs go on using an address when its time is over.
pub(super) const MIN_TTL_S: u32 = 60;
/// And at most for so long, whatever a server says.
pub(super) const MAX_TTL_S: u32 = 3600;
/// Addresses of an owner that have names. When there are more, the one that would expire first
/// gives way.
pub(super) const MAX_NAMED: usize = 512;
/// Names that an address is known by; the oldest gives way.
pub(super) const MAX_NAMES: usize = 4;
/// Answers that wait for the resolvers to be known; the oldest gives way.
pub(super) const MAX_DEFERRED: usize = 64;

/// What an answer says about addresses.
#[derive(Clone, Debug)]
pub(super) struct NewNames {
    /// The server.
    pub(super) server: IpAddr,
    name: Box<str>,
    addresses: Vec<IpAddr>,
    expires_ns: u64,
}

impl NewNames {
    /// The names in an answer, if it has any.
    pub(super) fn of(dns: &Dns, now_ns: u64) -> Option<Self> {
        let message = &dns.message;
        if message.addresses.is_empty() {
            return None;
        }
        let ttl = message.ttl.unwrap_or(0).clamp(MIN_TTL_S, MAX_TTL_S);
        Some(Self {
            server: dns.server?,
            name: message.question.as_ref()?.name.clone(),
            addresses: message.addresses.clone(),
            expires_ns: now_ns + u64::from(ttl) * 1_000_000_000,
        })
    }
}

/// The names of one address, oldest first, and when each of them expires.
#[derive(Debug)]
struct Named {
    names: Arc<[Box<str>]>,
    expiries: Vec<u64>,
}

impl Named {
    /// When the last of its names expires.
    fn ends_ns(&self) -> u64 {
        self.expiries.iter().copied().max().unwrap_or(0)
    }

    /// Leaves out what has expired, and one name besides, which then comes last.
    fn with(&self, new: Option<(&str, u64)>, now_ns: u64) -> Self {
        let held = self.names.iter().zip(&self.expiries);
        let mut kept: Vec<(Box<str>, u64)> = held
            .filter(|(name, ends)| {
                **ends > now_ns && new.is_none_or(|(other, _)| name.as_ref() != other)
            })
            .map(|(name, ends)| (name.clone(), *ends))
            .collect();
        if let Some((name, ends)) = new {
            if kept.len() >= MAX_NAMES {
                kept.remove(0);
            }
            kept.push((name.into(), ends));
        }
        let (names, expiries): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
        Self {
            names: names.into(),
            expiries,
        }
    }
}

/// The names of an owner's addresses.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_address: HashMap<IpAddr, Named>,
    deferred: VecDeque<NewNames>,
}

impl Names {
    /// Enters what an answer says.
    pub(super) fn enter(&mut self, new: &NewNames, now_ns: u64) {
        if new.expires_ns <= now_ns {
            return;
        }
        for address in &new.addresses {
            self.make_room(address);
            let empty = || Named {
                names: Arc::new([]),
                expiries: Vec::new(),
            };
            let named = self.by_address.entry(*address).or_insert_with(empty);
            *named = named.with(Some((&new.name, new.expires_ns)), now_ns);
        }
    }

    fn make_room(&mut self, address: &IpAddr) {
        if self.by_address.len() < MAX_NAMED || self.by_address.contains_key(address) {
            return;
        }
        let end = |(address, named): (&IpAddr, &Named)| (named.ends_ns(), *address);
        if let Some((_, first)) = self.by_address.iter().map(end).min() {
            self.by_address.remove(&first);
        }
    }

    /// Keeps an answer until it is known whether its server may be believed.
    pub(super) fn defer(&mut self, new: NewNames) {
        if self.deferred.len() >= MAX_DEFERRED {
            self.deferred.pop_front();
        }
        self.deferred.push_back(new);
    }

    /// The answers that wait.
    pub(super) fn take_deferred(&mut self) -> VecDeque<NewNames> {
        std::mem::take(&mut self.deferred)
    }

    /// Nobody will say whether they may be believed.
    pub(super) fn forget_deferred(&mut self) {
        self.deferred.clear();
    }

    /// The names of an address.
    pub(super) fn of(&mut self, address: IpAddr, now_ns: u64) -> AddressName {
        let mut waiting = self.deferred.iter();
        if waiting.any(|new| new.addresses.contains(&address)) {
            return AddressName::Pending;
        }
        let Some(named) = self.by_address.get_mut(&address) else {
            return AddressName::None;
        };
        if named.expiries.iter().any(|ends| *ends <= now_ns) {
            *named = named.with(None, now_ns);
        }
        if named.names.is_empty() {
            self.by_address.remove(&address);
            return AddressName::None;
        }
        AddressName::Known(Arc::clone(&named.names))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }
}
