//! Calls made so that they are hard to see are seen all the same, once and as they were.

use anyhow::{Context, Result, bail, ensure};
use gravlens::proto::event::Payload;
use gravlens::proto::{Alert, Event, OpenPayload, Provenance};
use integration_test::client::rule_name;
use integration_test::container::{Container, ContainerSpec, Exec};
use integration_test::engine::Engine;
use integration_test::images::Image;
use integration_test::offenders;
use integration_test::runtime::block_on;

use crate::image_rules::start_with_rules;
use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("calls::a_connect_by_io_uring_is_seen_once", by_io_uring),
    (
        "calls::a_connect_by_an_io_uring_worker_is_seen_once",
        by_io_worker,
    ),
    #[cfg(target_arch = "x86_64")]
    ("calls::a_32_bit_connect_is_seen_once", by_int80),
    ("calls::each_of_a_crowd_of_connects_is_seen_once", crowd),
    #[cfg(target_arch = "x86_64")]
    ("calls::32_bit_calls_are_seen", compat),
    ("calls::every_destination_of_a_sendmmsg_is_seen", sendmmsg),
    (
        "calls::an_open_keeps_its_name_when_its_descriptor_is_stolen",
        open_race,
    ),
    ("calls::a_relative_name_is_resolved", relative_name),
];

const CONNECTS: &str = "Suite: address used";
#[cfg(target_arch = "x86_64")]
const COMPAT: &str = "Suite: 32-bit call";
const OPENS: &str = "Suite: file opened";
const ABSENT: &str = "Suite: absent file asked for";
const UNDECIDED: &str = "Suite: connect that worked";

const RULES: &str = "\
- rule: 'Suite: address used'
  desc: Every address of the suite.
  condition: >
    evt.type in (connect, sendto, sendmsg, sendmmsg) and fd.rip = 127.0.0.1
    and fd.rport >= 4100 and fd.rport < 4200
  output: port=%fd.rport result=%evt.res
  priority: WARNING

- rule: 'Suite: connect that worked'
  desc: Undecided as long as the result is not known.
  condition: evt.type = connect and fd.rport = 4101 and evt.res = SUCCESS
  output: worked
  priority: WARNING

- rule: 'Suite: file opened'
  desc: Every open of one offender.
  condition: evt.type in (open, openat, openat2, creat) and proc.name = open_race
  output: opened
  priority: WARNING

- rule: 'Suite: 32-bit call'
  desc: Calls of one offender.
  condition: proc.name = compat_calls and (evt.type = setuid or fd.name = /etc/group)
  output: called
  priority: WARNING

- rule: 'Suite: absent file asked for'
  desc: By a relative name.
  condition: evt.res = ENOENT and fd.name = /etc/absent-for-the-suite
  output: name=%fd.name raw=%fd.nameraw
  priority: WARNING
";

const HIDDEN: u32 = 4101;
const ORDINARY: u32 = 4102;
/// What connect returns on a port where nobody listens.
const ECONNREFUSED: i64 = -111;

fn by_io_uring(bench: &Bench) -> Result<()> {
    undecided(bench, "io_uring")
}

fn by_io_worker(bench: &Bench) -> Result<()> {
    undecided(bench, "io_worker")
}

#[cfg(target_arch = "x86_64")]
fn by_int80(bench: &Bench) -> Result<()> {
    connect_by(bench, "int80", Some(ECONNREFUSED)).map(drop)
}

