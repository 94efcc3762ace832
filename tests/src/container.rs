//! Containers of the harness's engine.

mod exec;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder,
    RestartContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures::{StreamExt, TryStreamExt};

use crate::cgroup::TestCgroup;
use crate::engine::{self, Engine};
use crate::images::Image;
use crate::runtime::block_on_anywhere;
use crate::undo::{self, Leftover};

pub use exec::{Exec, ExecOutput};

/// What to run.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    name: String,
    image: String,
    command: Vec<String>,
    network: String,
    binds: Vec<String>,
    capabilities: Vec<String>,
    user: Option<String>,
    privileged: bool,
    seccomp: bool,
    tty: bool,
    dns: Vec<String>,
    labels: Vec<(String, String)>,
    variables: Vec<String>,
}

impl ContainerSpec {
    /// A container of an image that sleeps, without network but loopback.
    pub fn new(label: &str, image: Image) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("{label}-{}-{number}", std::process::id()),
            image: image.reference(),
            command: strings(&["sleep", "600"]),
            network: "none".to_owned(),
            binds: Vec::new(),
            capabilities: Vec::new(),
            user: None,
            privileged: false,
            seccomp: true,
            tty: false,
            dns: Vec::new(),
            labels: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// Sets the name, which must be free.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets the image by a name of its own, which the engine has.
    pub fn image(mut self, reference: &str) -> Self {
        reference.clone_into(&mut self.image);
        self
    }

    /// Sets the first process.
    pub fn command(mut self, command: &[&str]) -> Self {
        self.command = strings(command);
        self
    }

    /// Shares the network namespace of the machine.
    pub fn host_network(mut self) -> Self {
        "host".clone_into(&mut self.network);
        self
    }

    /// Shares the network namespace of another container.
    pub fn network_of(mut self, other: &Container) -> Self {
        self.network = format!("container:{}", other.id());
        self
    }

    /// Mounts a file or folder: `/on/node:/in/container[:ro]`.
    pub fn bind(mut self, bind: &str) -> Self {
        self.binds.push(bind.to_owned());
        self
    }

    /// Adds a capability.
    pub fn capability(mut self, capability: &str) -> Self {
        self.capabilities.push(capability.to_owned());
        self
    }

    /// Runs as this user.
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// Runs with all privileges.
    pub fn privileged(mut self) -> Self {
        self.privileged = true;
        self
    }

    /// Runs without the engine's filter of system calls, which refuses io_uring.
    pub fn without_seccomp(mut self) -> Self {
        self.seccomp = false;
        self
    }

    /// Gives the first process a terminal.
    pub fn tty(mut self) -> Self {
        self.tty = true;
        self
    }

    /// Asks this DNS server for names.
    pub fn dns(mut self, server: &str) -> Self {
        self.dns = strings(&[server]);
        self
    }

