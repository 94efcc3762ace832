//! resolv.conf(5), written by whoever may write in the container.

use std::net::{IpAddr, Ipv4Addr};

/// Most name servers that are taken from a file; the C libraries use three.
const MAX_SERVERS: usize = 16;
/// The addresses under which systemd-resolved listens. It asks the servers of another file.
const SYSTEMD_RESOLVED: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54)),
];

/// The name servers of a file. Without any the C libraries ask the machine itself.
pub(super) fn name_servers(text: &[u8]) -> Vec<IpAddr> {
    let mut servers: Vec<IpAddr> = text
        .split(|byte| *byte == b'\n')
        .filter_map(name_server)
        .take(MAX_SERVERS)
        .collect();
    if servers.is_empty() {
        servers.push(Ipv4Addr::LOCALHOST.into());
    }
    servers
}

/// The servers of a file name systemd-resolved, which has servers of its own.
pub(super) fn uses_systemd_resolved(servers: &[IpAddr]) -> bool {
    servers
        .iter()
        .any(|server| SYSTEMD_RESOLVED.contains(server))
}

fn name_server(line: &[u8]) -> Option<IpAddr> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    if words.next()? != "nameserver" {
        return None;
    }
    let address = words.next()?;
    // A link-local address names its interface.
    let address = address.split('%').next().unwrap_or(address);
    let address: IpAddr = address.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn servers(text: &str) -> Vec<String> {
        let servers = name_servers(text.as_bytes());
        servers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn name_servers_are_read_as_the_c_library_reads_them() {
        for (text, expected) in [
            (
                "nameserver 127.0.0.11\noptions ndots:0\n",
                &["127.0.0.11"][..],
            ),
            (
                "# nameserver 1.1.1.1\nsearch a b\nnameserver 10.0.0.2 # why\nnameserver\t10.0.0.3",
                &["10.0.0.2", "10.0.0.3"],
            ),
            ("nameserver fe80::1%eth0\n", &["fe80::1"]),
            ("nameserver ::ffff:10.0.0.1\n", &["10.0.0.1"]),
            ("nameserver none\nnameservers 1.1.1.1\n", &["127.0.0.1"]),
            ("", &["127.0.0.1"]),
        ] {
            assert_eq!(servers(text), expected, "{text}");
        }
        assert_eq!(
            name_servers(&b"nameserver 1.1.1.1\n".repeat(99)).len(),
            MAX_SERVERS
        );
        assert!(uses_systemd_resolved(&name_servers(
            b"nameserver 127.0.0.53"
        )));
        assert!(!uses_systemd_resolved(&name_servers(
            b"nameserver 127.0.0.11"
        )));
    }

    proptest! {
        #[test]
        fn no_file_is_too_odd(text in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!((1..=MAX_SERVERS).contains(&name_servers(&text).len()));
        }
    }
}
