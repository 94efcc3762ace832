//! What the fields of an event are.

mod path_calls;

use std::sync::Arc;

use super::super::testing::{event, exec, in_container, open, process, verdict};
use super::super::*;
use crate::model::{
    AddressFamily, AddressName, ArgumentNames, Call, CallPath, Capabilities, ContainerMetadata,
    Endpoint, Event, Identity, Ids, Layer, Mount, Paths, Payload, Provenance, SetIds, Socket,
    SocketAddress, Stdio, StdioKind, Syscall, Transport, Tty,
};

pub(super) fn socket(
    syscall: Syscall,
    local: &str,
    remote: &str,
    transport: Transport,
) -> Event<'static> {
    let address = |text: &str| {
        let address: std::net::SocketAddr = text.parse().unwrap();
        Some(SocketAddress::Ip(address.ip(), address.port()))
    };
    let family = if remote.contains('[') {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    let socket = Socket {
        endpoint: Endpoint {
            family,
            transport: Some(transport),
            local: address(local),
            remote: address(remote),
        },
        fd: 5,
        provenance: Provenance::Kernel,
        fd_shared: false,
        local_name: AddressName::None,
        remote_name: AddressName::None,
    };
    event(
        process(10, "curl", &[], None),
        syscall,
        Payload::Socket(socket),
    )
}

#[test]
fn both_ends_of_a_socket_count() {
    let out = socket(
        Syscall::Connect,
        "10.0.0.2:40000",
        "93.184.216.34:443",
        Transport::Tcp,
    );
    let accepted = socket(
        Syscall::Accept4,
        "10.0.0.2:80",
        "192.168.1.7:5555",
        Transport::Tcp,
    );
    for (condition, on_connect, on_accept) in [
        ("fd.ip = 10.0.0.2", "true", "true"),
        ("fd.ip = 93.184.216.34", "true", "false"),
        ("fd.ip != 10.0.0.2", "false", "false"),
        ("fd.ip != 1.1.1.1", "true", "true"),
        ("fd.net = 10.0.0.0/8", "true", "true"),
        ("fd.net in (192.168.0.0/16)", "false", "true"),
        ("fd.net != 127.0.0.0/8", "true", "true"),
        ("fd.net != 10.0.0.0/8", "false", "false"),
        ("fd.port = 443", "true", "false"),
        ("fd.port in (80, 5555)", "false", "true"),
        ("fd.port != 443", "false", "true"),
        ("fd.sip = 93.184.216.34", "true", "false"),
        ("fd.sip = 10.0.0.2", "false", "true"),
        ("fd.cip = 192.168.1.7", "false", "true"),
        (
            "fd.snet in (\"10.0.0.0/8\", \"172.16.0.0/12\")",
            "false",
            "true",
        ),
        ("fd.rport = 443", "true", "false"),
        ("fd.lport > 100", "true", "false"),
        (
            "fd.typechar = 4 and fd.type = ipv4 and fd.sockfamily = ip",
            "true",
            "true",
        ),
        ("fd.is_server = true", "false", "true"),
        ("fd.connected = true", "true", "true"),
        (
            "fd.name = \"10.0.0.2:40000->93.184.216.34:443\"",
            "true",
            "false",
        ),
        (
            "fd.name = \"192.168.1.7:5555->10.0.0.2:80\"",
            "false",
            "true",
        ),
        ("fd.directory exists", "false", "false"),
    ] {
        assert_eq!(
            verdict(condition, &out),
            on_connect,
            "{condition} on connect"
        );
        assert_eq!(
            verdict(condition, &accepted),
            on_accept,
            "{condition} on accept"
        );
    }
}

fn call(syscall: Syscall, result: i64, first: [u64; 3], kind: Option<StdioKind>) -> Event<'static> {
    let [a, b, c] = first;
    let call = Call {
        arguments: [a, b, c, 0, 0, 0],
        descriptor: kind.map(|kind| Stdio { kind, inode: 1 }),
        fd_shared: false,
    };
    Event {
        result: Some(result),
        ..event(process(10, "sh", &[], None), syscall, Payload::Call(call))
    }
}

