//! Asks DNS servers of its own in every way, in a network and with a resolv.conf of its own.
//!
//! `dns CASE`
//!
//! The address of the server that is configured is 127.0.0.1 or ::1. Every name that is asked for
//! has an address below 127.7.0.0/16, where nobody listens.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread::sleep;
use std::time::Duration;

use rustix::thread::{UnshareFlags, unshare_unsafe};

mod raw;

use raw::done;

const PORT: u16 = 53;
const RESOLVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Not in the resolv.conf.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
const WEB: Ipv4Addr = Ipv4Addr::new(127, 7, 0, 1);
const EVIL: Ipv4Addr = Ipv4Addr::new(127, 7, 0, 66);
const PATIENCE: Duration = Duration::from_secs(10);
/// The agent reads the resolv.conf when it sees the first query.
const LOOK_UP: Duration = Duration::from_secs(2);

fn main() {
    let case = std::env::args().nth(1).expect("usage: dns CASE");
    own_machine();
    let resolver = server(RESOLVER);
    let first = client(Ipv4Addr::LOCALHOST);
    first
        .send_to(&query(1, "first.example"), at(RESOLVER))
        .expect("loopback takes it");
    received(&resolver);
    sleep(LOOK_UP);
    match case.as_str() {
        "connected" => connected(&resolver),
        "unconnected" => unconnected(),
        "stream" => stream(),
        "forged" => forged(&resolver),
        "malformed" => malformed(&resolver),
        "elsewhere" => elsewhere(),
        other => panic!("no case {other}"),
    }
}

/// A network with a loopback and nothing else, and an /etc with a resolv.conf and nothing else.
fn own_machine() {
    // SAFETY: no other thread runs, and no file is open that would have to be shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }.expect("it is root");
    let nothing = std::ptr::null();
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: every string ends with a zero byte.
    unsafe {
        done(libc::mount(
            nothing,
            c"/".as_ptr(),
            nothing,
            private,
            nothing.cast(),
        ));
        let tmpfs = c"tmpfs".as_ptr();
        done(libc::mount(
            tmpfs,
            c"/etc".as_ptr(),
            tmpfs,
            0,
            nothing.cast(),
        ));
    }
    std::fs::write("/etc/resolv.conf", "nameserver 127.0.0.1\nnameserver ::1\n")
        .expect("it is a file system of its own");
    raise_loopback();
}

fn raise_loopback() {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    );
    let socket = socket.expect("a socket more");
    // SAFETY: a request is plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l'.cast_signed();
    request.ifr_name[1] = b'o'.cast_signed();
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: the request is of the type that this ioctl takes.
    done(unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request) });
}

fn at(address: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(address.into(), PORT)
}

fn server(address: impl Into<IpAddr>) -> UdpSocket {
    let socket = UdpSocket::bind(at(address)).expect("the network is its own");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("it is a time");
    socket
}

fn client(address: impl Into<IpAddr>) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(address.into(), 0)).expect("a port is free");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("it is a time");
    socket
}

fn received(socket: &UdpSocket) -> SocketAddr {
    let mut room = [0; 4096];
    socket
        .recv_from(&mut room)
        .expect("loopback loses nothing")
        .1
}

