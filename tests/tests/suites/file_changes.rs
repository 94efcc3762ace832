//! Every call on paths is told once, with its result, its paths and where they were read.

use anyhow::{Result, ensure};
use gravlens::proto::event::Payload;
use gravlens::proto::{Alert, Event, PathArgument, Provenance};
use integration_test::client::rule_name;
use integration_test::container::ContainerSpec;
use integration_test::images::Image;

use crate::watched::run_offender;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("file_changes::every_call_on_paths_is_told_once", every_call),
    #[cfg(target_arch = "x86_64")]
    (
        "file_changes::every_32_bit_call_on_paths_is_told_once",
        every_32_bit_call,
    ),
];

const CALLS: &str = "Suite: call on paths";

const RULES: &str = "\
- rule: 'Suite: call on paths'
  desc: Every call of the offender.
  condition: >
    proc.name = file_changes
    and (evt.type in (unlink, unlinkat, rmdir, rename, renameat, renameat2, link, linkat, symlink,
                      symlinkat, mkdir, mkdirat, mknod, mknodat, chmod, fchmod, fchmodat,
                      fchmodat2, chown, lchown, fchown, fchownat, truncate, ftruncate, setxattr,
                      lsetxattr, fsetxattr, removexattr, lremovexattr, fremovexattr)
         or evt.type in (mount, umount2, pivot_root, chroot, fsopen, fsconfig, fsmount, open_tree,
                         move_mount, mount_setattr)
         or evt.type in (open_by_handle_at, memfd_create)
         or (evt.type = openat and fd.name in (/, /etc/passwd, /etc/absent-in-jail))
         or (evt.type in (execve, execveat) and evt.res != SUCCESS))
  output: '%evt.args'
  priority: WARNING
";

/// The events in order: call, result (`fd` for a descriptor), paths as the container sees them with
/// the name that was passed, or `kernel`, in brackets, and numbers.
const EXPECTED: &str = include_str!("file_changes.expected");

fn every_call(bench: &Bench) -> Result<()> {
    told_once(bench, &["file_changes"])
}

#[cfg(target_arch = "x86_64")]
fn every_32_bit_call(bench: &Bench) -> Result<()> {
    told_once(bench, &["file_changes", "int80"])
}

fn told_once(bench: &Bench, offender: &[&str]) -> Result<()> {
    let alerts = alerts_of(bench, offender)?;
    let mut events: Vec<&Event> = alerts
        .iter()
        .filter(|alert| rule_name(alert) == CALLS)
        .filter_map(|alert| alert.event.as_ref())
        .collect();
    events.sort_by_key(|event| event.boot_ns);
    let told: Vec<String> = events.iter().map(|event| line(event)).collect();
    let expected: Vec<&str> = EXPECTED.lines().filter(|line| is_made(line)).collect();
    for (position, expected) in expected.iter().enumerate() {
        let found = told.get(position).map_or("nothing", String::as_str);
        ensure!(
            found == *expected,
            "event {position} is\n{found}\nnot\n{expected}\nof\n{}",
            told.join("\n")
        );
    }
    ensure!(told.len() == expected.len(), "more: {told:#?}");
    Ok(())
}

/// Newer architectures do without the older calls.
fn is_made(line: &str) -> bool {
    const OLDER: [&str; 10] = [
        "mkdir", "rmdir", "mknod", "chmod", "chown", "lchown", "link", "symlink", "rename",
        "unlink",
    ];
    let call = line.split(' ').next().unwrap_or_default();
    cfg!(target_arch = "x86_64") || !OLDER.contains(&call)
}

fn line(event: &Event) -> String {
    let result = match event.result {
        Some(result) if result > 0 => "fd".to_owned(),
        Some(result) => result.to_string(),
        None => "unknown".to_owned(),
    };
    let mut words = vec![event.r#type.clone(), result];
    match &event.payload {
        Some(Payload::Paths(call)) => {
            words.extend(call.paths.iter().map(argument));
            let numbers = call.numbers.iter();
            words.extend(numbers.map(|number| match &*number.argument {
                "mode" => format!("mode={:o}", number.value),
                name => format!("{name}={}", number.value),
            }));
        }
        Some(Payload::Open(open)) => {
            let text = open.path.as_ref().map_or("", |path| &path.text);
            words.push(format!("{text}<{}>", word(open.provenance())));
        }
        other => words.push(format!("{other:?}")),
    }
    words.join(" ")
}

fn argument(argument: &PathArgument) -> String {
    let text = argument.path.as_ref().map_or("", |path| &path.text);
    // Trampolines tell the kernel's copy of the same name.
    let origin = match argument.provenance() {
        Provenance::UserMemory => &argument.name,
        Provenance::Kernel if !argument.name.is_empty() => &argument.name,
        other => word(other),
    };
    format!("{}={text}<{origin}>", argument.argument)
}

fn word(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Kernel => "kernel",
        Provenance::UserMemory => "user memory",
        Provenance::Inferred => "inferred",
        Provenance::Unspecified => "-",
    }
}

fn alerts_of(bench: &Bench, offender: &[&str]) -> Result<Vec<Alert>> {
    let spec = ContainerSpec::new("paths", Image::Offenders)
        .capability("SYS_ADMIN")
        .capability("DAC_READ_SEARCH")
        .without_seccomp();
    run_offender(bench, RULES, offender, &spec).map(|(_, alerts)| alerts)
}
