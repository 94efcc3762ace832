use std::net::Ipv4Addr;

use gravlens_common::BulkContext;
use proptest::prelude::*;

use super::names::{MAX_NAMED, MAX_NAMES, MAX_TTL_S, MIN_TTL_S};
use super::queries::MAX_QUERIES;
use super::*;
use crate::alert::sample::container_view;
use crate::model::{AddressFamily, Endpoint, Provenance};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 53);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);
const SECOND: u64 = 1_000_000_000;
/// Long after the start.
const NOW: u64 = 100 * SECOND;

fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn message(id: u16, name: &str, addresses: &[Ipv4Addr], ttl: u32, received: bool) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(if received { &[0x81, 0x80] } else { &[1, 0] });
    bytes.extend_from_slice(&[0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    bytes.extend_from_slice(&labels(name));
    bytes.extend_from_slice(&[0, 1, 0, 1]);
    for address in addresses {
        bytes.extend_from_slice(&[0xC0, 12, 0, 1, 0, 1]);
        bytes.extend_from_slice(&ttl.to_be_bytes());
        bytes.extend_from_slice(&[0, 4]);
        bytes.extend_from_slice(&address.octets());
    }
    bytes
}

fn query(id: u16, name: &str) -> Vec<u8> {
    message(id, name, &[], 0, false)
}

fn reply(id: u16, name: &str, address: Ipv4Addr) -> Vec<u8> {
    message(id, name, &[address], 300, true)
}

fn endpoint(remote: Ipv4Addr, transport: Transport) -> Endpoint {
    let address = |ip: Ipv4Addr, port| Some(SocketAddress::Ip(ip.into(), port));
    Endpoint {
        family: AddressFamily::Inet,
        transport: Some(transport),
        local: address(Ipv4Addr::new(10, 0, 0, 1), 40_000),
        remote: address(remote, 53),
    }
}

fn view(cookie: u64, server: Ipv4Addr, payload: &[u8], received: bool) -> DnsView<'_> {
    DnsView {
        context: BulkContext::default(),
        has_asker: true,
        received,
        cookie,
        endpoint: endpoint(server, Transport::Udp),
        asked: Some(server.into()),
        sequence: 0,
        acknowledged: 0,
        total_len: payload.len() as u32,
        payload,
    }
}

struct Case {
    table: DnsTable,
    now: u64,
}

impl Case {
    /// The container's only resolver is `SERVER`.
    fn new() -> Self {
        let mut case = Self::unread();
        case.send(99, SERVER, &query(0, "first.example"));
        case.configure(Some(vec![SERVER.into()]));
        case
    }

    /// Nobody has read the configuration.
    fn unread() -> Self {
        Self {
            table: DnsTable::new(0),
            now: NOW,
        }
    }

    fn configure(&mut self, servers: Option<Vec<IpAddr>>) {
        let message = ResolverMessage {
            owner: Owner::Container(4711),
            servers,
        };
        self.table.configured(message, self.now);
    }

    fn one(&mut self, view: &DnsView<'_>) -> Dns {
        let mut told = self.table.packet(view, &container_view(), self.now);
        assert_eq!(told.len(), 1);
        told.remove(0)
    }

    fn send(&mut self, cookie: u64, server: Ipv4Addr, payload: &[u8]) -> Dns {
        self.one(&view(cookie, server, payload, false))
    }

    fn receive(&mut self, cookie: u64, server: Ipv4Addr, payload: &[u8]) -> DnsMatch {
        let dns = self.one(&view(cookie, server, payload, true));
        dns.answers.unwrap()
    }

    fn name(&mut self, address: Ipv4Addr) -> AddressName {
        self.name_for(address, &container_view())
    }

    fn name_for(&mut self, address: Ipv4Addr, of: &ContainerView) -> AddressName {
        let mut socket = Socket {
            endpoint: endpoint(address, Transport::Tcp),
            fd: 3,
            provenance: Provenance::Kernel,
            fd_shared: false,
            local_name: AddressName::None,
            remote_name: AddressName::None,
        };
        self.table.name(&mut socket, of, self.now);
        assert_eq!(socket.local_name, AddressName::None);
        socket.remote_name
    }

