//! Addresses are those that the kernel used, and belong to whoever made the call.

use anyhow::Result;
use integration_test::expectation::Expectation;
use integration_test::facts::UNSET;
use integration_test::offence::{Offence, Told};

use crate::Test;
use crate::bench::Bench;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("sockets::both_sides_of_a_connection", stream),
    ("sockets::ipv4_by_an_ipv6_socket", mapped),
    ("sockets::an_abstract_name", abstract_name),
    ("sockets::datagrams_without_a_connection", datagram),
    ("sockets::a_refused_connection", refused),
    ("sockets::a_connection_in_progress", in_progress),
    ("sockets::a_socket_of_another_process", passed),
    ("sockets::a_connect_by_io_uring", io_uring),
    ("sockets::a_connect_by_an_io_uring_worker", io_worker),
    #[cfg(target_arch = "x86_64")]
    ("sockets::a_32_bit_connect", int80),
    #[cfg(target_arch = "x86_64")]
    ("sockets::32_bit_calls", calls_32_bit),
    #[cfg(target_arch = "x86_64")]
    ("sockets::32_bit_calls_by_socketcall", socketcall),
];

fn offence(case: &str) -> Result<Offence> {
    Ok(Offence::offender("sockets")?.arg(case))
}

fn tcp(call: &'static str, result: impl std::fmt::Display) -> Expectation {
    Expectation::socket(call, "inet", result).is("transport", "tcp")
}

fn udp(call: &'static str, family: &str, result: impl std::fmt::Display) -> Expectation {
    Expectation::socket(call, family, result).is("transport", "udp")
}

/// The offender's listener, at the address that it told.
fn listening(told: &Told) -> Result<Vec<Expectation>> {
    let address = told.value("address")?;
    let own = |call| Ok::<_, anyhow::Error>(tcp(call, 0).is("local", address));
    Ok(vec![own("bind")?, own("listen")?])
}

fn stream(bench: &Bench) -> Result<()> {
    bench.expect(&offence("stream")?, |told| {
        let (server, client) = (told.value("address")?, told.value("client")?);
        let mut expected = listening(told)?;
        expected.extend([
            tcp("connect", 0).is("remote", server).is("local", client),
            tcp("accept4", 0)
                .descriptor("result")
                .is("remote", client)
                .is("local", server),
            Expectation::exited(0),
        ]);
        Ok(expected)
    })
}

fn mapped(bench: &Bench) -> Result<()> {
    bench.expect(&offence("mapped")?, |told| {
        let mut expected = listening(told)?;
        expected.push(
            Expectation::socket("connect", "inet6", 0)
                .is("transport", "tcp")
                .is("fd", told.value("fd")?)
                // The socket's family tells how, the address whom.
                .is("remote", told.value("address")?),
        );
        expected.push(Expectation::exited(0));
        Ok(expected)
    })
}

fn abstract_name(bench: &Bench) -> Result<()> {
    bench.expect(&offence("abstract")?, |told| {
        let unix = |call| Expectation::socket(call, "unix", 0).is("transport", "");
        let name = "@gravlens-test";
        Ok(vec![
            unix("bind").is("local", name),
            unix("listen").is("local", name),
            unix("connect")
                .is("remote", name)
                .is("fd", told.value("fd")?),
            unix("accept").descriptor("result").is("local", name),
            Expectation::exited(0),
        ])
    })
}

fn datagram(bench: &Bench) -> Result<()> {
    bench.expect(&offence("datagram")?, |told| {
        let (four, six) = (told.value("address")?, told.value("address6")?);
        Ok(vec![
            udp("bind", "inet", 0).is("local", four),
            udp("bind", "inet6", 0).is("local", six),
            udp("sendto", "inet", 4)
                .is("remote", four)
                .is("fd", told.value("fd")?),
            udp("connect", "inet", 0)
                .is("remote", four)
                .is("fd", told.value("fd")?),
            // What follows on a connection is data.
            udp("sendto", "inet6", 6).is("remote", six),
            Expectation::exited(0),
        ])
    })
}

fn refused(bench: &Bench) -> Result<()> {
    bench.expect(&offence("refused")?, |told| {
        let mut expected = listening(told)?;
        let connect = tcp("connect", -libc::ECONNREFUSED);
        expected.push(connect.is("remote", told.value("address")?));
        expected.push(Expectation::exited(0));
        Ok(expected)
    })
}

