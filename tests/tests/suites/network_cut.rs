//! A client on another machine follows the stream while the network between the two is cut.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use integration_test::agent::{self, AgentSetup};
use integration_test::client;
use integration_test::netns::{NODE, RemoteHost};
use integration_test::process::ProcessId;
use integration_test::runtime::block_on;
use integration_test::undo::{self, Leftover};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::Value;

use crate::flood::under_load;
use crate::watched::Watched;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "network_cut::clients_come_back_and_miss_nothing",
    clients_come_back,
)];

/// Alerts a second.
const RATE: &str = "100";
/// As many clients as there are places: none comes back before the place of a dead connection is
/// free.
const CLIENTS: usize = 4;
const PORT: u16 = 17_443;
const CLIENT_NAME: &str = "soc.example.org";
/// Before the cut, and after everything is well again.
const CALM: Duration = Duration::from_secs(5);
/// The agent takes a client for dead that takes nothing for 30 s.
const CUT: Duration = Duration::from_secs(38);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const RETURN_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

fn clients_come_back(bench: &Bench) -> Result<()> {
    let remote = RemoteHost::new()?;
    remote.attach_node()?;
    let pki = Pki::new(bench.state.run_path("network-cut"))?;
    let over_tcp = |setup: &mut AgentSetup| {
        setup.set("stream.tcp.listen", format!("{NODE}:{PORT}"));
        setup.set("stream.tcp.certificate", pki.text("agent.pem"));
        setup.set("stream.tcp.key", pki.text("agent.key"));
        setup.set("stream.tcp.client_ca", pki.text("ca.pem"));
        setup.set("stream.tcp.clients", pki.text("clients.toml"));
        setup.set("stream.max_connections", CLIENTS as i64);
    };
    block_on(under_load(bench, RATE, over_tcp, async |watched| {
        follow_through_a_cut(&remote, &pki, watched).await
    }))
}

async fn follow_through_a_cut(remote: &RemoteHost, pki: &Pki, watched: Watched) -> Result<()> {
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|number| Client::follow(remote, pki, number))
        .collect::<Result<_>>()?;
    for client in &clients {
        client.wait_past(0, CONNECT_LIMIT).await?;
    }
    tokio::time::sleep(CALM).await;
    ensure!(connections(NODE)? == CLIENTS, "{:?}", connections(NODE));

    remote.set_node_link(false)?;
    let cut = Instant::now();
    let mut freed = None;
    while cut.elapsed() < CUT {
        if freed.is_none() && connections(NODE)? == 0 {
            freed = Some(cut.elapsed());
        }
        tokio::time::sleep(POLL).await;
    }
    let freed = freed.context("the agent keeps the places of connections that are dead")?;
    let before: Vec<u64> = clients.iter().map(Client::newest).collect::<Result<_>>()?;
    let newest = newest(&watched).await?;
    for before in &before {
        ensure!(*before < newest, "nothing happened while the link was down");
    }

    remote.set_node_link(true)?;
    let back = Instant::now();
    for client in &clients {
        client.wait_past(newest, RETURN_LIMIT).await?;
    }
    let back = back.elapsed();
    tokio::time::sleep(CALM).await;
    ensure!(connections(NODE)? == CLIENTS, "{:?}", connections(NODE));

    let end = self::newest(&watched).await?;
    for client in &clients {
        client.wait_past(end, RETURN_LIMIT).await?;
    }
    let kept = kept(&watched)?;
    let mut count = 0;
    for client in clients {
        count = compare(&client.stop()?, &kept, end)?;
    }
    println!(
        "places free after {:.0} s, clients back after {:.1} s, {count} records each once ... ",
        freed.as_secs_f64(),
        back.as_secs_f64()
    );
    watched.finish()
}

async fn newest(watched: &Watched) -> Result<u64> {
    let status = client::status(watched.agent.socket()).await?;
    Ok(status.stream.context("no stream")?.newest_sequence)
}

/// Every record that a client printed is as it is kept, in order, up to that number.
fn compare(received: &[Value], kept: &[Value], end: u64) -> Result<usize> {
    let first = received.first().context("nothing was received")?;
    let through = |records: &[Value]| -> Vec<Value> {
        let in_range = |record: &&Value| (sequence(first)..=end).contains(&sequence(record));
        records.iter().filter(in_range).cloned().collect()
    };
    let (received, kept) = (through(received), through(kept));
    for (received, kept) in received.iter().zip(&kept) {
        ensure!(received == kept, "{kept} was received as {received}");
    }
    ensure!(
        received.len() == kept.len(),
        "{} records were received, {} are kept",
        received.len(),
        kept.len()
    );
    Ok(kept.len())
}

fn sequence(record: &Value) -> u64 {
    record["sequence"].as_u64().unwrap_or_default()
}

