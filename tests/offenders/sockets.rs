//! Connects and sends in every way that leads to an address of this machine only.
//!
//! `sockets CASE`

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::IoSlice;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, recvmsg, sendmsg, socket, socket_with, socketpair,
};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, accept, bind, listen};

mod raw;

use raw::{fork, wait};

fn main() {
    let case = std::env::args().nth(1).expect("usage: sockets CASE");
    match case.as_str() {
        "stream" => stream(),
        "mapped" => mapped(),
        "abstract" => named(&SocketAddrUnix::new_abstract_name(b"gravlens-test").expect("short")),
        "datagram" => datagram(),
        "refused" => refused(),
        "in_progress" => in_progress(),
        "passed" => passed(),
        other => panic!("no case {other}"),
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    println!("address={address}");
    (listener, address)
}

/// The ordinary way, both sides of it.
fn stream() {
    let (listener, address) = listener();
    let client = TcpStream::connect(address).expect("it listens");
    println!("client={}", client.local_addr().expect("it is connected"));
    let (_served, _) = listener.accept().expect("a client waits");
}

/// IPv4 by an IPv6 socket.
fn mapped() {
    let (_listener, address) = listener();
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    let socket = socket(AddressFamily::INET6, SocketType::STREAM, None).expect("IPv6 is there");
    connect(&socket, &SocketAddr::from((mapped, address.port()))).expect("it listens");
    println!("fd={}", socket.as_raw_fd());
}

/// Unix sockets by a name.
fn named(name: &SocketAddrUnix) {
    let new = || socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket more");
    let (server, client) = (new(), new());
    bind(&server, name).expect("the name is free");
    listen(&server, 1).expect("it is bound");
    connect(&client, name).expect("it listens");
    println!("fd={}", client.as_raw_fd());
    accept(&server).expect("a client waits");
}

/// Datagrams without a connection, then with one.
fn datagram() {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = receiver.local_addr().expect("it is bound");
    println!("address={address}");
    let six = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).expect("a port is free");
    println!("address6={}", six.local_addr().expect("it is bound"));
    let sender = socket(AddressFamily::INET, SocketType::DGRAM, None).expect("a socket more");
    println!("fd={}", sender.as_raw_fd());
    let sender = UdpSocket::from(sender);
    sender.send_to(b"four", address).expect("loopback takes it");
    sender.connect(address).expect("loopback takes it");
    sender.send(b"again").expect("loopback takes it");
    let sender = socket(AddressFamily::INET6, SocketType::DGRAM, None).expect("a socket more");
    let sender = UdpSocket::from(sender);
    let address = six.local_addr().expect("it is bound");
    sender
        .send_to(b"sixsix", address)
        .expect("loopback takes it");
}

/// A port where nobody listens.
fn refused() {
    let (listener, address) = listener();
    drop(listener);
    let error = TcpStream::connect(address).expect_err("nobody listens");
    assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
}

/// A socket that does not wait.
fn in_progress() {
    let (_listener, address) = listener();
    let flags = SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    let error = connect(socket.expect("a socket more"), &address).expect_err("it waits not");
    assert_eq!(error, rustix::io::Errno::INPROGRESS);
}

/// One process makes the socket, another uses it.
fn passed() {
    let (_listener, address) = listener();
    let flags = SocketFlags::CLOEXEC;
    let pair = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    let (ours, theirs) = pair.expect("two sockets more");
    let user = fork(|| {
        let socket = received(&theirs);
        connect(&socket, &address).expect("it listens");
    });
    println!("user={user}");
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket more");
    let sent = [socket.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&sent)));
    let data = [IoSlice::new(b"x")];
    sendmsg(&ours, &data, &mut control, SendFlags::empty()).expect("the other end is open");
    wait(user);
}

fn received(from: &OwnedFd) -> OwnedFd {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut data = [rustix::io::IoSliceMut::new(&mut byte)];
    recvmsg(from, &mut data, &mut control, RecvFlags::empty()).expect("the other end is open");
    let mut messages = control.drain();
    match messages.next() {
        Some(RecvAncillaryMessage::ScmRights(mut passed)) => passed.next().expect("one was sent"),
        _ => panic!("no descriptor came"),
    }
}