    /// Adds a label.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push(format!("{name}={value}"));
        self
    }

    fn body(&self, cgroup: &TestCgroup) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.clone()),
            cmd: Some(self.command.clone()),
            user: self.user.clone(),
            env: Some(self.variables.clone()),
            tty: Some(self.tty),
            labels: Some(self.labels.iter().cloned().collect()),
            host_config: Some(HostConfig {
                cgroup_parent: Some(cgroup.path()),
                network_mode: Some(self.network.clone()),
                binds: Some(self.binds.clone()),
                cap_add: Some(self.capabilities.clone()),
                privileged: Some(self.privileged),
                security_opt: (!self.seccomp).then(|| strings(&["seccomp=unconfined"])),
                dns: (!self.dns.is_empty()).then(|| self.dns.clone()),
                init: Some(false),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A container, removed when dropped.
#[derive(Debug)]
pub struct Container {
    docker: Docker,
    socket: PathBuf,
    id: String,
    name: String,
    image: String,
    _guard: undo::Guard,
}

impl Container {
    /// Creates a container below the test's cgroup and starts it.
    pub async fn run(engine: &Engine, cgroup: &TestCgroup, spec: &ContainerSpec) -> Result<Self> {
        let container = Self::create(engine, cgroup, spec).await?;
        container.start().await?;
        Ok(container)
    }

    /// Creates a container below the test's cgroup.
    pub async fn create(
        engine: &Engine,
        cgroup: &TestCgroup,
        spec: &ContainerSpec,
    ) -> Result<Self> {
        let docker = engine.docker().clone();
        let guard = undo::register(Leftover::Container {
            socket: engine.socket().to_owned(),
            id: spec.name.clone(),
        });
        let options = CreateContainerOptionsBuilder::default()
            .name(&spec.name)
            .build();
        let created = docker
            .create_container(Some(options), spec.body(cgroup))
            .await
            .with_context(|| format!("cannot create a container of {}", spec.image))?;
        Ok(Self {
            docker,
            socket: engine.socket().to_owned(),
            id: created.id,
            name: spec.name.clone(),
            image: spec.image.clone(),
            _guard: guard,
        })
    }

    /// Starts the container, also once more after it has ended.
    pub async fn start(&self) -> Result<()> {
        self.docker
            .start_container(&self.id, None::<StartContainerOptions>)
            .await
            .with_context(|| format!("cannot start {}", self.name))
    }

    /// Stops the container as its operator does, and starts it again.
    pub async fn restart(&self) -> Result<()> {
        let options = RestartContainerOptionsBuilder::default().t(5).build();
        let restarted = self.docker.restart_container(&self.id, Some(options)).await;
        restarted.with_context(|| format!("cannot restart {}", self.name))
    }

    /// Full id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Image as it was asked for.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// Kills the first process and with it the container.
    pub async fn kill(&self) -> Result<()> {
        let options = KillContainerOptionsBuilder::default()
            .signal("SIGKILL")
            .build();
        self.docker.kill_container(&self.id, Some(options)).await?;
        self.wait().await?;
        Ok(())
    }

    /// Waits for the first process to end; its exit code.
    pub async fn wait(&self) -> Result<i64> {
        let mut waiting = self
            .docker
            .wait_container(&self.id, None::<WaitContainerOptions>)
            .boxed();
        match waiting.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(error.into()),
            None => anyhow::bail!("Docker stopped answering"),
        }
    }

    /// Gives the container another name.
    pub async fn rename(&mut self, name: &str) -> Result<()> {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        // The new name is guarded first: both are removed if this is interrupted in between.
        let guard = undo::register(Leftover::Container {
            socket: self.socket.clone(),
            id: name.to_owned(),
        });
        self.docker.rename_container(&self.id, options).await?;
        std::mem::replace(&mut self._guard, guard).forget();
        name.clone_into(&mut self.name);
        Ok(())
    }

    /// What the first process has printed.
    pub async fn logs(&self) -> Result<String> {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .build();
        let lines: Vec<_> = self
            .docker
            .logs(&self.id, Some(options))
            .try_collect()
            .await?;
        Ok(lines.iter().map(ToString::to_string).collect())
    }

    /// Pid of the first process on this machine.
    pub async fn init_pid(&self) -> Result<i32> {
        let answer = self
            .docker
            .inspect_container(&self.id, None::<InspectContainerOptions>)
            .await?;
        let pid = answer.state.and_then(|state| state.pid).unwrap_or(0);
        anyhow::ensure!(pid > 0, "{} does not run", self.name);
        Ok(i32::try_from(pid)?)
    }

    /// Runs a command in the container to its end.
    pub async fn exec(&self, command: &[&str]) -> Result<ExecOutput> {
        Exec::new(command).run(self).await
    }

    /// Runs a shell script in the container to its end; fails if it fails.
    pub async fn shell(&self, script: &str) -> Result<String> {
        let output = self.exec(&["sh", "-c", script]).await?;
        anyhow::ensure!(
            output.code == 0,
            "`{script}` ended with {}:\n{}",
            output.code,
            output.text
        );
        Ok(output.text)
    }
}

/// Removes a container with all its processes, if its engine still answers.
pub(crate) fn remove(socket: &Path, id: &str) -> Result<()> {
    if !socket.exists() {
        return Ok(());
    }
    let removal = async {
        let docker = engine::connect(socket)?;
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        match docker.remove_container(id, Some(options)).await {
            Ok(())
            | Err(Error::DockerResponseServerError {
                // Not there, or being removed by someone else.
                status_code: 404 | 409,
                ..
            }) => Ok(()),
            Err(error) => Err(anyhow::Error::from(error)),
        }
    };
    block_on_anywhere(async {
        tokio::time::timeout(Duration::from_secs(20), removal)
            .await
            .context("Docker does not answer")?
    })
}