/// Records with a place, without what belongs to the subscription.
fn records(text: &str) -> Result<Vec<Value>> {
    let mut records = Vec::new();
    // A line without an end is still being written.
    for line in text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        let mut record: Value = serde_json::from_str(line)?;
        if record["sequence"].is_u64() {
            record["prev_sequence"].take();
            records.push(record);
        }
    }
    Ok(records)
}

/// Everything that is kept, as a client on this node gets it.
fn kept(watched: &Watched) -> Result<Vec<Value>> {
    let output = std::process::Command::new(agent::binary()?)
        .args(["alerts", "--output", "json", "--socket"])
        .arg(watched.agent.socket())
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    records(&String::from_utf8(output.stdout)?)
}

/// Connections to the agent's port that the node's kernel takes for open.
fn connections(address: std::net::Ipv4Addr) -> Result<usize> {
    const ESTABLISHED: &str = "01";
    let number = u32::from_ne_bytes(address.octets());
    let local = format!("{number:08X}:{PORT:04X}");
    let table = fs::read_to_string("/proc/net/tcp")?;
    let open = table.lines().filter(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next() == Some(&local) && fields.nth(1) == Some(ESTABLISHED)
    });
    Ok(open.count())
}

/// `gravlens alerts --follow` on the other machine; ended when dropped.
struct Client {
    child: std::process::Child,
    output: PathBuf,
    _guard: Option<undo::Guard>,
}

impl Client {
    fn follow(remote: &RemoteHost, pki: &Pki, number: usize) -> Result<Self> {
        let output = pki.path(&format!("client-{number}.json"));
        let child = remote
            .command(&agent::binary()?)
            .args(["alerts", "--follow", "--output", "json"])
            .arg("--connect")
            .arg(format!("https://{NODE}:{PORT}"))
            .arg("--tls-ca")
            .arg(pki.path("ca.pem"))
            .arg("--tls-cert")
            .arg(pki.path("client.pem"))
            .arg("--tls-key")
            .arg(pki.path("client.key"))
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(File::create(pki.path(&format!("client-{number}.log")))?)
            .process_group(0)
            .spawn()?;
        let process = ProcessId::of(i32::try_from(child.id())?);
        Ok(Self {
            child,
            output,
            _guard: process.map(|process| undo::register(Leftover::Process(process))),
        })
    }

    fn records(&self) -> Result<Vec<Value>> {
        records(&fs::read_to_string(&self.output)?)
    }

    /// The newest number that it has printed, 0 when there is none.
    fn newest(&self) -> Result<u64> {
        let text = fs::read_to_string(&self.output)?;
        // What follows the last end of a line is still being written.
        for line in text.rsplit('\n').skip(1) {
            let record: Value = serde_json::from_str(line)?;
            if record["sequence"].is_u64() {
                return Ok(sequence(&record));
            }
        }
        Ok(0)
    }

    /// Waits until it has printed a record behind that number.
    async fn wait_past(&self, number: u64, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.newest()? <= number {
            if Instant::now() >= deadline {
                let log = fs::read_to_string(self.output.with_extension("log"))?;
                bail!("a client has printed {}: {log}", self.newest()?);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Ends it, and returns what it has printed.
    fn stop(mut self) -> Result<Vec<Value>> {
        self.child.kill()?;
        self.child.wait()?;
        self.records()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Certificates of the agent and of its clients, in a folder.
struct Pki {
    folder: PathBuf,
    _guard: undo::Guard,
}

impl Pki {
    fn new(folder: PathBuf) -> Result<Self> {
        let guard = undo::register(Leftover::Path(folder.clone()));
        fs::create_dir_all(&folder)?;
        let pki = Self {
            folder,
            _guard: guard,
        };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Another name than those that it signs.
        params
            .distinguished_name
            .push(DnType::CommonName, "the fleet");
        let key = KeyPair::generate()?;
        pki.write("ca.pem", &params.self_signed(&key)?.pem())?;
        let ca = Issuer::new(params, key);
        let name = SanType::DnsName(CLIENT_NAME.try_into()?);
        pki.sign(&ca, "agent", SanType::IpAddress(NODE.into()))?;
        pki.sign(&ca, "client", name)?;
        let clients = format!("[[client]]\nname = \"{CLIENT_NAME}\"\nrights = [\"watch\"]\n");
        pki.write("clients.toml", &clients)?;
        Ok(pki)
    }

    fn sign(&self, ca: &Issuer<'_, KeyPair>, file: &str, name: SanType) -> Result<()> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, ca)?;
        self.write(&format!("{file}.pem"), &certificate.pem())?;
        self.write(&format!("{file}.key"), &key.serialize_pem())
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.path(name);
        fs::write(&path, content)?;
        Ok(fs::set_permissions(&path, Permissions::from_mode(0o600))?)
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.folder).join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }
}
