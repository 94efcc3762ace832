//! DNS messages are put together, matched and believed or not, and give connections their names.

use anyhow::Result;
use integration_test::expectation::Expectation;
use integration_test::facts::UNSET;
use integration_test::offence::Offence;

use crate::Test;
use crate::bench::Bench;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("dns::an_answer_names_an_address", connected),
    ("dns::ipv6_without_a_connection", unconnected),
    ("dns::tcp_in_pieces", stream),
    ("dns::forged_answers_name_nothing", forged),
    ("dns::messages_that_are_none", malformed),
    ("dns::a_server_that_is_not_configured", elsewhere),
];

const RESOLVER: &str = "127.0.0.1";
const OTHER: &str = "127.0.0.66";
const WEB: &str = "127.7.0.1";
const EVIL: &str = "127.7.0.66";

fn message(answer: bool, transport: &str, server: &str) -> Expectation {
    Expectation::of("dns")
        .is("result", UNSET)
        .is("answer", answer)
        .is("transport", transport)
        .is("server", server)
        .is("cut", false)
}

fn query(server: &str, id: u16, question: &str) -> Expectation {
    message(false, "udp", server)
        .is("id", id)
        .is("question", question)
        .is("type", "A")
        .is("rcode", "")
        .is("match", "unspecified")
        .is("resolver", "configured")
        .is("malformed", "")
}

fn answer(server: &str, id: u16, question: &str, address: &str) -> Expectation {
    message(true, "udp", server)
        .is("id", id)
        .is("question", question)
        .is("type", "A")
        .is("rcode", "NOERROR")
        .is("cnames", "edge.example")
        .is("addresses", address)
        .is("ttl", 120)
        .is("match", "query")
        .is("resolver", "configured")
        .is("malformed", "")
}

fn visit(address: &str, names: &str) -> Expectation {
    Expectation::socket("connect", "inet", -libc::ECONNREFUSED)
        .is("transport", "tcp")
        .is("remote", format!("{address}:80"))
        .is("remote_names", names)
        .is("local_names", "")
}

/// Runs a case as a container, with a resolv.conf of its own, and compares; what it does besides is that of any DNS client.
fn expect(bench: &Bench, case: &str, expected: Vec<Expectation>) -> Result<()> {
    let offence = Offence::offender("dns")?.arg(case);
    let calls = |facts: &integration_test::facts::Facts| {
        let plumbing = ["bind", "listen", "accept4", "sendto"].contains(&facts.call.as_str());
        let datagram = facts.call == "connect" && facts.get("transport") == "udp";
        let own_file = facts.get("path") == "/etc/resolv.conf";
        (plumbing || datagram || own_file).then_some("(of any DNS client or server)")
    };
    let mut all = expected;
    // The first query makes the agent look up which resolvers are configured.
    all.push(
        query(RESOLVER, 1, "first.example").one_of("resolver", &["unspecified", "configured"]),
    );
    all.extend([
        Expectation::mounted("", "/"),
        Expectation::mounted("tmpfs", "/etc"),
        Expectation::exited(0),
    ]);
    bench.expect_in_container(&offence, all, calls)
}

fn connected(bench: &Bench) -> Result<()> {
    let expected = vec![
        query(RESOLVER, 7, "web.example"),
        visit(WEB, ""),
        answer(RESOLVER, 7, "web.example", WEB),
        visit(WEB, "web.example"),
    ];
    expect(bench, "connected", expected)
}

fn unconnected(bench: &Bench) -> Result<()> {
    let expected = vec![
        query("::1", 8, "web.example"),
        answer("::1", 8, "web.example", WEB),
        visit(WEB, "web.example"),
    ];
    expect(bench, "unconnected", expected)
}

fn stream(bench: &Bench) -> Result<()> {
    let expected = vec![
        Expectation::socket("connect", "inet", 0)
            .is("transport", "tcp")
            .is("remote", format!("{RESOLVER}:53")),
        query(RESOLVER, 9, "web.example").is("transport", "tcp"),
        answer(RESOLVER, 9, "web.example", WEB).is("transport", "tcp"),
        visit(WEB, "web.example"),
    ];
    expect(bench, "stream", expected)
}

fn forged(bench: &Bench) -> Result<()> {
    let other_server = answer(OTHER, 7, "web.example", EVIL)
        .is("match", "other_server")
        // It was looked up a moment ago.
        .one_of("resolver", &["other", "unspecified"]);
    let expected = vec![
        query(RESOLVER, 7, "web.example"),
        answer(RESOLVER, 8, "web.example", EVIL).is("match", "other_id"),
        other_server,
        answer(RESOLVER, 7, "bank.example", EVIL).is("match", "other_question"),
        answer(RESOLVER, 7, "web.example", WEB),
        answer(RESOLVER, 7, "web.example", EVIL).is("match", "answered"),
        answer(RESOLVER, 7, "web.example", EVIL).is("match", "no_query"),
        visit(EVIL, ""),
        visit(WEB, "web.example"),
    ];
    expect(bench, "forged", expected)
}

fn malformed(bench: &Bench) -> Result<()> {
    let broken = message(true, "udp", RESOLVER)
        .is("id", 7)
        .is("question", "web.example")
        .is("match", "query")
        .is("malformed", "unreadable record")
        .is("addresses", "");
    let expected = vec![
        message(false, "udp", RESOLVER)
            .is("id", UNSET)
            .is("malformed", "no whole header"),
        message(false, "udp", RESOLVER)
            .is("id", 7)
            .is("question", "")
            .is("malformed", "unreadable question"),
        query(RESOLVER, 7, "web.example"),
        broken,
        visit(EVIL, ""),
    ];
    expect(bench, "malformed", expected)
}

fn elsewhere(bench: &Bench) -> Result<()> {
    let expected = vec![
        query(OTHER, 7, "web.example").one_of("resolver", &["other", "unspecified"]),
        answer(OTHER, 7, "web.example", WEB).one_of("resolver", &["other", "unspecified"]),
        visit(WEB, ""),
    ];
    expect(bench, "elsewhere", expected)
}
