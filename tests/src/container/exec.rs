//! Commands inside a running container, as `docker exec` runs them.

use anyhow::{Context, Result, bail};
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use super::{Container, strings};

/// A command to run in a container.
#[derive(Clone, Debug)]
pub struct Exec {
    command: Vec<String>,
    user: Option<String>,
    directory: Option<String>,
    tty: bool,
    input: Option<String>,
}

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// Exit code.
    pub code: i64,
    /// Standard output and error, as they came.
    pub text: String,
}

impl Exec {
    /// A command with its arguments.
    pub fn new(command: &[&str]) -> Self {
        Self {
            command: strings(command),
            user: None,
            directory: None,
            tty: false,
            input: None,
        }
    }

    /// Runs as this user.
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// Runs in this directory.
    pub fn directory(mut self, directory: &str) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Has a terminal, as `docker exec -it` gives, and types this.
    pub fn terminal(mut self, typed: &str) -> Self {
        self.tty = true;
        self.input = Some(typed.to_owned());
        self
    }

    /// Runs the command to its end.
    pub async fn run(&self, container: &Container) -> Result<ExecOutput> {
        let docker = &container.docker;
        let id = self.create(container).await?;
        let options = StartExecOptions {
            tty: self.tty,
            ..StartExecOptions::default()
        };
        let StartExecResults::Attached {
            mut output,
            mut input,
        } = docker.start_exec(&id, Some(options)).await?
        else {
            bail!("Docker detached from {:?}", self.command);
        };
        if let Some(typed) = &self.input {
            input.write_all(typed.as_bytes()).await?;
            input.flush().await?;
        }
        let mut text = String::new();
        while let Some(piece) = output.next().await {
            text.push_str(&piece?.to_string());
        }
        let ended = docker.inspect_exec(&id).await?;
        let code = ended.exit_code.context("the command has not ended")?;
        Ok(ExecOutput { code, text })
    }

    /// Starts the command and leaves it running.
    pub async fn start(&self, container: &Container) -> Result<()> {
        let id = self.create(container).await?;
        let options = StartExecOptions {
            detach: true,
            tty: self.tty,
            ..StartExecOptions::default()
        };
        container.docker.start_exec(&id, Some(options)).await?;
        Ok(())
    }

    async fn create(&self, container: &Container) -> Result<String> {
        let config = ExecConfig {
            cmd: Some(self.command.clone()),
            user: self.user.clone(),
            working_dir: self.directory.clone(),
            tty: Some(self.tty),
            attach_stdin: Some(self.input.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..ExecConfig::default()
        };
        let created = container.docker.create_exec(container.id(), config).await;
        Ok(created
            .with_context(|| format!("cannot run {:?} in {}", self.command, container.name()))?
            .id)
    }
}
