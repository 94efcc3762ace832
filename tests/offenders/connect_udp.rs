//! Sends one datagram without connecting first.
//!
//! `connect_udp ADDRESS:PORT`

use std::net::UdpSocket;

fn main() {
    let target = std::env::args()
        .nth(1)
        .expect("usage: connect_udp ADDRESS:PORT");
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a port is free");
    match socket.send_to(b"exfiltrated", &target) {
        Ok(sent) => println!("sent {sent}"),
        Err(error) => println!("refused: {error}"),
    }
}