    fn names(&mut self, address: Ipv4Addr) -> Vec<String> {
        let names = self.name(address);
        names.known().iter().map(ToString::to_string).collect()
    }
}

const WEB: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[test]
fn an_answer_to_a_query_names_an_address() {
    let mut case = Case::new();
    let asked = case.send(1, SERVER, &query(7, "Web.Example"));
    assert_eq!(
        (asked.resolver, asked.answers),
        (Resolver::Configured, None)
    );
    assert!(case.names(WEB).is_empty());
    let found = case.receive(1, SERVER, &reply(7, "web.EXAMPLE", WEB));
    assert_eq!(found, DnsMatch::Query);
    assert_eq!(case.names(WEB), ["web.example"]);
    // Not for others.
    assert_eq!(
        case.name_for(WEB, &ContainerView::Host(None)),
        AddressName::None
    );
}

#[test]
fn what_answers_nothing_names_nothing() {
    let evil = Ipv4Addr::new(192, 0, 2, 66);
    let mut case = Case::new();
    assert_eq!(
        case.receive(1, SERVER, &reply(7, "web.example", evil)),
        DnsMatch::NoQuery
    );
    case.send(1, SERVER, &query(7, "web.example"));
    for (cookie, server, id, name, expected) in [
        (1, SERVER, 8, "web.example", DnsMatch::OtherId),
        (1, OTHER, 7, "web.example", DnsMatch::OtherServer),
        (1, SERVER, 7, "bank.example", DnsMatch::OtherQuestion),
        (2, SERVER, 7, "web.example", DnsMatch::NoQuery),
        (1, SERVER, 7, "web.example", DnsMatch::Query),
        (1, SERVER, 7, "web.example", DnsMatch::Answered),
    ] {
        let address = if expected == DnsMatch::Query {
            WEB
        } else {
            evil
        };
        let found = case.receive(cookie, server, &reply(id, name, address));
        assert_eq!(found, expected, "{name} {id} from {server}");
    }
    assert!(case.names(evil).is_empty());
    assert_eq!(case.names(WEB), ["web.example"]);
}

#[test]
fn a_server_that_is_not_configured_names_nothing() {
    let mut case = Case::new();
    assert_eq!(
        case.send(1, OTHER, &query(7, "a.example")).resolver,
        Resolver::Other
    );
    assert_eq!(
        case.receive(1, OTHER, &reply(7, "a.example", WEB)),
        DnsMatch::Query
    );
    assert!(case.names(WEB).is_empty());
}

#[test]
fn until_the_resolvers_are_known_names_are_pending() {
    for (servers, named) in [
        (Some(vec![SERVER.into()]), true),
        (Some(vec![OTHER.into()]), false),
        (None, false),
    ] {
        let mut case = Case::unread();
        let asked = case.send(1, SERVER, &query(7, "web.example"));
        assert_eq!(asked.resolver, Resolver::Pending);
        let mut requests = Vec::new();
        case.table.offer_requests(|request| {
            requests.push(request.cgroup_path);
            true
        });
        assert!(requests[0].as_ref().unwrap().starts_with("/docker/"));
        case.table
            .offer_requests(|request| panic!("asked twice: {request:?}"));
        case.receive(1, SERVER, &reply(7, "web.example", WEB));
        assert_eq!(case.name(WEB), AddressName::Pending);
        case.configure(servers);
        assert_eq!(!case.names(WEB).is_empty(), named);
    }
}

#[test]
fn a_look_up_that_takes_too_long_has_failed() {
    let mut case = Case::unread();
    case.send(1, SERVER, &query(7, "web.example"));
    case.receive(1, SERVER, &reply(7, "web.example", WEB));
    assert!(case.table.tick(case.now + SECOND).is_empty());
    case.now += 6 * SECOND;
    assert_eq!(case.table.tick(case.now), [Owner::Container(4711)]);
    assert_eq!(case.name(WEB), AddressName::None);
    let again = case.send(1, SERVER, &query(8, "web.example"));
    assert_eq!(again.resolver, Resolver::Unknown);
}

