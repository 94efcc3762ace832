//! Approvers as the kernel programs look them up, and the same decisions on events.

use gravlens_common::{
    ApproverTable, EventClass, NAME_HEAD, NameKey, PATH_BEGIN, PORT_PLACES, PathsRecord,
    WantedName, port_bit, verdict,
};

use super::{ClassApprover, NamePattern, Wanted};
use crate::model::{Endpoint, Event, Payload, SocketAddress, Syscall};

/// The table of these classes; the events of others are kept.
pub(super) fn of(classes: &[ClassApprover]) -> ApproverTable {
    let mut table = ApproverTable::KEEP_ALL;
    for ClassApprover {
        call,
        class,
        wanted,
    } in classes
    {
        let verdict = match wanted {
            Wanted::Nothing => verdict::DROP,
            Wanted::Everything { .. } => verdict::KEEP,
            Wanted::Names(names) => {
                for name in names {
                    add_name(&mut table, name, class.bit());
                }
                verdict::BY_NAME
            }
            Wanted::Ports(ports) => {
                for &port in ports {
                    table.ports[port_place(port)] |= port_bit(call.hook());
                }
                verdict::BY_PORT
            }
        };
        table.verdicts[*call as usize][usize::from(class.number())] = verdict;
    }
    table
}

fn add_name(table: &mut ApproverTable, pattern: &NamePattern, class: u8) {
    let (key, entry) = match pattern {
        NamePattern::Last(name) => {
            let key = key_of(name);
            (key, WantedName::new(key.tag, 0, class))
        }
        NamePattern::Anywhere(name) => {
            let key = key_of(name);
            (key, WantedName::new(key.tag, class, 0))
        }
        NamePattern::Begin(begin) => {
            let key = NameKey::of_begin(u32::from_le_bytes(*begin));
            (key, WantedName::new(key.tag, class, 0))
        }
    };
    let place = &mut table.names[key.place as usize];
    *place = WantedName(*place).union(entry).0;
}

/// The key of a name that is not empty.
fn key_of(name: &[u8]) -> NameKey {
    let mut head = [0; NAME_HEAD];
    let len = name.len().min(NAME_HEAD);
    head[..len].copy_from_slice(&name[..len]);
    NameKey::of(name.len() as u64, u64::from_le_bytes(head))
}

fn port_place(port: u16) -> usize {
    usize::from(port) % PORT_PLACES
}

/// Whether a table keeps an event: the decision of the kernel programs.
pub(super) fn keeps(table: &ApproverTable, event: &Event<'_>) -> bool {
    let call = event.syscall;
    let by_result = || {
        event
            .result
            .map_or(EventClass::NO_RESULT, EventClass::of_result)
    };
    match &event.payload {
        Payload::Open(open) => {
            let result = event.result.unwrap_or_default() as i32;
            let class = EventClass::of_open(call, open.flags, open.created, result);
            // A descriptor without its file is told anyway: what it is for is not known in time.
            let without_file = result >= 0 && open.name.is_some();
            let is_whole = !open.path.bytes.is_empty() && !open.path.truncated;
            let path = is_whole.then_some(&*open.path.bytes);
            without_file || keeps_open(table, call, class, path)
        }
        Payload::Socket(socket) => {
            let Endpoint { local, remote, .. } = &socket.endpoint;
            let ports = [local, remote].map(|end| match end {
                Some(SocketAddress::Ip(_, port)) => *port,
                Some(SocketAddress::Unix(_)) | None => 0,
            });
            keeps_socket(table, call, by_result(), ports)
        }
        Payload::Paths(_) if !PathsRecord::hook(call).is_critical() => {
            verdict_of(table, call, by_result()) != verdict::DROP
        }
        Payload::Call(_) if !call.hook().is_critical() => {
            verdict_of(table, call, by_result()) != verdict::DROP
        }
        _ => true,
    }
}

/// Whether a table keeps an open; `None` of a path that is not whole.
pub(super) fn keeps_open(
    table: &ApproverTable,
    call: Syscall,
    class: EventClass,
    path: Option<&[u8]>,
) -> bool {
    match (verdict_of(table, call, class), path) {
        (verdict::DROP, _) => false,
        (verdict::BY_NAME, Some(path)) => names_are_wanted(table, path, class),
        _ => true,
    }
}

/// Whether a table keeps a socket call, by the ports of both ends.
pub(super) fn keeps_socket(
    table: &ApproverTable,
    call: Syscall,
    class: EventClass,
    ports: [u16; 2],
) -> bool {
    match verdict_of(table, call, class) {
        verdict::DROP => false,
        verdict::BY_PORT => {
            let mut hooks = ports.into_iter().map(|port| table.ports[port_place(port)]);
            hooks.any(|hooks| hooks & port_bit(call.hook()) != 0)
        }
        _ => true,
    }
}

fn verdict_of(table: &ApproverTable, call: Syscall, class: EventClass) -> u8 {
    table.verdicts[call as usize][usize::from(class.number())]
}

fn names_are_wanted(table: &ApproverTable, path: &[u8], class: EventClass) -> bool {
    // A file in memory has whatever name its maker gave it.
    if path.starts_with(b"/memfd:") {
        return true;
    }
    let wants = |key: NameKey, is_last| {
        let entry = WantedName(table.names[key.place as usize]);
        entry.classes(key.tag, is_last) & class.bit() != 0
    };
    let begin = path.first_chunk::<PATH_BEGIN>();
    if begin.is_some_and(|begin| wants(NameKey::of_begin(u32::from_le_bytes(*begin)), false)) {
        return true;
    }
    let names = path.split(|byte| *byte == b'/');
    let mut names = names.filter(|name| !name.is_empty()).peekable();
    while let Some(name) = names.next() {
        if wants(key_of(name), names.peek().is_none()) {
            return true;
        }
    }
    false
}
