//! Every call that takes no path is seen, with its arguments and its result, failed ones too.

use anyhow::{Context, Result, ensure};
use gravlens::proto::event::Payload;
use gravlens::proto::stdio::Kind;
use gravlens::proto::{Alert, CallPayload, Event};
use integration_test::client::rule_name;
use integration_test::container::ContainerSpec;
use integration_test::images::Image;

use crate::watched::run_offender;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("privileges::every_call_is_told_as_it_was", every_call),
    #[cfg(target_arch = "x86_64")]
    (
        "privileges::every_32_bit_call_is_told_as_it_was",
        every_32_bit_call,
    ),
];

const ANY: &str = "Suite: call without a path";
const COPIED: &str = "Suite: connected socket copied";

const RULES: &str = "\
- rule: 'Suite: call without a path'
  desc: Every call of the offender.
  condition: >
    proc.name = privileges and evt.type in (capset, ptrace, process_vm_readv, process_vm_writev,
      pidfd_getfd, unshare, setns, init_module, finit_module, delete_module, bpf, io_uring_setup,
      keyctl, add_key, request_key, userfaultfd, perf_event_open, mmap, mprotect, pkey_mprotect,
      dup, dup2, dup3, kill, tkill, tgkill, pidfd_send_signal, socket, socketpair)
  output: args=%evt.args
  priority: WARNING

- rule: 'Suite: connected socket copied'
  desc: What the standard streams of a reverse shell look like.
  condition: >
    proc.name = privileges and evt.type = dup3 and evt.arg.newfd = 42
    and fd.num = 42 and fd.typechar = 4 and fd.sip = 127.0.0.1 and fd.connected = true
  output: to=%fd.rip:%fd.rport
  priority: WARNING
";

/// Bundled rules, each with a call of the offender that sets it off.
const BUNDLED: [(&str, &str); 3] = [
    (
        "Process attached to with ptrace in a container",
        "ptrace request=PTRACE_ATTACH",
    ),
    ("Kernel module refused to a container", "init_module"),
    (
        "Packet socket created in a container",
        "socket domain=AF_PACKET",
    ),
];

/// The result of a call that the kernel was built without (ENOSYS): it has no tracepoint. The one
/// program on 32-bit calls sees it all the same.
const NO_SUCH_CALL: &str = " = -38";

fn every_call(bench: &Bench) -> Result<()> {
    told_as_it_was(bench, &["privileges"], false)
}

#[cfg(target_arch = "x86_64")]
fn every_32_bit_call(bench: &Bench) -> Result<()> {
    told_as_it_was(bench, &["privileges", "int80"], true)
}

fn told_as_it_was(bench: &Bench, offender: &[&str], all_are_seen: bool) -> Result<()> {
    let (told, alerts) = run(bench, offender)?;
    let mut expected: Vec<&str> = told
        .lines()
        .filter(|line| all_are_seen || !line.ends_with(NO_SUCH_CALL))
        .collect();
    let mut found: Vec<String> = alerts
        .iter()
        .filter(|alert| rule_name(alert) == ANY)
        .filter_map(|alert| alert.event.as_ref())
        .map(as_line)
        .collect();
    expected.sort_unstable();
    found.sort_unstable();
    ensure!(
        expected.len() > 30,
        "the offender made few calls: {expected:#?}"
    );
    let missing: Vec<_> = expected
        .iter()
        .filter(|line| !found.iter().any(|other| other == *line))
        .collect();
    ensure!(
        missing.is_empty() && found == expected,
        "missing: {missing:#?}\nof: {found:#?}"
    );
    for (rule, deed) in BUNDLED {
        let done = expected.iter().any(|line| line.starts_with(deed));
        let fired = alerts.iter().any(|alert| rule_name(alert) == rule);
        ensure!(fired == done, "'{rule}' fired: {fired}, done: {done}");
    }
    copied_socket(&alerts)
}

/// Runs the offender and returns what it says it did and what was told of it, with nothing lost.
fn run(bench: &Bench, offender: &[&str]) -> Result<(String, Vec<Alert>)> {
    let spec = ContainerSpec::new("privileges", Image::Offenders)
        .capability("SYS_ADMIN")
        .capability("SYS_PTRACE")
        .without_seccomp();
    let (text, alerts) = run_offender(bench, RULES, offender, &spec)?;
    Ok((text.replace('\r', ""), alerts))
}

/// An event as the offender prints it.
fn as_line(event: &Event) -> String {
    let mut line = event.r#type.clone();
    let arguments = call(event).map_or(&[][..], |call| &call.arguments);
    for argument in arguments {
        line += &format!(" {}={}", argument.name, argument.text);
    }
    let result = event
        .result
        .map_or("?".to_owned(), |result| result.to_string());
    format!("{line} = {result}")
}

fn call(event: &Event) -> Option<&CallPayload> {
    match event.payload.as_ref()? {
        Payload::Call(call) => Some(call),
        _ => None,
    }
}

fn copied_socket(alerts: &[Alert]) -> Result<()> {
    let alert = alerts.iter().find(|alert| rule_name(alert) == COPIED);
    let alert = alert.context("the copied socket was not told")?;
    ensure!(alert.output == "to=127.0.0.1:4242", "{}", alert.output);
    let call = alert.event.as_ref().and_then(call).context("no call")?;
    let descriptor = call.descriptor.as_ref().context("no descriptor")?;
    ensure!(descriptor.kind() == Kind::Socket, "{descriptor:?}");
    ensure!(descriptor.socket.is_some(), "{descriptor:?}");
    ensure!(!call.fd_shared, "{call:?}");
    Ok(())
}
