//! The agent, its client, and a cgroup for each offender.

use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use gravlens::proto::event::Payload;
use gravlens::proto::record::Body;
use gravlens::proto::{Alert, GetStatusResponse, Record};
use integration_test::agent::{self, Agent, AgentSetup};
use integration_test::cgroup::TestCgroup;
use integration_test::client::{self, Watcher};
use integration_test::expectation::{Expectation, judge};
use integration_test::facts::Facts;
use integration_test::offence::{Offence, Told};
use integration_test::runtime::block_on;
use integration_test::state::State;
use serde_json::Value;

/// Every event becomes an alert.
const RULES: &str = "\
- rule: 'Sensor: any event'
  desc: Brings every event to the test, as it is.
  condition: evt.num > 0
  output: >-
    vpgid=%proc.vpgid sid=%proc.sid leads_group=%proc.is_vpgid_leader
    leads_session=%proc.is_sid_leader open_exec=%evt.is_open_exec variable=%proc.env[SENSOR_TEST]
    environment_cut=%proc.env.truncated
  priority: DEBUG
";
/// Calls whose events are compared. What others tell is shown and not judged, until tests of
/// their own expect it.
const JUDGED: &[&str] = &[
    "execve",
    "execveat",
    "clone",
    "procexit",
    "cgroup_mkdir",
    "cgroup_rmdir",
    "cgroup_attach",
    "open",
    "openat",
    "openat2",
    "creat",
    "open_by_handle_at",
    "memfd_create",
    "unlink",
    "unlinkat",
    "renameat",
    "linkat",
    "symlinkat",
    "fchmodat",
    "ftruncate",
    "setxattr",
    "fsetxattr",
    "mount",
    "chroot",
    "connect",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "bind",
    "dns",
    "listen",
    "accept",
    "accept4",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setfsuid",
    "setfsgid",
    "setgroups",
    "io_uring_setup",
];
/// An emulated machine is slow.
const LIMIT: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// What every test gets.
pub(crate) struct Bench {
    watcher: Watcher,
    agent: Agent,
    setup: AgentSetup,
    scope: TestCgroup,
    doctor: Value,
    pub(crate) state: State,
    next: AtomicU32,
}

impl Bench {
    pub(crate) fn start() -> Result<Self> {
        let state = State::open()?;
        let scope = TestCgroup::new()?;
        // Once, and before the agent: an emulated machine is busy for long with every program.
        let doctor = doctor(&scope)?;
        block_on(async {
            let setup = watching(AgentSetup::new(&state, &scope, &absent_engine())?)?;
            let agent = setup.start().await?;
            let watcher = Watcher::live(agent.socket()).await?;
            Ok(Self {
                watcher,
                agent,
                setup,
                scope,
                doctor,
                state,
                next: AtomicU32::new(1),
            })
        })
    }

    /// Checks that nothing is missing from the stream, and that the agent ends well.
    pub(crate) fn finish(self) -> Result<()> {
        self.watcher.check_account()?;
        let events = self.settled()?.events.context("no account")?;
        ensure!(events.delivered == events.seen, "lost: {events:?}");
        let errors = self.agent.errors();
        ensure!(errors.is_empty(), "the agent logged:\n{errors}");
        drop(self.watcher);
        self.agent.stop()?;
        drop((self.setup, self.scope));
        Ok(())
    }

    /// What the agent says of itself.
    pub(crate) fn status(&self) -> Result<GetStatusResponse> {
        block_on(client::status(self.agent.socket()))
    }

    /// The same once nothing is under way.
    pub(crate) fn settled(&self) -> Result<GetStatusResponse> {
        block_on(self.barrier())
    }

    /// Whether trampolines serve opens: the kernel's own copies are told then, whoever asks.
    pub(crate) fn opens_are_exact(&self) -> Result<bool> {
        self.is_exact("open")
    }

    /// The same of names that are removed, moved and made.
    pub(crate) fn changes_are_exact(&self) -> Result<bool> {
        self.is_exact("file_change")
    }

    /// Whether trampolines see what io_uring does with sockets.
    pub(crate) fn sees_ring_sockets(&self) -> Result<bool> {
        self.is_exact("accept")
    }

    /// A name that a program's library removed, as this kernel lets it be told.
    pub(crate) fn removed(&self, path: impl Display) -> Result<Expectation> {
        let call = if cfg!(target_arch = "x86_64") {
            "unlink"
        } else {
            "unlinkat"
        };
        Ok(removed_by(call, path, self.changes_are_exact()?))
    }

