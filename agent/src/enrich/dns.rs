//! DNS: which answer belongs to which query, and which names that gives to addresses.
//!
//! An answer names an address only if it answers a query that waits, from the server that was
//! asked, and that server is a resolver configured for the container. Everything that a workload
//! can make grow is kept per container and has a bound, so that one container cannot make the
//! agent forget what it knows of another.

mod lookup;
mod names;
mod owner;
mod queries;
mod resolv_conf;
mod resolvers;
mod streams;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::decode::{DnsView, Parsed, parse_dns};
use crate::model::{
    AddressName, ContainerView, Dns, DnsFault, DnsMatch, Event, Payload, Resolver, Socket,
    SocketAddress, Transport,
};

pub use lookup::run as run_lookups;
pub use owner::Owner;
pub use resolvers::{ResolverMessage, ResolverRequest};

use self::names::NewNames;
use self::owner::{Owners, State};
use self::queries::Query;
use self::streams::Framed;

/// After its start the agent does not know what was asked before: for so long an answer through a
/// socket that is older than the agent may answer something. Resolvers wait for 5 s.
const SETTLING_NS: u64 = 5_000_000_000;

/// All that is known of DNS. The detection task owns it: no I/O, and no clock but the times that
/// records and ticks bring.
#[derive(Debug)]
pub struct DnsTable {
    owners: Owners,
    started_ns: u64,
}

impl DnsTable {
    /// An empty table of an agent that begins to watch at that time.
    pub fn new(started_ns: u64) -> Self {
        Self {
            owners: Owners::default(),
            started_ns,
        }
    }

    /// Takes a packet and returns the messages that it completes.
    pub fn packet(&mut self, view: &DnsView<'_>, of: &ContainerView, boot_ns: u64) -> Vec<Dns> {
        let Some(owner) = Owner::of(of) else {
            return self.of_nobody(view);
        };
        let settling = boot_ns < self.started_ns + SETTLING_NS && !view.has_asker;
        let state = self.owners.state(owner, of, boot_ns);
        let mut told = Vec::new();
        for framed in frames(view, Some(&mut *state), boot_ns) {
            told.push(state.message(view, &framed, settling, boot_ns));
        }
        told
    }

    /// A packet of a cgroup of which nobody knows whose it is: it answers and names nothing.
    fn of_nobody(&self, view: &DnsView<'_>) -> Vec<Dns> {
        frames(view, None, 0)
            .iter()
            .map(|framed| {
                let mut dns = read(view, framed);
                dns.answers = view.received.then_some(DnsMatch::Unknown);
                dns
            })
            .collect()
    }

    /// Puts the names of its addresses to a socket.
    pub fn name(&mut self, socket: &mut Socket, of: &ContainerView, boot_ns: u64) {
        let Some(state) = Owner::of(of).and_then(|owner| self.owners.known(owner)) else {
            return;
        };
        let mut name = |end: Option<&SocketAddress>| match end {
            Some(SocketAddress::Ip(ip, _)) => state.name(ip.to_canonical(), boot_ns),
            _ => AddressName::None,
        };
        socket.local_name = name(socket.endpoint.local.as_ref());
        socket.remote_name = name(socket.endpoint.remote.as_ref());
    }

    /// The configuration of a container was read. What waits for it should be looked at again.
    pub fn configured(&mut self, message: ResolverMessage, boot_ns: u64) {
        if let Some(state) = self.owners.known(message.owner) {
            state.resolvers.answered(message.servers, boot_ns);
            state.believe(boot_ns);
        }
    }

    /// The configurations that are known, by owner.
    pub fn configurations(&self) -> Vec<ResolverMessage> {
        self.owners.configurations()
    }

    /// Updates an event that waited for the configuration of its container.
    pub fn settle(&mut self, event: &mut Event<'_>, boot_ns: u64) {
        let Some(owner) = Owner::of(&event.container) else {
            return;
        };
        match &mut event.payload {
            Payload::Dns(dns) if dns.resolver == Resolver::Pending => {
                if let (Some(server), Some(state)) = (dns.server, self.owners.known(owner)) {
                    dns.resolver = state.resolvers.judge(server, boot_ns);
                }
            }
            Payload::Socket(socket) => self.name(socket, &event.container, boot_ns),
            _ => {}
        }
    }