fn in_progress(bench: &Bench) -> Result<()> {
    bench.expect(&offence("in_progress")?, |told| {
        let mut expected = listening(told)?;
        let connect = tcp("connect", -libc::EINPROGRESS);
        expected.push(connect.is("remote", told.value("address")?));
        expected.push(Expectation::exited(0));
        Ok(expected)
    })
}

fn passed(bench: &Bench) -> Result<()> {
    bench.expect(&offence("passed")?, |told| {
        let user = told.value("user")?;
        let mut expected = listening(told)?;
        expected.extend([
            Expectation::forked().is("pid", user),
            tcp("connect", 0)
                .is("remote", told.value("address")?)
                .is("pid", user),
            Expectation::exited(0).is("pid", user),
            Expectation::exited(0).is("pid", told.pid),
        ]);
        Ok(expected)
    })
}

fn io_uring(bench: &Bench) -> Result<()> {
    unseen(bench, "io_uring", &[Expectation::ring_made()])
}

fn io_worker(bench: &Bench) -> Result<()> {
    unseen(bench, "io_worker", &[Expectation::ring_made()])
}

#[cfg(target_arch = "x86_64")]
fn int80(bench: &Bench) -> Result<()> {
    let refused = tcp("connect", -libc::ECONNREFUSED).descriptor("fd");
    connects(bench, "int80", refused, &[])
}

#[cfg(target_arch = "x86_64")]
fn calls_32_bit(bench: &Bench) -> Result<()> {
    by_32_bit_calls(bench, "single", false)
}

/// The descriptor is then in the caller's memory, where another thread could change it.
#[cfg(target_arch = "x86_64")]
fn socketcall(bench: &Bench) -> Result<()> {
    by_32_bit_calls(bench, "socketcall", true)
}

#[cfg(target_arch = "x86_64")]
fn by_32_bit_calls(bench: &Bench, way: &str, shared: bool) -> Result<()> {
    bench.expect(&Offence::offender("sockets_32")?.arg(way), |told| {
        let address = told.value("address")?;
        let fd = |name| Ok::<_, anyhow::Error>(told.value(name)?.to_owned());
        Ok(vec![
            tcp("bind", 0).is("local", address).is("fd_shared", shared),
            tcp("listen", 0)
                .is("local", address)
                .is("fd_shared", shared),
            tcp("connect", 0)
                .is("remote", address)
                .is("fd", fd("fd")?)
                .is("fd_shared", false),
            tcp("accept4", 0)
                .descriptor("result")
                .is("local", address)
                .is("fd_shared", false),
            Expectation::of("connect")
                .is("family", "unix")
                .is("result", -libc::ECONNREFUSED)
                .is("remote", "@grav")
                .is("provenance", "user_memory"),
            udp("sendto", "inet", 4)
                .is("remote", address)
                .is("fd", fd("sender")?)
                .is("fd_shared", false),
            Expectation::exited(0),
        ])
    })
}

/// Nobody but io_uring knows which descriptor it used, and tracepoints do not see how it ended.
fn unseen(bench: &Bench, way: &str, before: &[Expectation]) -> Result<()> {
    let hidden = if bench.sees_ring_sockets()? {
        // It never waits for a connection, a worker neither.
        tcp("connect", -libc::EINPROGRESS)
    } else {
        tcp("connect", UNSET)
    };
    connects(bench, way, hidden.is("fd", UNSET), before)
}

/// A connect that makes no connect system call of this architecture, then one that does: the
/// address of both is told.
fn connects(bench: &Bench, way: &str, hidden: Expectation, before: &[Expectation]) -> Result<()> {
    let (first, second) = ("127.0.0.1:4101", "127.0.0.1:4102");
    let offence = Offence::offender("connect_unseen")?.args([way, first, second]);
    bench.expect(&offence, |_| {
        let mut expected = before.to_vec();
        expected.extend([
            hidden.is("remote", first),
            tcp("connect", -libc::ECONNREFUSED).is("remote", second),
            Expectation::exited(0),
        ]);
        Ok(expected)
    })
}
