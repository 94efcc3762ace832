//! What the fields of DNS messages are, and the names of addresses.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::testing::{event, process, verdict};
use crate::model::{
    AddressFamily, AddressName, Dns, DnsFault, DnsMatch, DnsMessage, DnsQuestion, Endpoint, Event,
    Payload, Provenance, Resolver, Socket, SocketAddress, Syscall, Transport,
};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn answer() -> Dns {
    Dns {
        received: true,
        transport: Transport::Udp,
        server: Some(address("10.0.0.53")),
        message: DnsMessage {
            id: Some(7),
            question: Some(DnsQuestion {
                name: "web.example".into(),
                longest_label: 7,
                rtype: 65,
                class: 1,
            }),
            rcode: Some(0),
            truncated: false,
            cnames: vec!["edge.example".into()],
            addresses: vec![address("192.0.2.1"), address("2001:db8::1")],
            ttl: Some(60),
        },
        malformed: None,
        cut: false,
        answers: Some(DnsMatch::Query),
        resolver: Resolver::Configured,
    }
}

fn told(dns: Dns) -> Event<'static> {
    let dns = Payload::Dns(Box::new(dns));
    Event {
        result: None,
        ..event(process(10, "app", &[], None), Syscall::Dns, dns)
    }
}

#[test]
fn a_message_tells_its_parts() {
    let answer = told(answer());
    for condition in [
        "evt.type = dns and evt.category = net and not syscall.type exists",
        "dns.is_answer = true and dns.id = 7 and dns.transport = udp",
        "dns.name = web.example and dns.name.length = 11 and dns.label.length = 7",
        "dns.type = HTTPS and dns.rcode = NOERROR and dns.ttl = 60",
        "dns.answers = 192.0.2.1 and dns.answers in (2001:db8::/32) and dns.cnames = edge.example",
        "dns.server = 10.0.0.53 and dns.is_resolver = true and dns.truncated = false",
        "dns.unsolicited = false and not dns.why exists and not dns.malformed exists",
        "evt.args startswith 'message=answer id=7 name=web.example type=HTTPS server=10.0.0.53'",
        "not evt.res exists and not fd.sip exists",
    ] {
        assert_eq!(verdict(condition, &answer), "true", "{condition}");
    }
}

#[test]
fn what_a_message_lacks_is_missing() {
    let query = told(Dns {
        received: false,
        message: DnsMessage::default(),
        malformed: Some(DnsFault::Header),
        answers: None,
        resolver: Resolver::Unknown,
        ..answer()
    });
    for field in [
        "dns.id",
        "dns.name",
        "dns.name.length",
        "dns.label.length",
        "dns.type",
        "dns.rcode",
        "dns.answers",
        "dns.cnames",
        "dns.ttl",
        "dns.is_resolver",
        "dns.unsolicited",
        "dns.why",
    ] {
        assert_eq!(
            verdict(&format!("{field} exists"), &query),
            "false",
            "{field}"
        );
    }
    let condition = "dns.malformed = 'no whole header' and dns.is_answer = false";
    assert_eq!(verdict(condition, &query), "true");
}

#[test]
fn codes_without_a_name_are_told_by_number() {
    let mut dns = answer();
    dns.message.rcode = Some(14);
    dns.message.question.as_mut().unwrap().rtype = 4711;
    let condition = "dns.rcode = RCODE14 and dns.type = TYPE4711";
    assert_eq!(verdict(condition, &told(dns)), "true");
}

#[test]
fn whether_an_answer_was_asked_for_is_told_where_it_can_be() {
    for (found, unsolicited, why) in [
        (DnsMatch::Query, "false", "false"),
        (DnsMatch::OtherId, "true", "true"),
        (DnsMatch::Answered, "true", "false"),
        (DnsMatch::Unknown, "false", "false"),
    ] {
        let event = told(Dns {
            answers: Some(found),
            ..answer()
        });
        assert_eq!(verdict("dns.unsolicited = true", &event), unsolicited);
        assert_eq!(verdict("dns.why = 'other id'", &event), why);
    }
}

#[test]
fn while_the_resolvers_are_looked_up_nothing_is_decided() {
    let pending = told(Dns {
        resolver: Resolver::Pending,
        ..answer()
    });
    assert_eq!(verdict("dns.is_resolver = false", &pending), "unknown");
    let condition = "dns.is_resolver = false and dns.name = other";
    assert_eq!(verdict(condition, &pending), "false");
}

fn call(syscall: Syscall, remote_name: AddressName) -> Event<'static> {
    let end = |text, port| Some(SocketAddress::Ip(address(text), port));
    let socket = Socket {
        endpoint: Endpoint {
            family: AddressFamily::Inet,
            transport: Some(Transport::Tcp),
            local: end("10.0.0.1", 40_000),
            remote: end("192.0.2.1", 443),
        },
        fd: 3,
        provenance: Provenance::Kernel,
        fd_shared: false,
        local_name: AddressName::None,
        remote_name,
    };
    event(
        process(10, "app", &[], None),
        syscall,
        Payload::Socket(socket),
    )
}

#[test]
fn names_belong_to_the_end_that_has_the_address() {
    let names = || AddressName::Known(Arc::from(["a.example".into(), "b.example".into()]));
    let (out, accepted) = (
        call(Syscall::Connect, names()),
        call(Syscall::Accept, names()),
    );
    for (condition, on_connect, on_accept) in [
        ("fd.sip.name = b.example", "true", "false"),
        ("fd.cip.name = a.example", "false", "true"),
        ("fd.rip.name in (b.example)", "true", "true"),
        ("fd.rip.name endswith .example", "true", "true"),
        ("fd.rip.name != a.example", "false", "false"),
        ("fd.rip.name != c.example", "true", "true"),
        ("fd.lip.name exists", "false", "false"),
    ] {
        assert_eq!(verdict(condition, &out), on_connect, "{condition}");
        assert_eq!(verdict(condition, &accepted), on_accept, "{condition}");
    }
}

#[test]
fn a_name_is_missing_or_not_known_yet() {
    let condition = "fd.sip.name = a.example";
    for (name, expected) in [
        (AddressName::None, "false"),
        (AddressName::Pending, "unknown"),
    ] {
        assert_eq!(verdict(condition, &call(Syscall::Connect, name)), expected);
    }
}