#[test]
fn a_configuration_is_read_again_when_it_may_have_changed() {
    let mut case = Case::new();
    case.now += 6 * SECOND;
    let asked = case.send(1, OTHER, &query(7, "web.example"));
    assert_eq!(asked.resolver, Resolver::Pending);
    case.configure(Some(vec![OTHER.into()]));
    let asked = case.send(1, OTHER, &query(8, "web.example"));
    assert_eq!(asked.resolver, Resolver::Configured);
}

#[test]
fn each_copy_of_a_query_may_be_answered() {
    let mut case = Case::new();
    for _ in 0..2 {
        case.send(1, SERVER, &query(7, "web.example"));
    }
    let answer = reply(7, "web.example", WEB);
    let found: Vec<_> = (0..3).map(|_| case.receive(1, SERVER, &answer)).collect();
    assert_eq!(
        found,
        [DnsMatch::Query, DnsMatch::Query, DnsMatch::Answered]
    );
    // Much later nobody waits any more.
    case.now += 31 * SECOND;
    assert_eq!(case.receive(1, SERVER, &answer), DnsMatch::NoQuery);
}

#[test]
fn an_answer_by_an_old_socket_may_answer_an_old_query() {
    let mut case = Case::unread();
    case.now = SECOND;
    let answer = reply(7, "web.example", WEB);
    let mut old = view(1, SERVER, &answer, true);
    old.has_asker = false;
    assert_eq!(case.one(&old).answers, Some(DnsMatch::Unknown));
    assert_eq!(case.receive(1, SERVER, &answer), DnsMatch::NoQuery);
    case.now = NOW;
    assert_eq!(case.one(&old).answers, Some(DnsMatch::NoQuery));
}

#[test]
fn names_hold_for_a_bounded_time() {
    for (ttl, holds_s) in [(0, MIN_TTL_S), (300, 300), (u32::MAX, MAX_TTL_S)] {
        let mut case = Case::new();
        case.send(1, SERVER, &query(7, "web.example"));
        case.receive(1, SERVER, &message(7, "web.example", &[WEB], ttl, true));
        case.now += u64::from(holds_s) * SECOND - 1;
        assert_eq!(case.names(WEB), ["web.example"]);
        case.now += 1;
        assert_eq!(case.name(WEB), AddressName::None);
    }
}

#[test]
fn an_address_has_its_newest_names() {
    let mut case = Case::new();
    for id in 0..MAX_NAMES as u16 + 2 {
        let name = format!("n{id}.example");
        case.send(1, SERVER, &query(id, &name));
        case.receive(1, SERVER, &reply(id, &name, WEB));
    }
    assert_eq!(
        case.names(WEB),
        ["n2.example", "n3.example", "n4.example", "n5.example"]
    );
}

#[test]
fn errors_and_truncated_answers_name_nothing() {
    for flags in [[0x81, 0x83], [0x83, 0x80]] {
        let mut case = Case::new();
        case.send(1, SERVER, &query(7, "web.example"));
        let mut answer = reply(7, "web.example", WEB);
        answer[2..4].copy_from_slice(&flags);
        assert_eq!(case.receive(1, SERVER, &answer), DnsMatch::Query);
        assert_eq!(case.name(WEB), AddressName::None);
    }
}

#[test]
fn a_cgroup_that_nobody_knows_has_no_names() {
    let mut case = Case::new();
    let unknown = crate::alert::sample::unknown_view(9, None);
    let answer = reply(7, "web.example", WEB);
    let told = case
        .table
        .packet(&view(1, SERVER, &answer, true), &unknown, NOW);
    assert_eq!(told[0].answers, Some(DnsMatch::Unknown));
    assert_eq!(told[0].resolver, Resolver::Unknown);
}

