//! Who asks DNS servers: the task that gave a socket its destination, by the socket's cookie.
//!
//! Packets are seen where no task is current, and an answer long after the call. So the address
//! hooks note the task, and the packet hooks look it up.

use aya_ebpf::bindings::BPF_ANY;
use gravlens_common::SocketEnds;

use crate::{kernel::task::Task, maps::DNS_ASKERS, scope::Caller};

/// A task that gave a socket a DNS server as its destination.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Asker {
    /// cgroup v2 id of the task. Zero, which no cgroup has, when its events are not reported.
    pub cgroup_id: u64,
    /// Fingerprint of the image that it ran.
    pub exec_key: u64,
    /// The server's address, in network byte order.
    pub address: [u8; 16],
    /// Thread id.
    pub tid: u32,
    /// Address family.
    pub family: u16,
    /// The server's port; zero where nobody was noted.
    pub port: u16,
}

impl Asker {
    /// Somebody was noted.
    #[inline(always)]
    pub fn is_known(&self) -> bool {
        self.port != 0
    }

    /// Its events are reported: it lies in scope and is not the agent.
    #[inline(always)]
    pub fn is_reported(&self) -> bool {
        self.cgroup_id != 0
    }
}

/// A task gives a socket its destination.
#[inline(always)]
pub fn note(cookie: u64, ends: &SocketEnds, caller: Option<Caller>) {
    let mut asker = Asker {
        cgroup_id: 0,
        exec_key: 0,
        address: ends.remote,
        tid: 0,
        family: ends.family,
        port: ends.remote_port,
    };
    if let Some(caller) = caller {
        asker.cgroup_id = caller.cgroup_id;
        asker.exec_key = Task::exec_key((caller.pid_tgid >> 32) as u32);
        asker.tid = caller.tid();
    }
    // The map evicts for it; where even that fails, the packets are told without their task.
    let _ = DNS_ASKERS.insert(cookie, asker, u64::from(BPF_ANY));
}

/// Who asks through the socket. Without a port when nobody was noted, rather than an `Option`: the
/// compiler would keep its undefined payload, which the verifier refuses.
#[inline(always)]
pub fn of(cookie: u64) -> Asker {
    // SAFETY: the entry is read at once. Another thread that gives the socket another destination
    // meanwhile may leave a mixture, as two calls on one socket at the same time may.
    match unsafe { DNS_ASKERS.get(cookie) } {
        Some(asker) => *asker,
        None => Asker {
            cgroup_id: 0,
            exec_key: 0,
            address: [0; 16],
            tid: 0,
            family: 0,
            port: 0,
        },
    }
}
