//! What the canary does in a round: the one table from hooks to deeds.
//!
//! Each deed leaves everything as it was. Its result does not matter: a call that fails reaches its
//! hook as well as one that succeeds.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use gravlens_common::{DNS_PORT, Hook};
use rustix::mount::UnmountFlags;

use crate::probe;

/// Makes the calls; the path is the canary's own cgroup.
pub(super) type Deed = fn(&Path) -> io::Result<()>;

/// Each deed with the hooks that it reaches: every one.
pub(super) static DEEDS: &[(&[Hook], Deed)] = &[
    (&[Hook::Fork, Hook::Exec, Hook::Exit], run_itself),
    (&[Hook::CgroupMkdir, Hook::CgroupRmdir], make_cgroup),
    (&[Hook::CgroupAttach], stay_in_cgroup),
    (&[Hook::SetIds], stay_who_it_is),
    (&[Hook::Open], open_files),
    (&[Hook::FileChange], remove_nothing),
    (&[Hook::Mount], unmount_nothing),
    (&[Hook::ExecFailed], run_nothing),
    (&[Hook::Connect], connect_to_nobody),
    (&[Hook::Send], send_to_itself),
    (&[Hook::Dns], ask_nobody),
    (
        &[Hook::Socket, Hook::Bind, Hook::Listen, Hook::Accept],
        answer_itself,
    ),
    (&[Hook::Privilege], enter_no_namespace),
    (&[Hook::Descriptor], copy_descriptor),
    (&[Hook::Signal], signal_nothing),
    (&[Hook::Memory], map_nothing),
];

/// A file that does not exist.
const ABSENT: &str = "/gravlens-canary-absent";
/// The last address of the loopback network, which no resolver takes for itself.
const NO_RESOLVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 255, 255, 254), DNS_PORT);
/// A port that nobody listens on (tcpmux).
const CLOSED_PORT: u16 = 1;

fn run_itself(_: &Path) -> io::Result<()> {
    // Without a cgroup the helper ends at once.
    Command::new("/proc/self/exe")
        .arg("canary")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(drop)
}

fn make_cgroup(cgroup: &Path) -> io::Result<()> {
    let inner = cgroup.join("round");
    fs::create_dir(&inner)?;
    fs::remove_dir(inner)
}

fn stay_in_cgroup(cgroup: &Path) -> io::Result<()> {
    // Zero is the writer itself.
    fs::write(cgroup.join("cgroup.procs"), "0")
}

fn stay_who_it_is(_: &Path) -> io::Result<()> {
    rustix::thread::set_thread_uid(rustix::process::getuid())?;
    Ok(())
}

fn open_files(_: &Path) -> io::Result<()> {
    drop(File::open(ABSENT));
    File::open("/dev/null").map(drop)
}

fn remove_nothing(_: &Path) -> io::Result<()> {
    fs::remove_file(ABSENT)
}

/// A name that does not exist is no mount, for root and for everybody else.
fn unmount_nothing(_: &Path) -> io::Result<()> {
    rustix::mount::unmount(ABSENT, UnmountFlags::empty())?;
    Ok(())
}

/// The program that ran the canary itself is told by its own hook; this one never runs.
fn run_nothing(_: &Path) -> io::Result<()> {
    Command::new(ABSENT).status().map(drop)
}

fn connect_to_nobody(_: &Path) -> io::Result<()> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, CLOSED_PORT)).map(drop)
}

fn send_to_itself(_: &Path) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.send_to(b"canary", socket.local_addr()?).map(drop)
}

/// Too short for a DNS message, so that a server that listens on every address drops it.
fn ask_nobody(_: &Path) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.send_to(b"canary", NO_RESOLVER).map(drop)
}

fn answer_itself(_: &Path) -> io::Result<()> {
    let name = format!("gravlens-canary-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name)?;
    let listener = UnixListener::bind_addr(&address)?;
    // The backlog takes it before it is accepted.
    let _client = UnixStream::connect_addr(&address)?;
    listener.accept().map(drop)
}

/// setns refuses a descriptor that is no namespace.
fn enter_no_namespace(_: &Path) -> io::Result<()> {
    let null = File::open("/dev/null")?;
    rustix::thread::move_into_link_name_space(null.as_fd(), None)?;
    Ok(())
}

fn copy_descriptor(_: &Path) -> io::Result<()> {
    let null = File::open("/dev/null")?;
    drop(rustix::io::dup(&null)?);
    Ok(())
}

fn signal_nothing(_: &Path) -> io::Result<()> {
    rustix::process::test_kill_process(rustix::process::getpid())?;
    Ok(())
}

fn map_nothing(_: &Path) -> io::Result<()> {
    probe::ask_for_nothing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_has_one_deed() {
        for hook in Hook::ALL {
            let deeds = DEEDS.iter().filter(|(hooks, _)| hooks.contains(&hook));
            assert_eq!(deeds.count(), 1, "{}", hook.name());
        }
    }

    #[test]
    fn socket_deeds_work_where_there_is_a_loopback() {
        let nowhere = Path::new("/nowhere");
        answer_itself(nowhere).unwrap();
        send_to_itself(nowhere).unwrap();
        ask_nobody(nowhere).unwrap();
        open_files(nowhere).unwrap();
        stay_who_it_is(nowhere).unwrap();
    }
}