/// A connect that makes no connect system call of this architecture, then one that does.
fn connect_by(bench: &Bench, way: &str, result: Option<i64>) -> Result<Vec<Alert>> {
    let targets = [HIDDEN, ORDINARY].map(|port| format!("127.0.0.1:{port}"));
    let alerts = alerts_of(bench, &["connect_unseen", way, &targets[0], &targets[1]])?;
    let hidden = only(&alerts, CONNECTS, HIDDEN)?;
    ensure!(hidden.r#type == "connect", "{hidden:?}");
    ensure!(hidden.result == result, "{hidden:?}");
    let ordinary = only(&alerts, CONNECTS, ORDINARY)?;
    ensure!(ordinary.r#type == "connect", "{ordinary:?}");
    ensure!(ordinary.result == Some(ECONNREFUSED), "{ordinary:?}");
    Ok(alerts)
}

/// Nobody but io_uring knows how it ended: rules say so.
fn undecided(bench: &Bench, way: &str) -> Result<()> {
    let alerts = connect_by(bench, way, None)?;
    let undecided = alerts.iter().find(|alert| rule_name(alert) == UNDECIDED);
    let undecided = undecided.context("a rule on the unknown result is silent")?;
    let open: Vec<&str> = undecided
        .undecided
        .iter()
        .map(|t| t.field.as_str())
        .collect();
    ensure!(open == ["evt.res"], "undecided: {open:?}");
    Ok(())
}

/// More calls under way than a table of a few thousand would hold: each is told once, as the kernel
/// knows it and with its result.
fn crowd(bench: &Bench) -> Result<()> {
    const COUNT: usize = 5_000;
    const PORT: u32 = 4121;
    let target = format!("127.0.0.1:{PORT}");
    let alerts = alerts_of(bench, &["connect_crowd", &COUNT.to_string(), &target])?;
    let events: Vec<&Event> = alerts
        .iter()
        .filter(|alert| rule_name(alert) == CONNECTS)
        .filter_map(|alert| alert.event.as_ref())
        .filter(|event| remote_port(event) == Some(PORT))
        .collect();
    ensure!(events.len() == COUNT, "{} of {COUNT}", events.len());
    for event in events {
        let Some(Payload::Socket(socket)) = &event.payload else {
            bail!("{event:?}");
        };
        let by_kernel = socket.provenance() == Provenance::Kernel;
        ensure!(by_kernel && event.result.is_some(), "{event:?}");
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn compat(bench: &Bench) -> Result<()> {
    let alerts = alerts_of(bench, &["compat_calls", "/etc/group"])?;
    let events: Vec<&Event> = alerts
        .iter()
        .filter(|alert| rule_name(alert) == COMPAT)
        .filter_map(|alert| alert.event.as_ref())
        .collect();
    let [open, setuid] = events[..] else {
        bail!("not two calls: {events:?}");
    };
    ensure!(open.r#type == "open", "{open:?}");
    ensure!(open.result.is_some_and(|fd| fd >= 0), "{open:?}");
    let Some(Payload::Open(file)) = &open.payload else {
        bail!("no file: {open:?}");
    };
    ensure!(file.provenance() == Provenance::Kernel, "{file:?}");
    ensure!(setuid.r#type == "setuid", "{setuid:?}");
    ensure!(setuid.result == Some(0), "{setuid:?}");
    Ok(())
}

fn sendmmsg(bench: &Bench) -> Result<()> {
    let ports = [4111, 4112, 4113];
    let targets = ports.map(|port| format!("127.0.0.1:{port}"));
    let alerts = alerts_of(bench, &["send_many", &targets[0], &targets[1], &targets[2]])?;
    for port in ports {
        let event = only(&alerts, CONNECTS, port)?;
        ensure!(event.r#type == "sendmmsg", "{event:?}");
        ensure!(event.result.is_none(), "{event:?}");
    }
    Ok(())
}

fn open_race(bench: &Bench) -> Result<()> {
    const COUNT: usize = 5 * 800;
    const PATH: &str = "/tmp/contested";
    // Several times: on a busy machine the two threads may not run at the same time.
    let program = offenders::in_image("open_race");
    let script = format!("set -e; for i in 1 2 3 4 5; do {program} 800 {PATH}; done");
    let alerts = alerts_of_command(bench, &["sh", "-c", &script])?;
    let opens: Vec<&OpenPayload> = alerts
        .iter()
        .filter(|alert| rule_name(alert) == OPENS)
        .filter_map(|alert| match alert.event.as_ref()?.payload.as_ref()? {
            Payload::Open(open) => Some(open),
            _ => None,
        })
        .collect();
    let nameless = opens.iter().filter(|open| text(open).is_empty()).count();
    ensure!(
        nameless == 0,
        "{nameless} of {} opens have no name",
        opens.len()
    );
    let contested: Vec<_> = opens.iter().filter(|open| text(open) == PATH).collect();
    ensure!(
        contested.len() == COUNT,
        "{} opens of {COUNT}",
        contested.len()
    );
    let shared = contested.iter().filter(|open| open.fd_shared).count();
    let mut stolen = 0;
    for open in contested {
        ensure!(open.read && open.write, "{open:?}");
        if open.provenance() == Provenance::UserMemory {
            ensure!(open.fd_shared, "{open:?}");
            stolen += 1;
        }
    }
    ensure!(
        stolen > 0,
        "no descriptor was stolen in time, {shared} were shared"
    );
    Ok(())
}

fn text(open: &OpenPayload) -> &str {
    open.path.as_ref().map_or("", |path| &path.text)
}

fn relative_name(bench: &Bench) -> Result<()> {
    let script = "cd /usr/bin && ! cat .././../etc//absent-for-the-suite";
    let alerts = alerts_of_command(bench, &["sh", "-c", script])?;
    let alert = alerts.iter().find(|alert| rule_name(alert) == ABSENT);
    let alert = alert.context("the name was not resolved")?;
    let expected = "name=/etc/absent-for-the-suite raw=.././../etc//absent-for-the-suite";
    ensure!(alert.output == expected, "{}", alert.output);
    Ok(())
}

fn alerts_of(bench: &Bench, offender: &[&str]) -> Result<Vec<Alert>> {
    let program = offenders::in_image(offender[0]);
    let command: Vec<&str> = [&program as &str]
        .into_iter()
        .chain(offender[1..].iter().copied())
        .collect();
    alerts_of_command(bench, &command)
}

/// Runs a command in a container and returns what was told of it, with nothing lost.
fn alerts_of_command(bench: &Bench, command: &[&str]) -> Result<Vec<Alert>> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Offenders.ensure(&engine, &bench.state).await?;
        let watched = start_with_rules(bench, engine.socket(), RULES).await?;
        let container = identified(&engine, &watched).await?;
        let output = Exec::new(command).run(&container).await?;
        ensure!(output.code == 0, "{output:?}");
        // First until detection has seen all of it, which takes a while on a busy machine.
        let events = watched.barrier().await?.events.context("no account")?;
        watched.settle().await?;
        ensure!(
            events.delivered + events.suppressed == events.seen,
            "lost: {events:?}"
        );
        let alerts = watched.alerts_of(&container);
        drop(container);
        watched.finish()?;
        Ok(alerts)
    })
}

/// A container whose identity the agent knows, so that no rule waits for it.
async fn identified(engine: &Engine, watched: &Watched) -> Result<Container> {
    let spec = ContainerSpec::new("calls", Image::Offenders).without_seccomp();
    let container = Container::run(engine, &watched.cgroup, &spec).await?;
    watched.settle().await?;
    Ok(container)
}

/// The one event of a rule about a port.
fn only<'a>(alerts: &'a [Alert], rule: &str, port: u32) -> Result<&'a Event> {
    let events: Vec<&Event> = alerts
        .iter()
        .filter(|alert| rule_name(alert) == rule)
        .filter_map(|alert| alert.event.as_ref())
        .filter(|event| remote_port(event) == Some(port))
        .collect();
    match events.as_slice() {
        [event] => Ok(event),
        _ => bail!("port {port} was told {} times: {events:?}", events.len()),
    }
}

fn remote_port(event: &Event) -> Option<u32> {
    let Some(Payload::Socket(socket)) = &event.payload else {
        return None;
    };
    Some(socket.endpoint.as_ref()?.remote.as_ref()?.port)
}