#[test]
fn arguments_of_calls_have_names_and_numbers() {
    let ptrace = call(Syscall::Ptrace, -1, [16, 7, 0], None);
    let kill = call(Syscall::Kill, 0, [u64::MAX, 9, 0], None);
    let unshare = call(Syscall::Unshare, 0, [0x1002_0000, 0, 0], None);
    let socket = call(Syscall::Socket, 4, [17, 3, 768], None);
    let setns = call(Syscall::Setns, 0, [5, 0x4000_0000, 0], None);
    for (event, condition) in [
        (
            &ptrace,
            "evt.arg.request = PTRACE_ATTACH and evt.rawarg.request = 16",
        ),
        (
            &ptrace,
            "evt.arg.pid = 7 and evt.res = EPERM and evt.failed = true",
        ),
        (
            &ptrace,
            "evt.args = 'request=PTRACE_ATTACH pid=7 addr=0x0 data=0x0 res=-1'",
        ),
        (&ptrace, "evt.category = process and not evt.arg.sig exists"),
        (
            &kill,
            "evt.arg.sig = SIGKILL and evt.rawarg.sig = 9 and evt.arg.pid = -1",
        ),
        (
            &unshare,
            "evt.arg.flags contains CLONE_NEWUSER and evt.arg.flags contains CLONE_NEWNS",
        ),
        (
            &socket,
            "evt.arg.domain = AF_PACKET and evt.arg.type = 3 and evt.arg.proto = 768",
        ),
        (&socket, "evt.arg.fd = 4 and fd.num = 4 and fd.typechar = o"),
        (
            &setns,
            "evt.arg.fd = 5 and evt.arg.nstype = CLONE_NEWNET and not fd.num exists",
        ),
    ] {
        assert_eq!(verdict(condition, event), "true", "{condition}");
    }
}

#[test]
fn a_copied_descriptor_is_what_it_was() {
    let address = |text: &str| {
        let address: std::net::SocketAddr = text.parse().unwrap();
        Some(SocketAddress::Ip(address.ip(), address.port()))
    };
    let endpoint = Endpoint {
        family: AddressFamily::Inet,
        transport: Some(Transport::Tcp),
        local: address("10.0.0.2:40000"),
        remote: address("203.0.113.1:4444"),
    };
    let socket = Some(StdioKind::Socket(Box::new(endpoint)));
    let socket = call(Syscall::Dup2, 1, [3, 1, 0], socket);
    let pipe = call(Syscall::Dup, 7, [3, 0, 0], Some(StdioKind::Pipe));
    let failed = call(Syscall::Dup, -9, [99, 0, 0], Some(StdioKind::Closed));
    for (event, condition) in [
        (
            &socket,
            "fd.num = 1 and fd.type = ipv4 and fd.sip = 203.0.113.1 and fd.sport = 4444",
        ),
        (
            &socket,
            "fd.name = '10.0.0.2:40000->203.0.113.1:4444' and fd.connected = true",
        ),
        (
            &socket,
            "evt.arg.oldfd = 3 and evt.arg.newfd = 1 and fd.name_changed = false",
        ),
        (
            &pipe,
            "fd.num = 7 and fd.typechar = p and not fd.name exists",
        ),
        (
            &failed,
            "fd.num = -1 and evt.res = EBADF and not fd.type exists",
        ),
    ] {
        assert_eq!(verdict(condition, event), "true", "{condition}");
    }
}

#[test]
fn addresses_of_both_families_are_compared() {
    let six = socket(
        Syscall::Connect,
        "[::1]:1",
        "[2001:db8::1]:443",
        Transport::Tcp,
    );
    let mapped = socket(
        Syscall::Connect,
        "[::1]:1",
        "[::ffff:8.8.8.8]:443",
        Transport::Tcp,
    );
    assert_eq!(
        verdict("fd.rnet = 2001:db8::/32 and fd.typechar = 6", &six),
        "true"
    );
    assert_eq!(verdict("fd.rip = 8.8.8.8", &mapped), "true");
    assert_eq!(verdict("fd.rnet = 0.0.0.0/0", &six), "false");
}

