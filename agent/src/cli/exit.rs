//! How the command ends.

use std::fmt::{self, Display};
use std::process::ExitCode;

use crate::baseline::file::FileError;
use crate::capture::{CreateError, Damage, Fault, OpenError};
use crate::config::ConfigError;
use crate::detect::ReadError;
use crate::pipeline::{BaselineError, RecordError, RunError};
use crate::probe::ProbeError;
use crate::run_lock::RunLockError;
use crate::sandbox::SandboxError;
use crate::sinks::grpc::BindError;
use crate::state_dir::StateDirError;

/// For `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  something failed
  2  wrong arguments or configuration
  3  permission denied: root, capabilities or the host's namespaces are missing, or the agent
     refuses this client
  4  this kernel is not supported
  5  another agent runs already
  6  no agent can be reached
  7  rules, or reviewed baselines, were refused
  8  a recording is damaged or cut off: what comes before was used";

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; also when the reader of the output has gone.
    Success = 0,
    /// Anything without a code of its own.
    Failure = 1,
    /// Wrong arguments or configuration.
    Usage = 2,
    /// Root, capabilities or the host's namespaces are missing, or the agent refuses this client.
    Permission = 3,
    /// The kernel lacks what the agent needs.
    Kernel = 4,
    /// Another agent runs.
    AlreadyRunning = 5,
    /// No agent answers.
    Unreachable = 6,
    /// Rules, or reviewed baselines, were refused.
    RulesRefused = 7,
    /// A capture is damaged or was cut off; what comes before was used.
    Damaged = 8,
}

/// The command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    /// For people; nothing is printed when it is empty.
    message: String,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    /// A failure with a message that says what to do.
    pub fn new(exit: Exit, message: impl Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }

    /// An end of which the output told already.
    pub fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// The code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Prints the message.
    pub fn report(self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("gravlens: {}", self.message);
        }
        ExitCode::from(self.exit as u8)
    }
}

pub(super) fn exit_of_io(error: &std::io::Error) -> Exit {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Exit::Permission,
        _ => Exit::Failure,
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            // `gravlens alerts | head`: the reader has what it wanted.
            std::io::ErrorKind::BrokenPipe => Self::silent(Exit::Success),
            _ => Self::new(exit_of_io(&error), error),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<ProbeError> for Failure {
    fn from(error: ProbeError) -> Self {
        Self::new(exit_of_probe(&error), error)
    }
}

fn exit_of_probe(error: &ProbeError) -> Exit {
    match error {
        ProbeError::Permission { .. } | ProbeError::Namespaces { .. } => Exit::Permission,
        ProbeError::KernelTooOld { .. }
        | ProbeError::NoBtf { .. }
        | ProbeError::BadBtf(_)
        | ProbeError::MissingFields { .. }
        | ProbeError::MandatoryTopic { .. } => Exit::Kernel,
        ProbeError::Scope { .. } => Exit::Usage,
        ProbeError::Io { source, .. } | ProbeError::Tracefs(source) => exit_of_io(source),
        ProbeError::Load(_) => Exit::Failure,
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        Self::new(Exit::Failure, error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let exit = match &error {
            RunError::Probe(error) => exit_of_probe(error),
            RunError::Lock(RunLockError::Held { .. }) | RunError::Bind(BindError::InUse(_)) => {
                Exit::AlreadyRunning
            }
            RunError::Lock(RunLockError::StateDir(StateDirError::Io { source, .. }))
            | RunError::Bind(BindError::Io { source, .. } | BindError::Tcp { source, .. })
            | RunError::Io { source, .. } => exit_of_io(source),
            RunError::RulesRefused(_) | RunError::Baselines(BaselineError::Refused(_)) => {
                Exit::RulesRefused
            }
            RunError::Lock(RunLockError::StateDir(StateDirError::Untrusted { .. }))
            | RunError::ReadRules(_)
            | RunError::Bind(BindError::NotASocket(_) | BindError::Credentials(_)) => Exit::Usage,
            _ => Exit::Failure,
        };
        Self::new(exit, error)
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        let exit = match error {
            RecordError::Run(error) => return error.into(),
            RecordError::Create(CreateError::Exists(_)) => Exit::Usage,
            RecordError::Create(CreateError::Io { ref source, .. })
            | RecordError::Write { ref source, .. } => exit_of_io(source),
        };
        Self::new(exit, error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Io { source, .. } => exit_of_io(source),
            OpenError::Nothing(_) | OpenError::Twice(..) => Exit::Usage,
            OpenError::Header(damage) => exit_of_fault(&damage.fault),
        };
        Self::new(exit, error)
    }
}

fn exit_of_fault(fault: &Fault) -> Exit {
    match fault {
        Fault::Io(error) => exit_of_io(error),
        Fault::NoCapture | Fault::Newer(_) | Fault::Abi(_) | Fault::ByteOrder => Exit::Usage,
        _ => Exit::Damaged,
    }
}

impl From<Damage> for Failure {
    fn from(damage: Damage) -> Self {
        let message = format!("{damage}; what comes before was used");
        Self::new(exit_of_fault(&damage.fault), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_refuses_is_a_matter_of_permission() {
        let refused = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let exit = |error: ProbeError| Failure::from(error).exit();
        assert_eq!(exit(ProbeError::Tracefs(refused())), Exit::Permission);
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert_eq!(exit(ProbeError::Tracefs(missing)), Exit::Failure);
    }
}
