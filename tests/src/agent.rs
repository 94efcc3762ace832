//! The agent under test: the real binary, scoped to the test's own cgroup.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use toml::{Table, Value};

use crate::cgroup::{PREFIX, TestCgroup};
use crate::machine;
use crate::process::ProcessId;
use crate::state::State;
use crate::undo::{self, Leftover};

/// Names the binary to test.
pub const BINARY_VARIABLE: &str = "GRAVLENS_BINARY";

const START_LIMIT: Duration = Duration::from_secs(60); // an emulated machine is slow
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// How an agent is to be started: its folder and its configuration. Starting it again continues
/// where the one before ended.
#[derive(Debug)]
pub struct AgentSetup {
    folder: PathBuf,
    config: Table,
    variables: Vec<(&'static str, PathBuf)>,
    /// What executes the agent in its own place, with its arguments.
    launcher: Vec<PathBuf>,
    _guard: undo::Guard,
}

impl AgentSetup {
    /// An agent that sees only what happens below the test's cgroup.
    pub fn new(state: &State, scope: &TestCgroup, docker: &Path) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = state.run_path(&format!("agent-{number}"));
        let guard = undo::register(Leftover::Path(folder.clone()));
        fs::create_dir_all(&folder)?;
        let mut setup = Self {
            folder,
            config: Table::new(),
            variables: Vec::new(),
            launcher: Vec::new(),
            _guard: guard,
        };
        setup.set("scope.cgroup", scope.path());
        setup.set("state_dir", setup.path_text("state"));
        setup.set("stream.socket", setup.path_text("grpc.sock"));
        setup.set("stream.heartbeat_seconds", 1);
        // Tests count alerts: each is told.
        setup.set("alerts.dedup_seconds", 0);
        setup.set("alerts.rule_per_minute", 0);
        setup.set("rules.local", setup.path_text("rules.local.yaml"));
        setup.set("docker.socket", docker.to_string_lossy().into_owned());
        // Tests of rules count their alerts; those of baselines switch them on.
        setup.set("baselines.enabled", false);
        setup.set("baselines.dir", setup.path_text("baselines.d"));
        Ok(setup)
    }

    /// Sets a configuration value; dots in the key separate tables.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        let mut table = &mut self.config;
        let (path, name) = key.rsplit_once('.').unwrap_or(("", key));
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let inner = table
                .entry(part)
                .or_insert_with(|| Value::Table(Table::new()));
            table = inner
                .as_table_mut()
                .expect("a key is either a table or a value");
        }
        table.insert(name.to_owned(), value.into());
    }

    /// Sets an environment variable that names a path.
    pub fn set_variable(&mut self, name: &'static str, path: &Path) {
        self.variables.push((name, path.to_owned()));
    }

    /// Lets a program start the agent: it executes what follows these arguments in its own place.
    pub fn launch_with(&mut self, launcher: Vec<PathBuf>) {
        self.launcher = launcher;
    }

    /// The agent's folder: the only place that it writes to.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a rule file beside the bundled rules.
    pub fn add_rules(&mut self, name: &str, text: &str) -> Result<()> {
        let file = self.path(name);
        fs::write(&file, text)?;
        let file = file.to_string_lossy().into_owned();
        self.set("rules.paths", vec![file]);
        Ok(())
    }

    /// Sets the size of the ring that high-volume events take.
    pub fn set_bulk_ring_bytes(&mut self, bytes: i64) {
        self.set("rings.bulk_bytes", bytes);
    }

    /// The agent's gRPC socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("grpc.sock")
    }

    /// The configuration file; written when an agent starts.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("gravlens.toml")
    }

    /// A path in the agent's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn path_text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Starts the agent without waiting for it.
    pub fn spawn(&self) -> Result<Agent> {
        self.spawn_with("run", &[], File::create(self.path("stdout.log"))?.into())
    }

    /// Starts a recording with these arguments instead of an agent, and waits until it sees. What it
    /// prints goes to `stdout`.
    pub async fn record(&self, arguments: &[&OsStr], stdout: File) -> Result<Agent> {
        let before = fs::read_to_string(self.path("stderr.log")).unwrap_or_default();
        let mut recorder = self.spawn_with("record", arguments, stdout.into())?;
        let deadline = Instant::now() + START_LIMIT;
        while !recorder.stderr()[before.len()..].contains("Recording.") {
            if let Some(status) = recorder.child.try_wait()? {
                bail!("it ended at once ({status}):\n{}", recorder.stderr());
            }
            ensure!(
                Instant::now() < deadline,
                "it does not begin:\n{}",
                recorder.stderr()
            );
            tokio::time::sleep(POLL).await;
        }
        Ok(recorder)
    }

    fn spawn_with(&self, verb: &str, arguments: &[&OsStr], stdout: Stdio) -> Result<Agent> {
        self.require_scope()?;
        fs::write(self.config_file(), self.config.to_string())?;
        let log = self.path("stderr.log");
        let mut command = self.launcher.clone();
        command.push(binary()?);
        let child = Command::new(&command[0])
            .args(&command[1..])
            .arg(verb)
            .arg("--config")
            .arg(self.config_file())
            .args(arguments)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(File::options().create(true).append(true).open(&log)?)
            .process_group(0)
            .spawn()?;
        let process = ProcessId::of(i32::try_from(child.id())?);
        let guard = process.map(|process| undo::register(Leftover::Process(process)));
        Ok(Agent {
            child,
            log,
            socket: self.socket(),
            guard,
        })
    }

    /// Starts the agent and waits until it serves.
    pub async fn start(&self) -> Result<Agent> {
        let mut agent = self.spawn()?;
        agent.wait_ready().await?;
        Ok(agent)
    }

    /// Starts the agent with an output that nobody reads any more, and waits until it serves.
    pub async fn start_with_closed_output(&self) -> Result<Agent> {
        let mut agent = self.spawn_with("run", &[], Stdio::piped())?;
        drop(agent.child.stdout.take());
        agent.wait_ready().await?;
        Ok(agent)
    }

    /// Lets the agent watch the whole machine, which has to be the tests' own.
    pub fn watch_everything(&mut self) {
        self.set("scope.cgroup", "");
    }

    /// An unscoped agent would watch processes that the tests did not start.
    fn require_scope(&self) -> Result<()> {
        if machine::is_ours() {
            return Ok(());
        }
        let scope = self.config.get("scope").and_then(|s| s.get("cgroup"));
        let scope = scope.and_then(Value::as_str).unwrap_or_default();
        ensure!(
            scope.starts_with(&format!("/{PREFIX}")),
            "the harness starts no agent outside its own cgroups (scope.cgroup is {scope:?})"
        );
        Ok(())
    }
}