#[test]
fn a_datagram_with_an_address_is_not_connected() {
    let datagram = socket(Syscall::Sendto, "10.0.0.2:1", "10.0.0.3:53", Transport::Udp);
    let condition = "evt.type in (sendto, sendmsg) and fd.l4proto != tcp and fd.connected = false \
                     and fd.name_changed = true";
    assert_eq!(verdict(condition, &datagram), "true");
}

#[test]
fn a_result_that_no_hook_saw_is_unknown() {
    let mut unseen = socket(Syscall::Connect, "0.0.0.0:0", "10.0.0.3:53", Transport::Tcp);
    unseen.result = None;
    for (condition, expected) in [
        ("evt.type = connect and fd.rport = 53", "true"),
        ("evt.res = SUCCESS", "unknown"),
        ("evt.rawres < 0", "unknown"),
        ("fd.num >= 0", "unknown"),
        ("evt.arg.fd = 5", "unknown"),
        ("evt.failed = true or fd.connected = true", "unknown"),
        ("evt.failed = true and fd.rport = 54", "false"),
    ] {
        assert_eq!(verdict(condition, &unseen), expected, "{condition}");
    }
    let exit = event(
        process(10, "sh", &[], None),
        Syscall::Procexit,
        Payload::Exit {
            status: 0,
            signal: 0,
        },
    );
    let exit = Event {
        result: None,
        ..exit
    };
    assert_eq!(verdict("evt.res = SUCCESS", &exit), "false");
}

