//! Tries to connect once.
//!
//! `connect_once ADDRESS:PORT`

use std::net::TcpStream;

fn main() {
    let target = std::env::args()
        .nth(1)
        .expect("usage: connect_once ADDRESS:PORT");
    // Refused, where nobody listens: the attempt is the deed.
    drop(TcpStream::connect(target));
}
