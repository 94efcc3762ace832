use gravlens_common::{ApproverTable, EventClass, verdict};

use super::{Approvers, NamePattern, Wanted};
use crate::detect::testing::{loaded, open, process, with_condition};
use crate::detect::{LoadOptions, Loaded, bundled, load};
use crate::model::{ClassSummary, Kept, Syscall};

const READ: EventClass = EventClass::of_open(Syscall::Openat, 0, false, 3);
const WRITTEN: EventClass = EventClass::of_open(Syscall::Openat, 1, false, 3);
const MADE: EventClass = EventClass::of_open(Syscall::Openat, 0o101, true, 3);
const READ_FAILED: EventClass = EventClass::of_open(Syscall::Openat, 0, false, -2);

fn of(condition: &str) -> Approvers {
    let Loaded { set, report } = with_condition(condition);
    assert!(report.refused.is_empty(), "{}", report.to_text());
    Approvers::of(&set)
}

fn wanted(approvers: &Approvers, call: Syscall, class: EventClass) -> &Wanted {
    let mut classes = approvers.classes().iter();
    let found = classes.find(|found| found.call == call && found.class == class);
    &found.unwrap().wanted
}

fn names(patterns: &[NamePattern]) -> Wanted {
    Wanted::Names(patterns.iter().cloned().collect())
}

fn last(name: &str) -> NamePattern {
    NamePattern::Last(name.as_bytes().into())
}

fn anywhere(name: &str) -> NamePattern {
    NamePattern::Anywhere(name.as_bytes().into())
}

fn everything() -> Wanted {
    Wanted::Everything {
        rules: ["r".to_owned()].into(),
    }
}

#[test]
fn a_class_decides_what_is_left_of_a_rule() {
    let approvers = of("evt.type in (open, openat) and evt.is_open_read = true \
                        and fd.num >= 0 and fd.name in (/etc/shadow, /etc/sudoers)");
    let on_openat = |class| wanted(&approvers, Syscall::Openat, class);
    let expected = names(&[last("shadow"), last("sudoers")]);
    assert_eq!(*on_openat(READ), expected);
    for class in [WRITTEN, MADE, READ_FAILED] {
        assert_eq!(*on_openat(class), Wanted::Nothing, "{class:?}");
    }
    assert_eq!(
        *wanted(&approvers, Syscall::Openat2, READ),
        Wanted::Nothing,
        "another call"
    );
    assert_eq!(
        *wanted(&approvers, Syscall::Kill, EventClass::SUCCEEDED),
        Wanted::Nothing
    );
}

#[test]
fn what_cannot_be_looked_up_keeps_a_class_whole() {
    for condition in [
        "evt.type = openat and proc.name = cat",
        "evt.type = openat and not fd.name startswith /usr/",
        "evt.type = openat and fd.name endswith .pem",
        "evt.type = openat and fd.name regex .*shadow",
        "evt.type = openat and (fd.name = /etc/shadow or proc.name = cat)",
        "evt.type = openat and fd.name != /etc/shadow",
        "evt.num > 5",
    ] {
        let approvers = of(condition);
        assert_eq!(
            *wanted(&approvers, Syscall::Openat, READ),
            everything(),
            "{condition}"
        );
    }
    // The path of an open that failed is the caller's.
    let approvers = of("evt.type = openat and fd.name = /etc/shadow");
    assert_eq!(
        *wanted(&approvers, Syscall::Openat, READ_FAILED),
        everything()
    );
}

#[test]
fn names_are_found_in_every_kind_of_comparison() {
    for (comparison, expected) in [
        ("fd.name = /etc/shadow", last("shadow")),
        ("fd.filename = shadow", last("shadow")),
        ("fd.directory = /etc/sudoers.d", anywhere("sudoers.d")),
        ("fd.name pmatch (/etc/cron.d)", anywhere("cron.d")),
        ("fd.name contains /.ssh/", anywhere(".ssh")),
        ("fd.name glob \"*/.ssh/id_*\"", anywhere(".ssh")),
        ("fd.name endswith /.aws/credentials", last("credentials")),
        ("fd.name startswith /etc", NamePattern::Begin(*b"/etc")),
        ("tolower(fd.name) = /etc/shadow", last("shadow")),
        ("basename(fd.name) = shadow", last("shadow")),
        ("fs.path.name = /etc/shadow", last("shadow")),
        ("evt.arg.name = /etc/shadow", last("shadow")),
    ] {
        let approvers = of(&format!("evt.type = openat and {comparison}"));
        assert_eq!(
            *wanted(&approvers, Syscall::Openat, READ),
            names(&[expected]),
            "{comparison}"
        );
    }
}

#[test]
fn ports_are_looked_up_at_either_end() {
    let approvers = of("evt.type = connect and fd.rport in (4444, 31337)");
    let expected = Wanted::Ports([4444, 31337].into());
    let class = EventClass::FAILED;
    assert_eq!(*wanted(&approvers, Syscall::Connect, class), expected);
    for (ports, kept) in [
        ([50_000, 4444], true),
        ([4444, 50_000], true),
        // Of the same remainder.
        ([0, 4444 + 4096], true),
        ([50_000, 443], false),
    ] {
        assert_eq!(
            approvers.keeps_socket(Syscall::Connect, class, ports),
            kept,
            "{ports:?}"
        );
    }
    assert!(!approvers.keeps_socket(Syscall::Bind, class, [4444, 4444]));
}