#[test]
fn ancestors_are_counted_from_the_parent() {
    let init = Arc::new(process(1, "init", &[], None));
    let sshd = Arc::new(process(2, "sshd", &["-D"], Some(init)));
    let bash = Arc::new(process(3, "bash", &[], Some(sshd)));
    let event = exec(process(4, "id", &["-u"], Some(bash)));
    for (condition, expected) in [
        ("proc.aname = sshd", "true"),
        ("proc.aname = id", "false"),
        ("proc.aname in (x, init)", "true"),
        ("proc.aname != init", "true"),
        ("proc.aname startswith ss", "true"),
        (
            "proc.aname[0] = id and proc.aname[1] = bash and proc.aname[2] = sshd",
            "true",
        ),
        ("proc.aname[4] exists", "false"),
        (
            "proc.pname = bash and proc.ppid = 3 and proc.apid[2] = 2",
            "true",
        ),
        ("proc.acmdline contains \"sshd -D\"", "true"),
        ("proc.pcmdline = bash", "true"),
        ("proc.aexepath = /usr/bin/sshd", "true"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
    }
}

#[test]
fn a_process_is_described_by_its_fields() {
    let mut sample = process(4242, "python3", &["-c", "print(1)"], None);
    sample.tty = Some(Tty {
        major: 136,
        minor: 3,
    });
    sample.ids = Some(Ids {
        euid: 1000,
        login_uid: Some(1000),
        ..Ids::default()
    });
    sample.capabilities = Some(Capabilities {
        effective: 1 << 21,
        ..Capabilities::default()
    });
    let image = Arc::get_mut(&mut sample.image).unwrap();
    let exe = image.exe.as_mut().unwrap();
    exe.layer = Some(Layer::UpperOnly);
    exe.memfd = true;
    let event = exec(sample);
    for (condition, expected) in [
        ("proc.cmdline = \"python3 -c print(1)\"", "true"),
        (
            "proc.args = \"-c print(1)\" and proc.args[1] = \"print(1)\"",
            "true",
        ),
        ("proc.exeline = \"python3 -c print(1)\"", "true"),
        ("proc.cmdnargs = 2 and proc.cmdlenargs = 10", "true"),
        ("proc.cwd = /srv/", "true"),
        ("proc.tty = 34819", "true"),
        ("proc.pid = 4242 and proc.vpid = 42", "true"),
        ("proc.duration = 2000000000", "true"),
        ("proc.pid.ts = 1699999998000000000", "true"),
        (
            "proc.is_exe_upper_layer = true and proc.is_exe_lower_layer = false",
            "true",
        ),
        ("proc.is_exe_from_memfd = true", "true"),
        ("evt.arg.flags contains EXE_UPPER_LAYER", "true"),
        ("user.uid = 1000 and user.loginuid = 1000", "true"),
        ("user.name exists", "false"),
        ("group.name = root", "true"),
        ("thread.cap_effective icontains sys_admin", "true"),
        ("thread.cap_permitted contains CAP", "false"),
        ("thread.ismain = true", "true"),
        ("container.id = host and container.name = host", "true"),
        ("container.image exists", "false"),
        ("proc.stdin.type exists", "false"),
        ("evt.time.iso8601 startswith 2023-11-14T22:13:20", "true"),
        (
            "evt.num >= 1 and evt.dir = < and evt.source = syscall",
            "true",
        ),
        ("evt.type.is[execve] = 1 and evt.type.is[open] = 0", "true"),
        ("evt.category = process and syscall.type = execve", "true"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
    }
}

#[test]
fn an_open_is_described_by_its_fields() {
    let mut failed = open(process(10, "cat", &[], None), "/etc/shadow", 0);
    failed.result = Some(-2);
    if let Payload::Open(open) = &mut failed.payload {
        open.name = Some(b"../../etc/shadow".into());
    }
    let write = open(process(10, "sh", &[], None), "/var/log/auth.log", 0o1101);
    for (condition, on_failure, on_write) in [
        ("evt.is_open_read = true", "true", "false"),
        ("evt.is_open_write = true", "false", "true"),
        (
            "fd.num = -1 and evt.res = ENOENT and evt.failed = true",
            "true",
            "false",
        ),
        (
            "fd.num >= 0 and evt.rawres = 3 and evt.res = SUCCESS",
            "false",
            "true",
        ),
        ("evt.arg.flags contains O_TRUNC", "false", "true"),
        ("evt.arg[flags] contains O_TRUNC", "false", "true"),
        ("evt.rawarg.flags = 0x241", "false", "true"),
        (
            "fd.directory = /var/log and fd.filename = auth.log",
            "false",
            "true",
        ),
        ("fd.nameraw = ../../etc/shadow", "true", "false"),
        ("fd.nameraw exists", "true", "false"),
        ("fd.name pmatch (/var/log, /srv)", "false", "true"),
        ("fd.name glob \"/var/*/auth.*\"", "false", "true"),
        ("fd.name iglob \"/VAR/*\"", "false", "true"),
        ("fd.name regex \"/var/[a-z]+/auth[.]log\"", "false", "true"),
        ("fd.name regex \"/var\"", "false", "false"),
        ("fd.name endswith shadow", "true", "false"),
        ("fd.name bcontains 61757468", "false", "true"),
        ("fd.name bstartswith 2f766172", "false", "true"),
        ("fd.name icontains AUTH", "false", "true"),
        ("fd.typechar = f", "true", "true"),
        ("fd.sip exists", "false", "false"),
    ] {
        assert_eq!(verdict(condition, &failed), on_failure, "{condition}");
        assert_eq!(verdict(condition, &write), on_write, "{condition}");
    }
}

#[test]
fn container_metadata_is_read() {
    let mut metadata = ContainerMetadata {
        name: "web".to_owned(),
        image: "registry:5000/team/nginx:1.27".to_owned(),
        image_repository: "registry:5000/team/nginx".to_owned(),
        image_tag: "1.27".to_owned(),
        image_digest: "sha256:0123456789abcdef".to_owned(),
        privileged: true,
        ..ContainerMetadata::default()
    };
    metadata
        .labels
        .insert("io.kubernetes.pod.name".to_owned(), "web-1".to_owned());
    metadata.mounts = vec![
        mount("/proc", "/host/proc"),
        mount("/var/run/docker.sock", "/docker.sock"),
    ];
    let event = in_container(
        exec(process(4, "sh", &[], None)),
        Identity::Full(Arc::new(metadata)),
    );
    for (condition, expected) in [
        (
            "container.id = 0123456789ab and container.type = docker",
            "true",
        ),
        (
            "container.image.repository endswith nginx and container.image.tag = 1.27",
            "true",
        ),
        ("container.image.id = 0123456789ab", "true"),
        ("container.privileged = true", "true"),
        ("k8s.pod.name = web-1 and not k8s.ns.name exists", "true"),
        ("container.mount.dest[/proc*] != \"N/A\"", "true"),
        ("container.mount.dest[/sys*] exists", "false"),
        ("container.mount.dest[1] = /docker.sock", "true"),
        (
            "container.mount.source in (/, /var/run/docker.sock)",
            "true",
        ),
        (
            "container.mount.source[/docker*] endswith docker.sock",
            "true",
        ),
        ("container.mount.rdwr[0] = true", "true"),
        ("container.mounts contains /proc:/host/proc::true", "true"),
        ("container.label[io.kubernetes.pod.name] = web-1", "true"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
    }
}

fn mount(source: &str, destination: &str) -> Mount {
    Mount {
        source: source.to_owned(),
        destination: destination.to_owned(),
        read_write: true,
    }
}

#[test]
fn a_field_says_on_which_events_it_can_have_a_value() {
    let on_paths = Syscall::ALL
        .iter()
        .filter(|&&call| ArgumentNames::of(call).is_some())
        .map(|&call| {
            let call_with_all = Paths {
                first: call_path("/x/y", "y"),
                second: call_path("/x/z", "z"),
                numbers: [1, 2],
                descriptor: Some(3),
            };
            paths(call, call_with_all, 0)
        });
    let mut events = vec![
        exec(process(
            4,
            "sh",
            &["-c", "x"],
            Some(Arc::new(process(3, "sh", &[], None))),
        )),
        open(process(4, "sh", &[], None), "/x/y", 0),
        socket(Syscall::Connect, "10.0.0.2:1", "10.0.0.3:2", Transport::Tcp),
        event(
            process(4, "sh", &[], None),
            Syscall::Setuid,
            Payload::SetIds(SetIds { argument: 0 }),
        ),
        event(
            process(4, "sh", &[], None),
            Syscall::Procexit,
            Payload::Exit {
                status: 1,
                signal: 0,
            },
        ),
    ];
    let calls = EventTypes::ALL
        .iter()
        .map(|syscall| call(syscall, 3, [2, 2, 2], None));
    let copy = call(Syscall::Dup, 3, [2, 2, 2], Some(StdioKind::Pipe));
    events.extend(on_paths.chain(calls).chain([copy]));
    for info in catalogue::fields() {
        for event in &events {
            let mut scratch = Vec::new();
            let value = event.get(info.id, None, &mut scratch);
            let has_value = match value {
                Value::Many(values) => values.count() > 0,
                Value::One(_) => true,
                Value::Missing | Value::Unknown => false,
            };
            let name = (info.name, event.syscall);
            assert!(!has_value || info.on.contains(event.syscall), "{name:?}");
        }
    }
}

#[test]
fn a_process_that_is_not_known_is_nobody() {
    let mut stand_in = process(4242, "", &[], None);
    stand_in.ids = None;
    stand_in.capabilities = None;
    stand_in.image = Arc::default();
    stand_in.exec_id.start_boottime_ns = 0;
    let event = open(stand_in, "/etc/passwd", 0);
    for condition in [
        "user.uid = 0",
        "user.uid >= 0",
        "user.name = root",
        "group.gid = 0",
        "user.loginuid = -1",
        "thread.cap_effective contains CAP",
        "thread.cap_effective = \"\"",
        "proc.cmdnargs = 0",
        "proc.pid = 4242",
        "proc.ppid = 0",
        "proc.tty = 0",
        "proc.duration > 0",
        "thread.ismain = true",
    ] {
        assert_eq!(verdict(condition, &event), "false", "{condition}");
    }
}

fn call_path(path: &str, name: &str) -> CallPath<'static> {
    CallPath {
        path: super::super::testing::path(path.as_bytes().to_vec().into()),
        name: Some(name.as_bytes().to_vec().into()),
        provenance: Some(Provenance::UserMemory),
        fd_shared: false,
    }
}

fn paths(syscall: Syscall, paths: Paths<'static>, result: i64) -> Event<'static> {
    Event {
        result: Some(result),
        ..event(process(10, "mv", &[], None), syscall, Payload::Paths(paths))
    }
}
