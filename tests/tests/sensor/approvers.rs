//! What the kernel drops since no rule can want it, counted exactly.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gravlens::detect::{Approvers, LoadOptions, RuleFile, load};
use gravlens::model::Syscall;
use gravlens::proto::{EventAccount, GetStatusResponse};
use gravlens_common::EventClass;
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::client::{self, Watcher, rule_name};
use integration_test::events;
use integration_test::offence::Offence;
use integration_test::runtime::block_on;

use crate::Test;
use crate::bench::{Bench, absent_engine, watching};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "approvers::what_no_rule_can_want_is_dropped_and_counted",
    selective,
)];

/// An emulated machine is slow.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

const RULES: &str = "\
- rule: 'Suite: read'
  desc: Reads of a file of that name.
  condition: evt.type in (open, openat, openat2) and evt.is_open_read = true and fd.num >= 0 and fd.filename = wanted.key
  output: read
  priority: INFO
- rule: 'Suite: write'
  desc: Files that are opened for writing below a directory of that name.
  condition: evt.type in (open, openat, openat2) and evt.is_open_write = true and fd.num >= 0 and fd.name contains /guarded/
  output: written
  priority: INFO
- rule: 'Suite: connection'
  desc: Connections to a port, made or refused.
  condition: evt.type = connect and fd.sport = 4301
  output: connected
  priority: INFO
";

/// A call of the offender: its arguments, the topic that counts it, and whether the rules' approvers
/// keep it.
struct Deed {
    words: Vec<String>,
    hook: &'static str,
    kept: bool,
    /// The rule that it sets off.
    rule: Option<&'static str>,
}

fn selective(bench: &Bench) -> Result<()> {
    let approvers = approvers();
    let folder = bench.folder("approvers")?;
    let deeds = deeds(&folder, &approvers)?;
    let scope = TestCgroup::new()?;
    let mut setup = watching(AgentSetup::new(&bench.state, &scope, &absent_engine())?)?;
    setup.add_rules("approvers.yaml", RULES)?;
    let agent = block_on(setup.start())?;
    let watcher = block_on(Watcher::live(agent.socket()))?;

    // What the start of the program opens is the same both times.
    let program = Offence::offender("each_call")?;
    let quiet = scope.directory().join("quiet");
    let busy = scope.directory().join("busy");
    for (cgroup, offence) in [
        (&quiet, program.clone()),
        (
            &busy,
            program.args(deeds.iter().flat_map(|deed| deed.words.clone())),
        ),
    ] {
        fs::create_dir(cgroup)?;
        offence.run_in(cgroup)?;
    }
    let status = settled(agent.socket())?;
    let mut dropped = 0;
    for hook in ["open", "connect", "descriptor", "socket"] {
        let [before, after] = [&quiet, &busy].map(|cgroup| account(&status, cgroup, hook));
        let (before, after) = (before?, after?);
        let of_hook = || deeds.iter().filter(|deed| deed.hook == hook);
        let kept = of_hook().filter(|deed| deed.kept).count() as u64;
        let all = of_hook().count() as u64;
        let rise = |count: fn(&EventAccount) -> u64| count(&after) - count(&before);
        let told = (
            rise(|events| events.seen),
            rise(|events| events.delivered),
            rise(|events| events.suppressed),
            rise(events::dropped),
        );
        ensure!(
            told == (all, kept, all - kept, 0),
            "{hook}: {told:?} of {all}, {kept} kept"
        );
        println!(
            "{hook}: {all} seen, {kept} delivered, {} suppressed",
            all - kept
        );
        dropped += all - kept;
    }
    ensure!(dropped > 0, "nothing was suppressed");

    block_on(watcher.settle(LIMIT))?;
    let busy = fs::metadata(&busy)?.ino();
    let alerts = watcher.alerts();
    let mut told: Vec<&str> = alerts
        .iter()
        .filter(|alert| {
            alert
                .process
                .as_ref()
                .is_some_and(|it| it.cgroup_id == busy)
        })
        .map(rule_name)
        .collect();
    let mut expected: Vec<&str> = deeds.iter().filter_map(|deed| deed.rule).collect();
    told.sort_unstable();
    expected.sort_unstable();
    ensure!(told == expected, "{told:?} instead of {expected:?}");
    watcher.check_account()?;
    drop(watcher);
    agent.stop()
}

