//! What rules mean, end to end: from their text to a verdict on an event.

use super::testing::{
    event, exec, in_container, loaded, metadata, open, process, verdict, with_condition,
};
use std::sync::Arc;

use super::*;
use crate::model::{
    AddressFamily, ContainerMetadata, Endpoint, Event, Identity, Layer, Mount, Payload, Provenance,
    SetIds, Socket, SocketAddress, Syscall, Transport, Tty,
};

#[test]
fn a_missing_field_makes_every_comparison_false() {
    let event = exec(process(10, "sh", &[], None));
    for (condition, expected) in [
        ("proc.pname = x", "false"),
        ("proc.pname != x", "false"),
        ("not (proc.pname = x)", "true"),
        ("not proc.pname != x", "true"),
        ("proc.pname exists", "false"),
        ("not proc.pname exists", "true"),
        ("proc.name != x", "true"),
        // No arguments are known to be none.
        ("proc.args = \"\" and proc.args != x", "true"),
        ("proc.args[0] exists", "false"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
    }
}

#[test]
fn pending_metadata_is_unknown_and_then_decides() {
    let pending = in_container(exec(process(10, "sh", &[], None)), Identity::Pending);
    let failed = in_container(
        exec(process(10, "sh", &[], None)),
        Identity::Failed("x".into()),
    );
    let known = in_container(exec(process(10, "sh", &[], None)), metadata("nginx"));
    for (condition, while_pending, when_failed, when_known) in [
        (
            "container.image.repository = nginx",
            "unknown",
            "false",
            "true",
        ),
        (
            "container.image.repository != nginx",
            "unknown",
            "false",
            "false",
        ),
        (
            "not container.image.repository = nginx",
            "unknown",
            "true",
            "false",
        ),
        (
            "container.image.repository = nginx and proc.name = bash",
            "false",
            "false",
            "false",
        ),
        (
            "container.image.repository = nginx or proc.name = sh",
            "true",
            "true",
            "true",
        ),
        ("container.id != host", "true", "true", "true"),
        ("container.name exists", "unknown", "false", "true"),
    ] {
        assert_eq!(verdict(condition, &pending), while_pending, "{condition}");
        assert_eq!(verdict(condition, &failed), when_failed, "{condition}");
        assert_eq!(verdict(condition, &known), when_known, "{condition}");
    }
}

#[test]
fn a_finding_shows_what_decided() {
    let Loaded { set, .. } = with_condition(
        "evt.type = openat and not proc.name in (bash, dash) and fd.name startswith /etc/",
    );
    let event = open(process(10, "cat", &[], None), "/etc/shadow", 0);
    let mut outcome = Outcome::default();
    set.evaluate(&event, &mut outcome);
    let finding = set.finding(outcome.matched[0], &event);
    assert_eq!(finding.output, "o cat");
    let shown: Vec<_> = finding
        .evidence
        .iter()
        .map(|term| {
            let value = term.value.as_deref().unwrap_or("-");
            (
                format!("{} {} {}", term.field, term.operator, term.operand),
                value,
                term.negated,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("evt.type = openat".to_owned(), "openat", false),
            ("proc.name in (bash, dash)".to_owned(), "cat", true),
            ("fd.name startswith /etc/".to_owned(), "/etc/shadow", false),
        ]
    );
}

#[test]
fn lists_nest_and_a_later_definition_replaces() {
    let Loaded { set, report } = loaded(
        "- macro: m\n  condition: proc.name in (outer)\n\
         - rule: r\n  desc: d\n  condition: m\n  output: o\n  priority: INFO\n\
         - list: outer\n  items: [inner, z]\n\
         - list: inner\n  items: [a]\n\
         - list: inner\n  items: [b]\n",
    );
    assert!(report.refused.is_empty(), "{}", report.to_text());
    let fires = |name| {
        let mut outcome = Outcome::default();
        set.evaluate(&exec(process(10, name, &[], None)), &mut outcome);
        !outcome.matched.is_empty()
    };
    assert!(fires("b") && fires("z") && !fires("a"));
}

#[test]
fn an_event_type_decides_what_is_evaluated() {
    let Loaded { set, .. } = with_condition("evt.type in (execve, execveat) and evt.dir=<");
    let rule = set.rules().next().unwrap();
    assert_eq!(rule.event_types, EventTypes::EXEC);
    let event = event(process(10, "sh", &[], None), Syscall::Clone, Payload::Fork);
    let mut outcome = Outcome::default();
    set.evaluate(&event, &mut outcome);
    assert!(outcome.matched.is_empty());
}

fn socket(syscall: Syscall, local: &str, remote: &str, transport: Transport) -> Event<'static> {
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
    sample.ids.euid = 1000;
    sample.ids.login_uid = Some(1000);
    sample.capabilities.effective = 1 << 21;
    let exe = sample.exe.as_mut().unwrap();
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
    let mut failed = open(process(10, "cat", &[], None), "../../etc/shadow", 0);
    failed.result = Some(-2);
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
        ("fd.nameraw contains ../", "true", "false"),
        ("fd.name pmatch (/var/log, /etc)", "false", "true"),
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
fn transformers_and_fields_on_the_right_are_evaluated() {
    let parent = Arc::new(process(3, "SH", &[], None));
    let event = exec(process(4, "sh", &["aGVsbG8="], Some(parent)));
    for (condition, expected) in [
        ("tolower(proc.pname) = val(proc.name)", "true"),
        ("proc.pname = toupper(proc.name)", "true"),
        ("b64(proc.args) = hello", "true"),
        ("b64(proc.cwd) exists", "false"),
        (
            "len(proc.args) = 8 and len(proc.args) > len(proc.name)",
            "true",
        ),
        ("basename(proc.exepath) = sh", "true"),
        ("toupper(basename(proc.exepath)) = SH", "true"),
        ("join(\"-\", (proc.name, proc.pname)) = sh-SH", "true"),
        ("concat(proc.name, \"+\", proc.pid) = \"sh+4\"", "true"),
        ("concat(proc.name, fd.name) exists", "false"),
        ("proc.aname = val(proc.pname)", "true"),
        ("proc.exepath endswith val(proc.name)", "true"),
        ("proc.exepath pmatch val(proc.exepath)", "true"),
        ("proc.pid > val(proc.ppid)", "true"),
        ("proc.pname = val(fd.name)", "false"),
        ("not proc.pname != val(fd.name)", "true"),
        ("proc.name contains oneof (s, h)", "false"),
        ("proc.name contains oneof (s, x)", "true"),
        ("proc.name contains anyof (x, h)", "true"),
        ("proc.name contains allof (s, h)", "true"),
        ("proc.name contains allof (s, x)", "false"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
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
    let events = [
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
fn the_loader_says_where_and_why() {
    for (condition, line, column, kind, reason) in [
        (
            "proc.name = a and\nproc.nam = b",
            5,
            5,
            RefusalKind::NoSuchField,
            "there is no field",
        ),
        (
            "proc.env contains x",
            4,
            5,
            RefusalKind::UnsupportedField,
            "not supported here",
        ),
        (
            "evt.type = opne",
            4,
            16,
            RefusalKind::NoSuchEvent,
            "no event type 'opne'",
        ),
        (
            "evt.type = ptrace",
            4,
            5,
            RefusalKind::UntracedEvent,
            "no loaded hook produces",
        ),
        (
            "evt.type in (dup, execve) and evt.type in (dup)",
            4,
            5,
            RefusalKind::UntracedEvent,
            "dup",
        ),
        (
            "proc.pid contains 3",
            4,
            5,
            RefusalKind::Type,
            "does not fit",
        ),
        ("proc.name > 3", 4, 5, RefusalKind::Type, "does not fit"),
        ("fd.num = x", 4, 14, RefusalKind::Type, "no number"),
        (
            "evt.failed = 1",
            4,
            18,
            RefusalKind::Type,
            "neither true nor false",
        ),
        (
            "fd.sip = 10.0.0.0/99",
            4,
            14,
            RefusalKind::Type,
            "no address",
        ),
        (
            "proc.name[1] = x",
            4,
            5,
            RefusalKind::Type,
            "takes nothing in brackets",
        ),
        (
            "container.label exists",
            4,
            5,
            RefusalKind::Type,
            "needs something in brackets",
        ),
        (
            "proc.aname[x] = x",
            4,
            5,
            RefusalKind::Type,
            "takes a number",
        ),
        (
            "tolower(proc.aname) = x",
            4,
            5,
            RefusalKind::Type,
            "several values",
        ),
        ("len(proc.pid) = 1", 4, 5, RefusalKind::Type, "takes text"),
        (
            "getopt(proc.args, \"x\") exists",
            4,
            5,
            RefusalKind::UnsupportedFeature,
            "getopt",
        ),
        (
            "proc.name regex \"(\"",
            4,
            21,
            RefusalKind::Syntax,
            "regular expression",
        ),
        (
            "proc.name bcontains xyz",
            4,
            25,
            RefusalKind::Type,
            "hexadecimal",
        ),
        (
            "mcro and proc.name = x",
            4,
            5,
            RefusalKind::Undefined,
            "no macro 'mcro'",
        ),
        (
            "proc.name = a &&\nproc.pid = 1",
            4,
            19,
            RefusalKind::Syntax,
            "expected 'and' or 'or'",
        ),
    ] {
        let report = with_condition(condition).report;
        let [refusal] = report.refused.as_slice() else {
            panic!("{condition}: {}", report.to_text());
        };
        let found = (refusal.line, refusal.column, refusal.kind);
        assert_eq!(
            found,
            (line, column, kind),
            "{condition}: {}",
            refusal.reason
        );
        assert!(
            refusal.reason.contains(reason),
            "{condition}: {}",
            refusal.reason
        );
        assert_eq!(refusal.rule.as_deref(), Some("r"));
        assert_eq!(report.loaded, 0);
    }
}

/// A rule file of one rule after other items.
fn after(items: &str, condition: &str) -> Loaded {
    loaded(&format!(
        "{items}- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n"
    ))
}

#[test]
fn macros_are_defined_before_macros_that_use_them() {
    let ok = after(
        "- macro: a\n  condition: proc.name = x\n- macro: b\n  condition: a\n",
        "b",
    );
    assert_eq!(ok.report.refused, []);
    let late = after(
        "- macro: b\n  condition: a\n- macro: a\n  condition: proc.name = x\n",
        "b",
    );
    assert!(late.report.refused[0].reason.contains("defined only later"));
    // A redefinition keeps the place of the first, so it may refer to what came in between.
    let again = after(
        "- macro: a\n  condition: proc.name = x\n- macro: b\n  condition: a\n- macro: a\n  condition: b\n",
        "b",
    );
    assert!(again.report.refused[0].reason.contains("uses itself"));
    let cycle = after(
        "- list: a\n  items: [b]\n- list: b\n  items: [a]\n",
        "proc.name in (a)",
    );
    assert!(cycle.report.refused[0].reason.contains("contains itself"));
}

#[test]
fn macros_that_multiply_are_stopped() {
    let mut items = "- macro: m0\n  condition: proc.name = x\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        items += &format!("- macro: m{level}\n  condition: m{below} or m{below}\n");
    }
    let report = after(&items, "m39").report;
    assert_eq!(report.refused[0].kind, RefusalKind::TooLarge);
}

#[test]
fn items_can_be_changed_later() {
    let base = "- list: l\n  items: [a]\n- macro: m\n  condition: proc.name in (l)\n\
                - rule: r\n  desc: d\n  condition: m\n  output: o\n  priority: INFO\n  tags: [x]\n";
    let fires = |changes: &str, name: &str| {
        let Loaded { set, report } = loaded(&format!("{base}{changes}"));
        assert_eq!(report.refused, [], "{changes}");
        let mut outcome = Outcome::default();
        set.evaluate(&exec(process(10, name, &[], None)), &mut outcome);
        !outcome.matched.is_empty()
    };
    for (changes, on_a, on_b) in [
        ("", true, false),
        (
            "- list: l\n  items: [b]\n  override: {items: append}\n",
            true,
            true,
        ),
        ("- list: l\n  items: [b]\n  append: true\n", true, true),
        (
            "- list: l\n  items: [b]\n  override: {items: replace}\n",
            false,
            true,
        ),
        (
            "- macro: m\n  condition: or proc.name = b\n  append: true\n",
            true,
            true,
        ),
        (
            "- rule: r\n  condition: or proc.name = b\n  override: {condition: append}\n",
            true,
            true,
        ),
        (
            "- rule: r\n  condition: and proc.name = b\n  append: true\n",
            false,
            false,
        ),
        (
            "- rule: r\n  condition: proc.name = b\n  override: {condition: replace}\n",
            false,
            true,
        ),
        ("- rule: r\n  enabled: false\n", false, false),
        (
            "- rule: r\n  enabled: false\n  override: {enabled: replace}\n",
            false,
            false,
        ),
    ] {
        assert_eq!(fires(changes, "a"), on_a, "{changes}");
        assert_eq!(fires(changes, "b"), on_b, "{changes}");
    }
    for (change, reason) in [
        (
            "- rule: r\n  priority: ERROR\n  append: true\n",
            "'priority' is given",
        ),
        (
            "- rule: r\n  output: x\n  override: {condition: append}\n",
            "'output' is given",
        ),
        (
            "- rule: r\n  override: {condition: append}\n",
            "'condition' is to be changed",
        ),
        (
            "- rule: r\n  priority: ERROR\n  override: {priority: append}\n",
            "cannot be appended to",
        ),
        (
            "- rule: r\n  output: x\n  override: {output: merge}\n",
            "append or replace",
        ),
        (
            "- list: l\n  items: [x]\n  override: {condition: append}\n",
            "only 'items' can",
        ),
    ] {
        let report = loaded(&format!("{base}{change}")).report;
        let refusal = report
            .refused
            .first()
            .map(|refusal| refusal.reason.as_str());
        assert!(
            refusal.is_some_and(|found| found.contains(reason)),
            "{change}: {refusal:?}"
        );
        assert_eq!(report.loaded, 1, "the earlier rule stays");
    }
    let lost = loaded("- rule: x\n  condition: and m\n  append: true\n");
    assert_eq!(lost.report.refused[0].kind, RefusalKind::Undefined);
}

#[test]
fn exceptions_take_events_out() {
    let rule = |exceptions: &str| {
        loaded(&format!(
            "- rule: r\n  desc: d\n  condition: evt.type = execve\n  output: o\n  priority: INFO\n  \
             exceptions:\n{exceptions}"
        ))
    };
    let fires = |exceptions: &str, name: &str| {
        let Loaded { set, report } = rule(exceptions);
        assert_eq!(report.refused, [], "{exceptions}");
        let mut outcome = Outcome::default();
        set.evaluate(&exec(process(10, name, &["-x y"], None)), &mut outcome);
        !outcome.matched.is_empty()
    };
    for (exceptions, on_a, on_b) in [
        (
            "    - {name: n, fields: proc.name, values: [a, c]}\n",
            false,
            true,
        ),
        (
            "    - {name: n, fields: [proc.name, proc.pid], values: [[a, 10], [b, 11]]}\n",
            false,
            true,
        ),
        (
            "    - {name: n, fields: [proc.name], comps: [startswith], values: [[a]]}\n",
            false,
            true,
        ),
        (
            "    - {name: n, fields: [proc.name], comps: [in], values: [[[a, b]]]}\n",
            false,
            false,
        ),
        (
            "    - {name: n, fields: [proc.args], values: [['-x y']]}\n",
            false,
            false,
        ),
        (
            "    - {name: n, fields: proc.exepath, comps: pmatch, values: [/usr/bin/a]}\n",
            false,
            true,
        ),
        ("    - {name: n, fields: proc.name}\n", true, true),
    ] {
        assert_eq!(fires(exceptions, "a"), on_a, "{exceptions}");
        assert_eq!(fires(exceptions, "b"), on_b, "{exceptions}");
    }
    for (exceptions, reason) in [
        ("    - {name: n, values: [a]}\n", "no 'fields'"),
        (
            "    - {name: n, fields: [proc.name, proc.pid], values: [[a]]}\n",
            "2 fields, the value 1",
        ),
        (
            "    - {name: n, fields: [proc.name], comps: [in, in], values: [[a]]}\n",
            "1 fields and 2 comps",
        ),
        (
            "    - {name: n, fields: proc.nam, values: [a]}\n",
            "no field 'proc.nam'",
        ),
        ("    - {fields: proc.name}\n", "needs a 'name'"),
    ] {
        let report = rule(exceptions).report;
        assert!(
            report.refused[0].reason.contains(reason),
            "{exceptions}: {}",
            report.to_text()
        );
    }
}

#[test]
fn one_bad_rule_drops_no_other() {
    let good = "  desc: d\n  condition: proc.name = x\n  output: o\n  priority: INFO\n";
    let report = loaded(&format!(
        "- rule: good\n{good}\
         - rule: no priority\n  desc: d\n  condition: proc.name = x\n  output: o\n\
         - rule: bad priority\n  desc: d\n  condition: proc.name = x\n  output: o\n  priority: HIGH\n\
         - rule: bad output\n  desc: d\n  condition: proc.name = x\n  output: o %proc.nam\n  priority: INFO\n\
         - rule: other source\n  source: k8s_audit\n{good}\
         - rule: unsupported output\n  desc: d\n  condition: proc.name = x\n  output: o %proc.sname\n  priority: INFO\n\
         - thing: x\n\
         - just text\n\
         - rule: also good\n{good}"
    ))
    .report;
    assert_eq!(report.loaded, 3, "{}", report.to_text());
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(|refusal| (refusal.line, refusal.rule.as_deref(), refusal.kind))
        .collect();
    assert_eq!(
        refused,
        [
            (6, Some("no priority"), RefusalKind::Item),
            (14, Some("bad priority"), RefusalKind::Item),
            (18, Some("bad output"), RefusalKind::NoSuchField),
            (21, Some("other source"), RefusalKind::UnsupportedFeature),
            (31, None, RefusalKind::Item),
            (32, None, RefusalKind::Item),
        ]
    );
}

#[test]
fn broken_yaml_drops_its_own_rule_only() {
    let rule = |name: &str| {
        format!(
            "- rule: {name}\n  desc: d\n  condition: proc.name = x\n  output: o\n  priority: INFO\n"
        )
    };
    let text = format!("{}- rule: broken\n  desc: [\n{}", rule("a"), rule("b"));
    let report = loaded(&text).report;
    assert_eq!(report.loaded, 2, "{}", report.to_text());
    assert_eq!(report.refused[0].rule.as_deref(), Some("broken"));
    assert_eq!(report.refused[0].kind, RefusalKind::Yaml);
}

#[test]
fn warnings_tell_what_may_surprise() {
    for (text, expected) in [
        ("proc.name = x", "names no event type"),
        (
            "evt.type in (execve, ptrace) and proc.name = x",
            "no loaded hook produces ptrace",
        ),
        ("evt.type = vfork", "reported as 'clone'"),
        ("evt.num = 0", "never holds"),
        (
            "evt.type = execve and user.name = bob",
            "known for root only",
        ),
    ] {
        let report = with_condition(text).report;
        assert_eq!(report.refused, [], "{text}");
        assert!(
            report
                .warnings
                .iter()
                .any(|warning| warning.reason.contains(expected)),
            "{text}: {}",
            report.to_text()
        );
    }
    let text = after(
        "- list: web\n  items: [x]\n",
        "proc.args contains \"web server\"",
    )
    .report;
    assert!(
        text.warnings
            .iter()
            .any(|warning| warning.reason.contains("name of a list"))
    );
}

#[test]
fn the_report_is_json() {
    let report = with_condition("proc.nam = x").report;
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["loaded"], 0);
    let refusal = &json["refused"][0];
    assert_eq!(refusal["rule"], "r");
    assert_eq!(refusal["file"], "test.yaml");
    assert_eq!(
        (&refusal["line"], &refusal["column"]),
        (&4.into(), &5.into())
    );
    assert_eq!(refusal["kind"], "no_such_field");
    assert_eq!(refusal["hint"], "did you mean 'proc.name'?");
}

#[test]
fn the_digest_is_of_the_contents() {
    let digest = |text: &str| with_condition(text).set.digest().to_owned();
    assert_eq!(digest("proc.name = x"), digest("proc.name = x"));
    assert_ne!(digest("proc.name = x"), digest("proc.name = y"));
    assert_eq!(digest("proc.name = x").len(), 64);
}

#[test]
fn an_undecided_rule_says_what_is_open() {
    let Loaded { set, .. } = with_condition(
        "evt.type = execve and not container.image.repository in (a, b) and proc.name = sh",
    );
    let pending = in_container(exec(process(10, "sh", &[], None)), Identity::Pending);
    let mut outcome = Outcome::default();
    set.evaluate(&pending, &mut outcome);
    let finding = set.finding(outcome.undecided[0], &pending);
    let [term] = finding.undecided.as_slice() else {
        panic!("{:?}", finding.undecided);
    };
    assert_eq!(
        (term.field.as_str(), term.negated),
        ("container.image.repository", true)
    );
    assert_eq!(term.value.as_deref(), Some("<unknown>"));
    assert_eq!(finding.evidence.len(), 2);
    let known = in_container(exec(process(10, "sh", &[], None)), metadata("c"));
    assert_eq!(set.decide(outcome.undecided[0], &known), Truth::True);
}

#[test]
fn the_hostname_is_the_loaders() {
    let file = RuleFile {
        path: "f".to_owned(),
        text: "- rule: r\n  desc: d\n  condition: evt.hostname = node1\n  output: on %evt.hostname\n  priority: INFO\n"
            .to_owned(),
    };
    let options = LoadOptions {
        hostname: Some("node1".to_owned()),
        ..LoadOptions::default()
    };
    let set = load(&[file], &options).set;
    let event = exec(process(10, "sh", &[], None));
    assert_eq!(set.decide(RuleIndex(0), &event), Truth::True);
    assert_eq!(set.finding(RuleIndex(0), &event).output, "on node1");
}