/// A running agent, ended when dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    log: PathBuf,
    socket: PathBuf,
    guard: Option<undo::Guard>,
}

impl Agent {
    /// Waits until the agent says over gRPC that it serves.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !crate::client::is_serving(&self.socket).await {
            if let Some(status) = self.child.try_wait()? {
                bail!("the agent ended at once ({status}):\n{}", self.stderr());
            }
            if Instant::now() >= deadline {
                bail!("the agent does not become ready:\n{}", self.stderr());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// gRPC socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Everything written to standard error so far, by earlier runs of this setup as well.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it logged as errors so far.
    pub fn errors(&self) -> String {
        let log = self.stderr();
        let errors = log.lines().filter(|line| line.contains(" ERROR "));
        errors.collect::<Vec<_>>().join("\n")
    }

    /// Waits for the agent to end by itself.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                if let Some(guard) = self.guard.take() {
                    guard.forget();
                }
                return Ok(status);
            }
            ensure!(
                Instant::now() < deadline,
                "the agent does not end:\n{}",
                self.stderr()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Holds the agent up until [`Self::resume`]: it reads nothing, its hooks go on.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a paused agent go on.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Tells the agent to stop, as a service manager does.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Tells the agent to read its rules anew.
    pub fn hangup(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// Stops the agent, and checks that it ends well.
    pub fn stop(mut self) -> Result<()> {
        self.terminate()?;
        let status = self.wait(STOP_LIMIT)?;
        ensure!(
            status.success(),
            "the agent ended with {status}:\n{}",
            self.stderr()
        );
        Ok(())
    }

    /// Kills the agent without warning.
    pub fn kill(mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait(STOP_LIMIT)?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let process = ProcessId::of(i32::try_from(self.child.id())?);
        process
            .context("the agent has ended already")?
            .signal(signal);
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.guard.take();
        let _ = self.child.wait();
    }
}

/// The binary to test: the one named by the environment, or the one that Cargo built.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(BINARY_VARIABLE) {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe()?;
    let target = own
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .context("this program does not lie in a Cargo target folder")?;
    let path = target.join("release/gravlens");
    ensure!(
        path.is_file(),
        "{} is not built: run `cargo build --release`",
        path.display()
    );
    Ok(path)
}