    /// Offers the look-ups that are due, until one is not taken.
    pub fn offer_requests(&mut self, offer: impl FnMut(ResolverRequest) -> bool) {
        self.owners.offer_requests(offer);
    }

    /// Time passed. Look-ups that nobody answered have failed: returns whose.
    pub fn tick(&mut self, boot_ns: u64) -> Vec<Owner> {
        self.owners.tick(boot_ns)
    }
}

/// Whether an event is undecided until a container's resolvers are known.
pub fn awaits_resolvers(event: &Event<'_>) -> bool {
    match &event.payload {
        Payload::Dns(dns) => dns.resolver == Resolver::Pending,
        Payload::Socket(socket) => {
            let names = [&socket.local_name, &socket.remote_name];
            names.contains(&&AddressName::Pending)
        }
        _ => false,
    }
}

/// The messages that a packet completes.
fn frames(view: &DnsView<'_>, state: Option<&mut State>, boot_ns: u64) -> Vec<Framed> {
    match (view.endpoint.transport, state) {
        (Some(Transport::Tcp), Some(state)) => state.streams.segment(view, boot_ns),
        // Without an owner there is nobody whose bound its stream would count against.
        (Some(Transport::Tcp), None) => Vec::new(),
        _ => vec![Framed {
            bytes: view.payload.into(),
            whole: view.is_whole(),
        }],
    }
}

/// What a message says by itself.
fn read(view: &DnsView<'_>, framed: &Framed) -> Dns {
    let parsed = if framed.bytes.is_empty() && framed.whole {
        Parsed {
            fault: Some(DnsFault::Empty),
            ..Parsed::default()
        }
    } else {
        parse_dns(&framed.bytes, view.received, !framed.whole)
    };
    Dns {
        received: view.received,
        transport: view.endpoint.transport.unwrap_or(Transport::Udp),
        server: if view.received {
            view.remote()
        } else {
            view.asked.or_else(|| view.remote())
        },
        message: parsed.message,
        malformed: parsed.fault,
        cut: !framed.whole,
        answers: None,
        resolver: Resolver::Unknown,
    }
}

impl State {
    fn message(
        &mut self,
        view: &DnsView<'_>,
        framed: &Framed,
        settling: bool,
        boot_ns: u64,
    ) -> Dns {
        let mut dns = read(view, framed);
        if let Some(server) = dns.server {
            dns.resolver = self.resolvers.judge(server, boot_ns);
        }
        if view.received {
            self.answer(view, &mut dns, settling, boot_ns);
        } else if let (Some(query), None) = (Query::of(&dns), dns.malformed) {
            self.queries.asked(view.cookie, query, boot_ns);
        }
        dns
    }

    fn answer(&mut self, view: &DnsView<'_>, dns: &mut Dns, settling: bool, boot_ns: u64) {
        let found = self.queries.answered(view.cookie, dns, boot_ns);
        dns.answers = Some(match found {
            DnsMatch::NoQuery if settling => DnsMatch::Unknown,
            found => found,
        });
        let readable = dns.malformed.is_none() && !dns.message.truncated;
        if found != DnsMatch::Query || !readable || dns.message.rcode != Some(0) {
            return;
        }
        let Some(new) = NewNames::of(dns, boot_ns) else {
            return;
        };
        match dns.resolver {
            Resolver::Configured => self.names.enter(&new, boot_ns),
            Resolver::Pending => self.names.defer(new),
            Resolver::Other | Resolver::Unknown => {}
        }
    }

    /// Decides on the answers of servers that were not known to be resolvers yet.
    fn believe(&mut self, boot_ns: u64) {
        for new in self.names.take_deferred() {
            match self.resolvers.judge(new.server, boot_ns) {
                Resolver::Configured => self.names.enter(&new, boot_ns),
                Resolver::Pending => self.names.defer(new),
                Resolver::Other | Resolver::Unknown => {}
            }
        }
    }

    fn name(&mut self, address: IpAddr, boot_ns: u64) -> AddressName {
        self.names.of(address, boot_ns)
    }
}
