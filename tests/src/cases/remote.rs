//! The other machine of a deed: it takes connections and answers DNS queries.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;

use crate::container::Container;
use crate::netns::{REMOTE, RemoteHost};

const DNS: u16 = 53;
/// How soon a server sees that it is to end.
const PATIENCE: Duration = Duration::from_millis(50);
const ANSWER: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
/// Bytes of a DNS message before its question.
const HEADER: usize = 12;
/// Type A.
const ADDRESS: [u8; 2] = [0, 1];

/// A machine with its servers, which end when it is dropped.
#[derive(Debug)]
pub(super) struct Remote {
    host: RemoteHost,
    ended: Arc<AtomicBool>,
    servers: Vec<JoinHandle<()>>,
}

impl Remote {
    /// Starts the machine, listening on these TCP ports.
    pub(super) fn new(ports: &[u16]) -> Result<Self> {
        let mut remote = Self {
            host: RemoteHost::new()?,
            ended: Arc::default(),
            servers: Vec::new(),
        };
        let names = remote.host.udp(DNS)?;
        names.set_read_timeout(Some(PATIENCE))?;
        remote.serve(move |ended| answer_queries(&names, &ended));
        for port in ports {
            let listener = remote.host.listen(*port)?;
            listener.set_nonblocking(true)?;
            remote.serve(move |ended| take_connections(&listener, &ended));
        }
        Ok(remote)
    }

    /// Connects a running container.
    pub(super) async fn attach(&self, container: &Container) -> Result<()> {
        self.host.attach(container).await
    }

    fn serve(&mut self, server: impl FnOnce(Arc<AtomicBool>) + Send + 'static) {
        let ended = Arc::clone(&self.ended);
        self.servers.push(std::thread::spawn(move || server(ended)));
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for server in self.servers.drain(..) {
            let _ = server.join();
        }
    }
}

fn take_connections(listener: &TcpListener, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => answer_connection(stream),
            Err(_) => std::thread::sleep(PATIENCE),
        }
    }
}

/// Whoever comes gets the same answer. What becomes of the connection is the deed's own affair.
fn answer_connection(mut stream: TcpStream) {
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut request = [0; 1024];
    let _ = stream.read(&mut request);
    let _ = stream.write_all(ANSWER);
}

fn answer_queries(socket: &UdpSocket, ended: &AtomicBool) {
    let mut query = [0; 512];
    while !ended.load(Ordering::Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut query)
            && let Some(answer) = answer(&query[..length])
        {
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// Every name has the address of this machine and none of IPv6; `None` for what is no query.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let name = query.get(HEADER..)?.iter().position(|byte| *byte == 0)? + 1;
    let question = query.get(HEADER..HEADER + name + 4)?;
    let found = question[name..].starts_with(&ADDRESS);
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(found), 0, 0, 0, 0]);
    answer.extend(question);
    if found {
        // The name of the question, type A, class IN, a minute, four bytes.
        answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(REMOTE.octets());
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for `a.b`, of this type.
    fn query(kind: u8) -> Vec<u8> {
        let mut bytes = vec![
            7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 1, b'b', 0, 0, kind, 0, 1,
        ];
        bytes.extend([0; 11]); // an additional record, which is not repeated
        bytes
    }

    #[test]
    fn a_name_has_one_address() {
        let answer = answer(&query(1)).unwrap();
        assert_eq!(answer[..8], [7, 9, 0x81, 0x80, 0, 1, 0, 1]);
        assert_eq!(answer[HEADER..21], query(1)[HEADER..21]);
        assert!(answer.ends_with(&REMOTE.octets()));
    }

    #[test]
    fn other_types_have_none_and_what_is_no_query_no_answer() {
        let none = answer(&query(28)).unwrap();
        assert_eq!((none.len(), none[7]), (21, 0));
        assert_eq!(answer(b"shell"), None);
        assert_eq!(answer(&query(1)[..18]), None);
    }
}
