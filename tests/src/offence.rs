//! A program that runs in a cgroup, from its first event to its last.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, ensure};

use crate::offenders;

/// Moves itself into the cgroup and becomes the program: all that the cgroup sees of it is the
/// move and the program.
const ENTER: &str = "echo $$ > \"$0\" && exec \"$@\"";
const POLL: Duration = Duration::from_millis(10);

/// A program with its arguments.
#[derive(Clone, Debug)]
pub struct Offence {
    program: PathBuf,
    arguments: Vec<OsString>,
    limit: Duration,
}

impl Offence {
    /// A program of this machine.
    pub fn program(path: impl Into<PathBuf>) -> Self {
        Self {
            program: path.into(),
            arguments: Vec::new(),
            limit: Duration::from_secs(60),
        }
    }

    /// One of `tests/offenders`.
    pub fn offender(name: &str) -> Result<Self> {
        Ok(Self::program(offenders::binary(name)?))
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The program may take so long.
    #[must_use]
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Path of the program.
    pub fn path(&self) -> &Path {
        &self.program
    }

    /// Program and arguments, as the kernel gets them.
    pub fn words(&self) -> Vec<String> {
        let all = [self.program.as_os_str()].into_iter();
        let all = all.chain(self.arguments.iter().map(OsString::as_os_str));
        all.map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    /// Runs the program in a cgroup and returns what it said, once it ended well.
    pub fn run_in(&self, cgroup: &Path) -> Result<Told> {
        let mut child = self.start_in(cgroup)?;
        let pid = child.id();
        let status = self.wait(&mut child, cgroup);
        let mut text = String::new();
        if let Some(mut output) = child.stdout.take() {
            output.read_to_string(&mut text)?;
        }
        let status = status?;
        ensure!(status.success(), "{:?}: {status}: {text}", self.words());
        Ok(Told { pid, text })
    }

    fn start_in(&self, cgroup: &Path) -> Result<Child> {
        Command::new("/bin/sh")
            .args([OsStr::new("-c"), OsStr::new(ENTER)])
            .arg(cgroup.join("cgroup.procs"))
            .arg(&self.program)
            .args(&self.arguments)
            // Whatever cargo tells the loader about its libraries would be opens of the program.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            // Without them a shell asks every source of user names.
            .envs([("HOME", "/"), ("SHELL", "/bin/sh")])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {:?}", self.words()))
    }

    /// Programs tell little enough to fit into the pipe, so nobody need read while they run.
    fn wait(&self, child: &mut Child, cgroup: &Path) -> Result<std::process::ExitStatus> {
        let deadline = Instant::now() + self.limit;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                // All of it, also what the program started.
                fs::write(cgroup.join("cgroup.kill"), "1")?;
                let _ = child.kill(); // it may not have entered the cgroup
                child.wait()?;
                anyhow::bail!("{:?} took longer than {:?}", self.words(), self.limit);
            }
            thread::sleep(POLL);
        }
    }
}

/// What a program said of itself.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its pid.
    pub pid: u32,
    /// Its standard output.
    pub text: String,
}

impl Told {
    /// The value of a line `key=value`.
    pub fn value(&self, key: &str) -> Result<&str> {
        let lines = self.text.lines().filter_map(|line| line.split_once('='));
        let values: HashMap<&str, &str> = lines.collect();
        let value = values.get(key).copied();
        value.with_context(|| format!("the offender did not tell {key}: {}", self.text))
    }
}