#[test]
fn answers_over_tcp_are_put_together() {
    let mut case = Case::new();
    let framed =
        |message: Vec<u8>| [(message.len() as u16).to_be_bytes().to_vec(), message].concat();
    let asked = framed(query(7, "web.example"));
    let mut sent = view(1, SERVER, &asked, false);
    sent.endpoint = endpoint(SERVER, Transport::Tcp);
    (sent.sequence, sent.acknowledged) = (100, 500);
    assert_eq!(case.one(&sent).transport, Transport::Tcp);
    let answer = framed(reply(7, "web.example", WEB));
    let mut told = Vec::new();
    for (at, part) in answer
        .chunks(9)
        .enumerate()
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        let mut segment = view(1, SERVER, part, true);
        segment.endpoint = endpoint(SERVER, Transport::Tcp);
        segment.sequence = 500 + 9 * at as u32;
        told.extend(case.table.packet(&segment, &container_view(), NOW));
    }
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].answers, Some(DnsMatch::Query));
    assert_eq!(case.names(WEB), ["web.example"]);
}

#[test]
fn forgotten_queries_make_no_forged_answers() {
    let mut case = Case::new();
    for id in 0..=MAX_QUERIES as u16 {
        case.send(u64::from(id), SERVER, &query(id, "web.example"));
    }
    let answer = reply(0, "web.example", WEB);
    assert_eq!(case.receive(0, SERVER, &answer), DnsMatch::Unknown);
    assert_eq!(case.name(WEB), AddressName::None);
    case.now += 31 * SECOND;
    assert_eq!(case.receive(0, SERVER, &answer), DnsMatch::NoQuery);
}

proptest! {
    /// Whatever is sent and received: only what was asked of the resolver and answered by it names
    /// an address, and what is kept has its bounds.
    #[test]
    fn only_answers_to_queries_name_addresses(
        steps in prop::collection::vec(
            (any::<bool>(), 0..3_u64, 0..2_u8, 0..3_u16, 0..2_u8, 0..4_u8, 0..40_u64),
            0..300,
        ),
    ) {
        let mut case = Case::new();
        let mut asked = std::collections::HashSet::new();
        let mut named = std::collections::HashSet::new();
        for (received, cookie, server, id, name, host, pause) in steps {
            case.now += pause * SECOND / 10;
            let server = if server == 0 { SERVER } else { OTHER };
            let name = if name == 0 { "a.example" } else { "b.example" };
            let address = Ipv4Addr::new(192, 0, 2, host);
            let key = (cookie, server, id, name);
            if !received {
                case.send(cookie, server, &query(id, name));
                asked.insert(key);
                continue;
            }
            let found = case.receive(cookie, server, &reply(id, name, address));
            if found == DnsMatch::Query {
                prop_assert!(asked.contains(&key));
                if server == SERVER {
                    named.insert((address, name.to_owned()));
                }
            }
        }
        for host in 0..4 {
            let address = Ipv4Addr::new(192, 0, 2, host);
            for name in case.names(address) {
                prop_assert!(named.contains(&(address, name)));
            }
        }
    }

    #[test]
    fn what_is_kept_has_a_bound(
        many in prop::collection::vec((any::<u16>(), any::<u16>()), 0..900),
    ) {
        let mut case = Case::new();
        for (id, host) in many {
            let [high, low] = host.to_be_bytes();
            case.send(u64::from(id % 7), SERVER, &query(id, "a.example"));
            let address = Ipv4Addr::new(192, 0, high, low);
            case.receive(u64::from(id % 7), SERVER, &reply(id, "a.example", address));
            case.now += 1;
        }
        let state = case.table.owners.known(Owner::Container(4711)).unwrap();
        prop_assert!(state.names.len() <= MAX_NAMED);
        prop_assert!(state.queries.len() <= MAX_QUERIES);
    }

    #[test]
    fn no_packet_is_too_odd(
        packets in prop::collection::vec(
            (any::<bool>(), any::<bool>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..80)),
            0..40,
        ),
    ) {
        let mut case = Case::new();
        for (received, tcp, sequence, payload) in packets {
            let mut view = view(1, SERVER, &payload, received);
            view.sequence = sequence;
            if tcp {
                view.endpoint = endpoint(SERVER, Transport::Tcp);
            }
            for dns in case.table.packet(&view, &container_view(), NOW) {
                prop_assert_eq!(dns.answers.is_some(), received);
            }
        }
    }
}
