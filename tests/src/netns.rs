//! A second machine on a network of its own, without leaving this one.
//!
//! The machine is a network namespace that owns a public-looking address from the ranges that are
//! reserved for documentation. A veth pair leads from it into a container, another to this node; no
//! route leads anywhere else, so nothing that a scenario sends can leave the namespaces.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::container::Container;
use crate::process::ProcessId;
use crate::undo::{self, Leftover};

/// Address of the other machine.
pub const REMOTE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// Address of this node on the link to the other machine, from the range for benchmarks.
pub const NODE: Ipv4Addr = Ipv4Addr::new(198, 18, 113, 1);
const NODE_ON_LINK: &str = "198.18.113.1/30";
const REMOTE_TO_NODE: &str = "198.18.113.2/30";
/// The link as the other machine names it.
const TO_NODE: &str = "node0";

const REMOTE_ON_LINK: &str = "198.51.100.1/24";
const CONTAINER_ON_LINK: &str = "198.51.100.2/24";
const GATEWAY: &str = "198.51.100.1";

/// The other machine; gone when dropped.
#[derive(Debug)]
pub struct RemoteHost {
    /// Keeps the namespace alive.
    holder: Child,
    _guard: undo::Guard,
}

impl RemoteHost {
    /// Makes the namespace, with loopback up and [`REMOTE`] on it.
    pub fn new() -> Result<Self> {
        let holder = Command::new("unshare")
            .args(["--net", "sleep", "infinity"])
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot run unshare: run `cargo xtask setup`")?;
        let process = ProcessId::of(i32::try_from(holder.id())?).context("unshare ended")?;
        let host = Self {
            holder,
            _guard: undo::register(Leftover::Process(process)),
        };
        host.wait_for_namespace()?;
        let pid = host.pid();
        ip(pid, &["link", "set", "lo", "up"])?;
        ip(
            pid,
            &["address", "add", &format!("{REMOTE}/32"), "dev", "lo"],
        )?;
        Ok(host)
    }

    /// Connects a running container that has no network yet.
    pub async fn attach(&self, container: &Container) -> Result<()> {
        let inside = container.init_pid().await?;
        let host = self.pid();
        ensure!(
            namespace(inside)? != namespace(i32::try_from(std::process::id())?)?,
            "{} shares this machine's network",
            container.name()
        );
        let peer = inside.to_string();
        let pair = [
            "link", "add", "link0", "type", "veth", "peer", "name", "eth0", "netns",
        ];
        ip(host, &[&pair[..], &[&peer]].concat())?;
        ip(host, &["address", "add", REMOTE_ON_LINK, "dev", "link0"])?;
        ip(host, &["link", "set", "link0", "up"])?;
        ip(
            inside,
            &["address", "add", CONTAINER_ON_LINK, "dev", "eth0"],
        )?;
        ip(inside, &["link", "set", "eth0", "up"])?;
        ip(inside, &["route", "add", "default", "via", GATEWAY])
    }

    /// Connects this node, under [`NODE`]. The link ends with the other machine.
    pub fn attach_node(&self) -> Result<()> {
        let own = i32::try_from(std::process::id())?;
        let remote = self.pid();
        let end = format!("gvl{own}");
        let pair = ["link", "add", &end, "type", "veth", "peer", "name", TO_NODE];
        ip(own, &[&pair[..], &["netns", &remote.to_string()]].concat())?;
        ip(own, &["address", "add", NODE_ON_LINK, "dev", &end])?;
        ip(own, &["link", "set", &end, "up"])?;
        ip(remote, &["address", "add", REMOTE_TO_NODE, "dev", TO_NODE])?;
        self.set_node_link(true)
    }

    /// Cuts the link to this node, or makes it whole again.
    pub fn set_node_link(&self, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        ip(self.pid(), &["link", "set", TO_NODE, state])
    }

    /// A program on the other machine.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.pid()))
            .arg(program);
        command
    }

    /// Listens for TCP connections on the other machine.
    pub fn listen(&self, port: u16) -> Result<TcpListener> {
        self.inside(move || TcpListener::bind(SocketAddrV4::new(REMOTE, port)))
    }

    /// Opens a UDP port on the other machine.
    pub fn udp(&self, port: u16) -> Result<UdpSocket> {
        self.inside(move || UdpSocket::bind(SocketAddrV4::new(REMOTE, port)))
    }

    /// Makes a socket inside the namespace. Only the thread that makes it moves there.
    fn inside<T: Send>(&self, make: impl FnOnce() -> std::io::Result<T> + Send) -> Result<T> {
        let namespace = File::open(format!("/proc/{}/ns/net", self.pid()))?;
        let network = Some(LinkNameSpaceType::Network);
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), network)?;
                make()
            });
            let made = worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(made?)
        })
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.holder.id()).expect("pids are below 2^22")
    }

    fn wait_for_namespace(&self) -> Result<()> {
        let own = namespace(i32::try_from(std::process::id())?)?;
        let deadline = Instant::now() + Duration::from_secs(5);
        while namespace(self.pid())? == own {
            ensure!(Instant::now() < deadline, "unshare made no namespace");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for RemoteHost {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn namespace(pid: i32) -> Result<std::path::PathBuf> {
    let link = format!("/proc/{pid}/ns/net");
    std::fs::read_link(&link).with_context(|| format!("cannot read {link}"))
}

/// Gives the loopback device of a container's network an address more, so that a peer of any address
/// can listen beside the container without anything leaving it.
///
/// # Errors
/// The container shares this machine's network, or `ip` fails.
pub async fn add_loopback_address(container: &Container, address: Ipv4Addr) -> Result<()> {
    let inside = container.init_pid().await?;
    ensure!(
        namespace(inside)? != namespace(i32::try_from(std::process::id())?)?,
        "{} shares this machine's network",
        container.name()
    );
    let address = format!("{address}/32");
    ip(inside, &["address", "add", &address, "dev", "lo"])
}

/// Runs `ip` inside the network namespace of a process.
fn ip(pid: i32, arguments: &[&str]) -> Result<()> {
    let output = Command::new("nsenter")
        .arg(format!("--net=/proc/{pid}/ns/net"))
        .arg("ip")
        .args(arguments)
        .output()
        .context("cannot run nsenter and ip: run `cargo xtask setup`")?;
    if !output.status.success() {
        bail!(
            "ip {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
