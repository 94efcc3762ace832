//! A real Docker Engine, for this run alone.
//!
//! dockerd runs in a mount namespace of its own in which the cgroup v2 hierarchy lies at
//! `/sys/fs/cgroup`, as it expects, and `/run` is empty: whatever it mounts or leaves there
//! vanishes with it. Its sockets lie in the run folder, its data root is kept for later runs.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use bollard::{API_DEFAULT_VERSION, Docker};
use rustix::process::Signal;

use crate::process::{self, ProcessId};
use crate::runtime::block_on;
use crate::state::State;
use crate::undo::{self, Leftover};

/// Names the socket of an engine to use instead of starting one: `unix:///path`.
pub const ENGINE_VARIABLE: &str = "GRAVLENS_TEST_DOCKER_HOST";

const START_LIMIT: Duration = Duration::from_secs(60);
const CALL_LIMIT_SECONDS: u64 = 600; // importing an image is one call
const PROGRAMS: [&str; 5] = ["dockerd", "containerd", "runc", "unshare", "mount"];

/// An engine that answers.
#[derive(Debug)]
pub struct Engine {
    socket: PathBuf,
    docker: Docker,
    own: Option<OwnEngine>,
}

#[derive(Debug)]
struct OwnEngine {
    child: Child,
    guard: Option<undo::Guard>,
}

impl Engine {
    /// Uses the engine that the environment names, or starts one.
    pub fn start(state: &State) -> Result<Self> {
        if let Ok(host) = std::env::var(ENGINE_VARIABLE) {
            return Self::find(&host);
        }
        require_programs()?;
        let socket = state.run_path("docker.sock");
        let own = spawn(state, &socket)?;
        let mut engine = Self {
            docker: connect(&socket)?,
            socket,
            own: Some(own),
        };
        engine.wait_ready(&state.cached("dockerd.log"))?;
        block_on(engine.remove_old_containers())?;
        Ok(engine)
    }

    /// Uses an engine that is there.
    fn find(host: &str) -> Result<Self> {
        let Some(path) = host.strip_prefix("unix://") else {
            bail!("{ENGINE_VARIABLE}={host}: only unix:///PATH is supported");
        };
        let socket = PathBuf::from(path);
        let docker = connect(&socket)?;
        let info = block_on(docker.info()).with_context(|| format!("{host} does not answer"))?;
        let version = info.cgroup_version.map(|version| version.to_string());
        let driver = info.cgroup_driver.map(|driver| driver.to_string());
        if version.as_deref() != Some("2") || driver.as_deref() != Some("cgroupfs") {
            bail!(
                "{host} uses cgroup version {version:?} with driver {driver:?}; the suites need \
                 version 2 with cgroupfs. Unset {ENGINE_VARIABLE} to have one started"
            );
        }
        Ok(Self {
            docker,
            socket,
            own: None,
        })
    }

    /// The API client.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The engine's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Stops the engine, as its service manager would.
    pub fn stop(&mut self) -> Result<()> {
        let own = self
            .own
            .as_mut()
            .context("the engine was not started here")?;
        own.guard.take();
        own.child.wait()?;
        Ok(())
    }

    /// Starts the engine again after [`stop`](Self::stop), on the same socket and data.
    pub fn start_again(&mut self, state: &State) -> Result<()> {
        self.own = Some(spawn(state, &self.socket)?);
        self.docker = connect(&self.socket)?;
        self.wait_ready(&state.cached("dockerd.log"))
    }

    fn wait_ready(&mut self, log: &Path) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if block_on(self.docker.ping()).is_ok() {
                return Ok(());
            }
            let ended = match self.own.as_mut() {
                Some(own) => own.child.try_wait()?,
                None => None,
            };
            if ended.is_some() || Instant::now() >= deadline {
                bail!(
                    "dockerd does not come up; the end of {}:\n{}",
                    log.display(),
                    last_lines(log, 15)
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The data root is this harness's own, so a container in it is one of a killed run.
    async fn remove_old_containers(&self) -> Result<()> {
        let all = ListContainersOptionsBuilder::default().all(true).build();
        for container in self.docker.list_containers(Some(all)).await? {
            let force = RemoveContainerOptionsBuilder::default().force(true).build();
            let id = container.id.unwrap_or_default();
            self.docker.remove_container(&id, Some(force)).await?;
        }
        Ok(())
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        self.guard.take();
        let _ = self.child.wait();
    }
}

/// A client of the engine at a socket.
pub fn connect(socket: &Path) -> Result<Docker> {
    // The socket need not be there yet; the client looks for it only when it is made.
    let path = socket.to_string_lossy();
    let deadline = Instant::now() + START_LIMIT;
    loop {
        match Docker::connect_with_unix(&path, CALL_LIMIT_SECONDS, API_DEFAULT_VERSION) {
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
            Ok(docker) => return Ok(docker),
        }
    }
}

fn require_programs() -> Result<()> {
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    for program in PROGRAMS {
        if !path
            .split(':')
            .any(|dir| Path::new(dir).join(program).is_file())
        {
            bail!("{program} is not installed: run `cargo xtask setup`");
        }
    }
    if !rustix::process::geteuid().is_root() {
        bail!("a Docker Engine needs root: run the suites as root");
    }
    Ok(())
}

fn spawn(state: &State, socket: &Path) -> Result<OwnEngine> {
    let run = state.run_path("engine");
    fs::create_dir_all(&run)?;
    let log = File::create(state.cached("dockerd.log"))?;
    let data = state.cached("docker");
    let child = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            IN_NAMESPACE,
            "dockerd",
        ])
        .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
        .args(["--bridge=none", "--iptables=false", "--ip-forward=false"])
        .args(["--ip-masq=false", "--userland-proxy=false"])
        .args(["--shutdown-timeout", "1"])
        .arg("--host")
        .arg(format!("unix://{}", socket.display()))
        .arg("--data-root")
        .arg(&data)
        .arg("--exec-root")
        .arg(run.join("exec"))
        .arg("--pidfile")
        .arg(run.join("pid"))
        .env("PATH", program_path())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0) // Ctrl-C reaches the harness alone, which stops things in order
        .spawn()
        .context("cannot run unshare: run `cargo xtask setup`")?;
    let pid = i32::try_from(child.id())?;
    let dockerd = ProcessId::of(pid).context("dockerd ended at once")?;
    let guard = undo::register(Leftover::Engine {
        dockerd,
        run_dir: run,
    });
    Ok(OwnEngine {
        child,
        guard: Some(guard),
    })
}

/// Run by `sh` in the new namespace; becomes dockerd, so the pid stays the same.
const IN_NAMESPACE: &str = r#"
mount -t tmpfs tmpfs /run &&
mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
exec dockerd "$@""#;

fn program_path() -> String {
    let inherited = std::env::var("PATH").unwrap_or_default();
    format!("{inherited}:/usr/sbin:/sbin")
}

/// Stops an engine and whatever it started that does not stop with it.
pub(crate) fn take_down(dockerd: ProcessId, run_dir: &Path) -> Result<()> {
    dockerd.signal(Signal::TERM);
    if !dockerd.wait_gone(Duration::from_secs(20)) {
        dockerd.signal(Signal::KILL);
        dockerd.wait_gone(Duration::from_secs(5));
    }
    let ours = run_dir.to_string_lossy();
    for program in ["containerd-shim-runc-v2", "containerd"] {
        for left in process::find(program, &ours) {
            left.terminate(Duration::from_secs(2));
        }
    }
    match fs::remove_dir_all(run_dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