/// Nobody listens there; the attempt is what matters.
fn visit(address: Ipv4Addr) {
    TcpStream::connect((address, 80)).expect_err("nobody listens");
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn header(id: u16, flags: u16, answers: u16) -> Vec<u8> {
    let words = [id, flags, 1, answers, 0, 0];
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn query(id: u16, name: &str) -> Vec<u8> {
    [header(id, 0x0100, 0), labels(name), vec![0, 1, 0, 1]].concat()
}

/// An answer by way of an alias.
fn answer(id: u16, name: &str, address: Ipv4Addr) -> Vec<u8> {
    let alias = labels("edge.example");
    let cname = [
        &[0xC0, 12, 0, 5, 0, 1, 0, 0, 1, 44, 0, alias.len() as u8][..],
        &alias,
    ];
    let found = [
        &alias[..],
        &[0, 1, 0, 1, 0, 0, 0, 120, 0, 4],
        &address.octets(),
    ];
    [
        header(id, 0x8180, 2),
        labels(name),
        vec![0, 1, 0, 1],
        cname.concat(),
        found.concat(),
    ]
    .concat()
}

/// As the GNU C library asks.
fn connected(resolver: &UdpSocket) {
    let client = client(Ipv4Addr::LOCALHOST);
    client.connect(at(RESOLVER)).expect("loopback takes it");
    client
        .send(&query(7, "Web.Example"))
        .expect("loopback takes it");
    let from = received(resolver);
    visit(WEB);
    resolver
        .send_to(&answer(7, "web.example", WEB), from)
        .expect("loopback takes it");
    received(&client);
    visit(WEB);
}

/// As musl asks, over IPv6.
fn unconnected() {
    let resolver = server(Ipv6Addr::LOCALHOST);
    let client = client(Ipv6Addr::UNSPECIFIED);
    client
        .send_to(&query(8, "web.example"), at(Ipv6Addr::LOCALHOST))
        .expect("loopback takes it");
    let from = received(&resolver);
    resolver
        .send_to(&answer(8, "web.example", WEB), from)
        .expect("loopback takes it");
    received(&client);
    visit(WEB);
}

/// Over TCP, in pieces that end in the midst of a length and of a message.
fn stream() {
    let listener = TcpListener::bind(at(RESOLVER)).expect("the network is its own");
    let mut client = TcpStream::connect(at(RESOLVER)).expect("it listens");
    let (mut served, _) = listener.accept().expect("a client waits");
    let asked = query(9, "web.example");
    pieces(&mut client, &mut served, &asked, &[1, 9]);
    pieces(
        &mut served,
        &mut client,
        &answer(9, "web.example", WEB),
        &[2, 30, 31],
    );
    visit(WEB);
}

/// Sends a message in pieces that begin at these places; each arrives before the next is sent.
fn pieces(from: &mut TcpStream, to: &mut TcpStream, message: &[u8], places: &[usize]) {
    from.set_nodelay(true).expect("TCP can be told");
    let bytes = [&(message.len() as u16).to_be_bytes(), message].concat();
    let ends = places.iter().copied().chain([bytes.len()]);
    let mut begin = 0;
    for end in ends {
        from.write_all(&bytes[begin..end])
            .expect("the other end is open");
        to.read_exact(&mut vec![0; end - begin])
            .expect("the other end is open");
        begin = end;
    }
}

/// What nobody asked for, from the resolver and from elsewhere.
fn forged(resolver: &UdpSocket) {
    let other = server(OTHER);
    let client = client(Ipv4Addr::LOCALHOST);
    client
        .send_to(&query(7, "web.example"), at(RESOLVER))
        .expect("loopback takes it");
    let from = received(resolver);
    for (server, id, name, address) in [
        (resolver, 8, "web.example", EVIL),
        (&other, 7, "web.example", EVIL),
        (resolver, 7, "bank.example", EVIL),
        (resolver, 7, "web.example", WEB),
        (resolver, 7, "web.example", EVIL),
    ] {
        server
            .send_to(&answer(id, name, address), from)
            .expect("loopback takes it");
        received(&client);
    }
    // It never asks.
    let silent = self::client(Ipv4Addr::LOCALHOST);
    silent.connect(at(RESOLVER)).expect("loopback takes it");
    let to = silent.local_addr().expect("it is bound");
    resolver
        .send_to(&answer(7, "web.example", EVIL), to)
        .expect("loopback takes it");
    received(&silent);
    visit(EVIL);
    visit(WEB);
}

/// What is no DNS message.
fn malformed(resolver: &UdpSocket) {
    let client = client(Ipv4Addr::LOCALHOST);
    client.connect(at(RESOLVER)).expect("loopback takes it");
    client.send(b"shell").expect("loopback takes it");
    let from = received(resolver);
    // The name points to itself.
    let circle = [header(7, 0x0100, 0), vec![0xC0, 12, 0, 1, 0, 1]].concat();
    client.send(&circle).expect("loopback takes it");
    received(resolver);
    client
        .send(&query(7, "web.example"))
        .expect("loopback takes it");
    received(resolver);
    let mut broken = answer(7, "web.example", EVIL);
    broken.truncate(broken.len() - 2);
    resolver.send_to(&broken, from).expect("loopback takes it");
    received(&client);
    visit(EVIL);
}

/// A server that the resolv.conf does not name.
fn elsewhere() {
    let other = server(OTHER);
    let client = client(Ipv4Addr::LOCALHOST);
    client
        .send_to(&query(7, "web.example"), at(OTHER))
        .expect("loopback takes it");
    let from = received(&other);
    other
        .send_to(&answer(7, "web.example", WEB), from)
        .expect("loopback takes it");
    received(&client);
    // The agent looks whether the configuration has changed.
    sleep(LOOK_UP);
    visit(WEB);
}