#[test]
fn a_disabled_rule_wants_nothing() {
    let set = loaded(
        "- rule: r\n  desc: d\n  condition: evt.type = openat\n  output: o\n  priority: INFO\n  \
         enabled: false\n",
    )
    .set;
    assert_eq!(
        *wanted(&Approvers::of(&set), Syscall::Openat, READ),
        Wanted::Nothing
    );
}

#[test]
fn a_rule_of_names_drops_most_files() {
    let approvers = of(
        "evt.type in (open, openat, openat2) and evt.is_open_read = true \
                        and fd.name in (/etc/shadow, /root/.ssh/id_rsa)",
    );
    let opened = |file: &str| approvers.keeps(&open(process(7, "x", &[], None), file, 0));
    for file in ["/etc/shadow", "/srv/jail/etc/SHADOW", "/root/.ssh/id_rsa"] {
        assert!(opened(file), "{file}");
    }
    let files = (0..1000).map(|number| format!("/usr/lib/x86_64-linux-gnu/lib{number}.so.6"));
    let kept = files.filter(|file| opened(file)).count();
    assert!(kept < 10, "{kept} of 1000 are kept");
}

#[test]
fn bundled_rules_drop_most_files_that_are_read() {
    let set = load(&bundled(), &LoadOptions::default()).set;
    let approvers = Approvers::of(&set);
    for (class, words) in [(READ, "read"), (WRITTEN, "written"), (MADE, "made")] {
        let wanted = wanted(&approvers, Syscall::Openat, class);
        assert!(matches!(wanted, Wanted::Names(_)), "{words}: {wanted:?}");
    }
    let read = |file: &str| approvers.keeps(&open(process(7, "x", &[], None), file, 0));
    assert!(read("/etc/shadow") && read("/home/me/.ssh/id_ed25519"));
    let files = (0..4096).map(|number| format!("/tmp/gravlens-tests/run/f/f{number:05}"));
    let kept = files.filter(|file| read(file)).count();
    assert!(kept < 41, "{kept} of 4096 are kept");
}

#[test]
fn what_is_kept_is_told_in_words() {
    let approvers = of("evt.type in (open, openat) and evt.is_open_read = true \
                        and fd.num >= 0 and fd.name = /etc/shadow");
    let summary = approvers.summary();
    let by_name: Vec<_> = summary
        .iter()
        .filter(|summary| summary.kept == Kept::ByName)
        .map(|summary| format!("{}: {}", summary.events, summary.why()))
        .collect();
    assert_eq!(
        by_name,
        [
            "open, openat (for reading, for reading a file that it makes, for both, for both of a \
             file that it makes): those with a path like */shadow"
        ]
    );
    let nothing = |summary: &&ClassSummary| summary.kept == Kept::Nothing;
    assert_eq!(summary.iter().filter(nothing).count(), 1);
    assert_eq!(summary.len(), 2);

    let whole = of("evt.type = kill and proc.name = x").summary();
    let whole = whole.iter().find(|it| it.kept == Kept::Everything).unwrap();
    assert_eq!(
        (whole.events.as_str(), whole.why().as_str()),
        ("kill", "all, for r")
    );
}

#[test]
fn a_union_keeps_what_either_keeps() {
    let shadow = of("evt.type = openat and fd.name = /etc/shadow and fd.num >= 0");
    let whole = of("evt.type = openat and proc.name = cat");
    let port = of("evt.type = connect and fd.rport = 22");
    let hosts = of("evt.type = openat and fd.name = /etc/hosts and fd.num >= 0");
    let keep = ApproverTable::KEEP_ALL;
    assert_eq!(shadow.table().union(&keep).verdicts, keep.verdicts);
    let joined = |one: &Approvers, other: &Approvers| Approvers {
        classes: Vec::new(),
        table: Box::new(one.table().union(other.table())),
    };
    let reads = |approvers: &Approvers, file: &str| {
        approvers.keeps_open(Syscall::Openat, READ, Some(file.as_bytes()))
    };
    let files = joined(&shadow, &hosts);
    assert!(reads(&files, "/etc/shadow") && reads(&files, "/etc/hosts"));
    assert!(!reads(&files, "/etc/passwd"));
    assert!(reads(&joined(&shadow, &whole), "/etc/passwd"));
    let mixed = joined(&port, &shadow);
    assert!(reads(&mixed, "/etc/shadow") && !reads(&mixed, "/etc/hosts"));
    assert!(mixed.keeps_socket(Syscall::Connect, EventClass::FAILED, [0, 22]));
    let dropped = mixed.table().verdicts[Syscall::Kill as usize][0];
    assert_eq!(dropped, verdict::DROP);
}