    fn is_exact(&self, topic: &str) -> Result<bool> {
        let status = self.status()?;
        let hook = status.hooks.iter().find(|hook| hook.topic == topic);
        let taken = hook.and_then(|hook| hook.taken.as_deref());
        let taken = taken.with_context(|| format!("{topic} is not watched"))?;
        Ok(taken.contains("fexit/"))
    }

    /// An open that failed, as this kernel lets it be told.
    pub(crate) fn open_failed(&self, path: impl Display, errno: i32) -> Result<Expectation> {
        let provenance = name_provenance(self.opens_are_exact()?);
        Ok(Expectation::open_failed(path, errno, provenance))
    }

    /// What `doctor` says of this kernel.
    pub(crate) fn doctor(&self) -> &Value {
        &self.doctor
    }

    /// A folder of a test's own, gone with the run.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.state.run_path(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A cgroup in scope.
    pub(crate) fn cgroup(&self) -> Result<PathBuf> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.make_cgroup(&format!("offender-{number}"))
    }

    fn make_cgroup(&self, name: &str) -> Result<PathBuf> {
        let cgroup = self.scope.directory().join(name);
        fs::create_dir(&cgroup)?;
        Ok(cgroup)
    }

    /// Runs a program in a cgroup of its own and compares what was seen there with what it should
    /// have been, its entrance, image and end included.
    pub(crate) fn expect(
        &self,
        offence: &Offence,
        expected: impl FnOnce(&Told) -> Result<Vec<Expectation>>,
    ) -> Result<()> {
        let (told, seen) = self.seen(offence)?;
        let mut all = entrance(offence, told.pid);
        all.extend(expected(&told)?);
        self.judge(offence, &all, &seen)
    }

    /// The same in a cgroup that is named as a container's. `besides` says of further events why
    /// they are there.
    pub(crate) fn expect_in_container(
        &self,
        offence: &Offence,
        expected: Vec<Expectation>,
        besides: impl Fn(&Facts) -> Option<&'static str>,
    ) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let cgroup = self.make_cgroup(&format!("{number:064x}"))?;
        let (told, seen) = self.seen_in(&cgroup, offence)?;
        let mut all = entrance(offence, told.pid);
        all.extend(expected);
        self.judge_with(offence, &all, &seen, |facts| {
            besides(facts).or_else(|| explained(facts))
        })
    }

    /// Compares, prints both sides, and fails if they differ.
    pub(crate) fn judge(
        &self,
        offence: &Offence,
        expected: &[Expectation],
        seen: &[Facts],
    ) -> Result<()> {
        self.judge_with(offence, expected, seen, explained)
    }

    fn judge_with(
        &self,
        offence: &Offence,
        expected: &[Expectation],
        seen: &[Facts],
        explained: impl Fn(&Facts) -> Option<&'static str>,
    ) -> Result<()> {
        let words = offence.words();
        let name = words[0].rsplit('/').next().unwrap_or_default();
        let case = words.get(1).filter(|word| word.len() < 32);
        let name = format!("{name} {}", case.map_or("", String::as_str));
        let judgement = judge(name.trim(), expected, seen, explained);
        println!("\noffender | expected | seen\n{}", judgement.table);
        if judgement.faults.is_empty() {
            return Ok(());
        }
        bail!("{}", judgement.faults.join("\n"))
    }

    /// Runs a program in a cgroup of its own and returns what it said and every event of that
    /// cgroup, in the order of time.
    pub(crate) fn seen(&self, offence: &Offence) -> Result<(Told, Vec<Facts>)> {
        self.seen_in(&self.cgroup()?, offence)
    }

    fn seen_in(&self, cgroup: &Path, offence: &Offence) -> Result<(Told, Vec<Facts>)> {
        let id = fs::metadata(cgroup)?.ino();
        let begin = self.watcher.count();
        let told = offence.run_in(cgroup)?;
        block_on(self.complete(begin))?;
        let records = self.watcher.records_from(begin);
        remove(cgroup)?;
        let mut seen: Vec<Facts> = records
            .iter()
            .filter_map(alert_of)
            .filter(|alert| alert.process.as_ref().is_some_and(|p| p.cgroup_id == id))
            .filter_map(Facts::of)
            .collect();
        seen.sort_by_key(|facts| facts.boot_ns);
        Ok((told, seen))
    }

    /// Waits until all that happened before this call is told. `begin` records were there before
    /// what matters.
    async fn complete(&self, begin: usize) -> Result<()> {
        self.barrier().await?;
        // Alerts leave in the order in which events are detected: what stands before this one in
        // the stream is all that the barrier had let through.
        let last = self.cgroup()?;
        let id = fs::metadata(&last)?.ino();
        let what = "the last event";
        let found = self.watcher.wait_until(what, LIMIT, |records| {
            let made = |record| alert_of(record).and_then(made_cgroup) == Some(id);
            let new = records.get(begin..).unwrap_or_default();
            new.iter().rev().any(made).then_some(())
        });
        let found = found.await;
        fs::remove_dir(last)?;
        found
    }

    /// Waits until nothing is under way.
    async fn barrier(&self) -> Result<GetStatusResponse> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let status = client::status(self.agent.socket()).await?;
            let total = status.events.context("the status has no account")?;
            if total.in_flight == 0 {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "no barrier: {total:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Where a name is read: in the kernel's copy where trampolines serve its topic.
pub(crate) fn name_provenance(exact: bool) -> &'static str {
    if exact { "kernel" } else { "user_memory" }
}