fn approvers() -> Approvers {
    let file = RuleFile {
        path: "approvers.yaml".to_owned(),
        text: RULES.to_owned(),
    };
    Approvers::of(&load(&[file], &LoadOptions::default()).set)
}

/// Opens for reading, writing, both and neither, of files that are there, that are made and that are
/// not, with names that are wanted and others; connections; and a call that no rule asks for.
fn deeds(folder: &Path, approvers: &Approvers) -> Result<Vec<Deed>> {
    let guarded = folder.join("guarded");
    fs::create_dir_all(&guarded)?;
    for file in ["wanted.key", "other.key", "guarded/wanted.key", "guarded/x"] {
        fs::write(folder.join(file), "")?;
    }
    let mut deeds = Vec::new();
    for (flags, access) in [
        (libc::O_RDONLY, 0),
        (libc::O_WRONLY, 1),
        (libc::O_RDWR, 2),
        (libc::O_PATH, 3),
    ] {
        for (name, creates) in [
            ("wanted.key", false),
            ("other.key", false),
            ("guarded/wanted.key", false),
            ("guarded/x", false),
            ("absent", false),
            ("guarded/absent", false),
            ("guarded/made", true),
            ("made", true),
        ] {
            // O_PATH leaves O_CREAT out of account.
            if creates && access == 3 {
                continue;
            }
            let name = if creates {
                format!("{name}-{access}")
            } else {
                name.to_owned()
            };
            let flags = if creates {
                flags | libc::O_CREAT
            } else {
                flags
            };
            let fails = name.ends_with("absent");
            let path = folder.join(&name);
            let result = if fails { -libc::ENOENT } else { 3 };
            let class = EventClass::of_open(Syscall::Openat, flags as u32, creates, result);
            let bytes = path.as_os_str().as_encoded_bytes();
            let path_is_built = !fails;
            let reads = matches!(access, 0 | 2) && !fails && name.ends_with("wanted.key");
            let writes = matches!(access, 1 | 2) && !fails && name.starts_with("guarded/");
            let rules = [(reads, "Suite: read"), (writes, "Suite: write")];
            let mut rules = rules.iter().filter(|(met, _)| *met).map(|(_, rule)| *rule);
            let deed = Deed {
                words: vec![
                    "open".to_owned(),
                    flags.to_string(),
                    path.to_string_lossy().into_owned(),
                ],
                hook: "open",
                kept: approvers.keeps_open(Syscall::Openat, class, path_is_built.then_some(bytes)),
                rule: rules.next(),
            };
            // One deed, two rules.
            if let Some(rule) = rules.next() {
                deeds.push(Deed {
                    words: Vec::new(),
                    hook: "",
                    kept: true,
                    rule: Some(rule),
                });
            }
            ensure!(
                deed.kept || deed.rule.is_none(),
                "{:?} is dropped",
                deed.words
            );
            deeds.push(deed);
        }
    }
    for port in [4301_u16, 4302, 8397] {
        let kept = approvers.keeps_socket(Syscall::Connect, EventClass::FAILED, [0, port]);
        deeds.push(Deed {
            words: vec!["connect".to_owned(), port.to_string()],
            hook: "connect",
            kept,
            rule: (port == 4301).then_some("Suite: connection"),
        });
        deeds.push(Deed {
            words: Vec::new(),
            hook: "socket",
            kept: false,
            rule: None,
        });
    }
    deeds.push(Deed {
        words: vec!["dup".to_owned()],
        hook: "descriptor",
        kept: false,
        rule: None,
    });
    Ok(deeds)
}

fn settled(socket: &Path) -> Result<GetStatusResponse> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let status = block_on(client::status(socket))?;
        let total = status.events.context("no account")?;
        if total.in_flight == 0 {
            return Ok(status);
        }
        ensure!(Instant::now() < deadline, "no barrier: {total:?}");
        thread::sleep(POLL);
    }
}

/// The account of a hook in a cgroup; all zeros where it has seen nothing.
fn account(status: &GetStatusResponse, cgroup: &Path, hook: &str) -> Result<EventAccount> {
    let id = fs::metadata(cgroup)?.ino();
    let accounts = status.losses.iter();
    let ours = accounts.filter(|account| account.cgroup_id == id && account.hook == hook);
    Ok(events::total(ours))
}