/// A name that the call removed.
pub(crate) fn removed_by(call: &'static str, path: impl Display, exact: bool) -> Expectation {
    Expectation::of(call)
        .is("result", 0)
        .is("provenance", name_provenance(exact))
        .is("path", path)
}

fn doctor(scope: &TestCgroup) -> Result<Value> {
    let output = Command::new(agent::binary()?)
        .args(["doctor", "--output", "json", "--cgroup", &scope.path()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Removes the cgroup of an offender; a process that has just ended may still be leaving it.
pub(crate) fn remove(cgroup: &Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = fs::remove_dir(cgroup) {
        ensure!(
            Instant::now() < deadline,
            "the offender left something behind: {error}"
        );
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// An agent that tells every event, and waits for nobody's name.
pub(crate) fn watching(mut setup: AgentSetup) -> Result<AgentSetup> {
    setup.set("docker.enabled", false);
    setup.set("rules.bundled", false);
    setup.set("identity.grace_ms", 0);
    setup.set_bulk_ring_bytes(32 << 20);
    setup.set("stream.spool_bytes", 1 << 30);
    setup.set("stream.spool_records", 10_000_000);
    setup.add_rules("sensor.yaml", RULES)?;
    Ok(setup)
}

pub(crate) fn absent_engine() -> PathBuf {
    "/nonexistent/docker.sock".into()
}

pub(crate) fn alert_of(record: &Record) -> Option<&Alert> {
    match &record.body {
        Some(Body::Alert(alert)) => Some(alert),
        _ => None,
    }
}

/// The cgroup that an alert says was made.
pub(crate) fn made_cgroup(alert: &Alert) -> Option<u64> {
    let event = alert.event.as_ref()?;
    match &event.payload {
        Some(Payload::Cgroup(change)) if event.r#type == "cgroup_mkdir" => Some(change.cgroup_id),
        _ => None,
    }
}

/// The launcher moves into the cgroup: what it runs was never told, and is found later.
pub(crate) fn entered(pid: u32) -> Expectation {
    Expectation::of("cgroup_attach")
        .is("pid", pid)
        .one_of("seen_late", &["true", "false"])
        .one_of("process_unknown", &["true", "false"])
}

/// What happens before the program's own first deed.
fn entrance(offence: &Offence, pid: u32) -> Vec<Expectation> {
    let words = offence.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    vec![entered(pid), began(&words, pid)]
}

/// The launcher becomes the program.
pub(crate) fn began(words: &[&str], pid: u32) -> Expectation {
    Expectation::executed(words[0], words)
        .is("pid", pid)
        .is("vpid", pid)
        .is("cwd", "/")
        .is("name", comm(words[0]))
}

/// The kernel's name of a process that runs the program.
pub(crate) fn comm(program: &str) -> &str {
    let name = program.rsplit('/').next().unwrap_or(program);
    &name[..name.len().min(15)]
}

/// What every program does before its own first deed.
fn explained(facts: &Facts) -> Option<&'static str> {
    if !JUDGED.contains(&facts.call.as_str()) {
        return Some("(of a call that is not judged)");
    }
    let reads = facts.call == "openat" && facts.get("read") == "true";
    let opened = reads && facts.get("write") == "false" && facts.get("process_unknown") == "false";
    let path = facts.get("path");
    let library = path.contains(".so") && ["/lib", "/usr/lib"].iter().any(|p| path.starts_with(p));
    let loader = library || path == "/etc/ld.so.cache";
    let found = facts.get("result").parse::<u32>().is_ok() && facts.get("provenance") == "kernel";
    if opened && found && loader {
        return Some("(the loader)");
    }
    // Rust's runtime looks where its stack ends.
    let own_maps = path == format!("/proc/{}/maps", facts.get("pid"));
    (opened && found && own_maps).then_some("(the runtime)")
}
