//! Why the sensor could not start.

use std::path::PathBuf;

use thiserror::Error;

/// A failure to start the sensor. Every message says what is wrong and what to do.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// Capabilities are missing.
    #[error("the sensor needs root or the capabilities {missing}: run it as root")]
    Permission {
        /// Missing capabilities, comma separated.
        missing: String,
    },
    /// The agent runs in namespaces of a container.
    #[error(
        "the sensor runs in a private {private} namespace, where pids and cgroups are not those \
         that the kernel reports: run it on the host, or give its container the host's \
         namespaces (docker run --pid=host --cgroupns=host)"
    )]
    Namespaces {
        /// `pid`, `cgroup` or both.
        private: String,
    },
    /// The kernel is older than the oldest supported one.
    #[error("kernel {release} is too old: the sensor needs Linux 6.1 or later")]
    KernelTooOld {
        /// Release of the running kernel.
        release: String,
    },
    /// The kernel does not describe its own types.
    #[error(
        "{path}: this kernel does not describe its types (BTF): it must be built with \
         CONFIG_DEBUG_INFO_BTF=y ({source})"
    )]
    NoBtf {
        /// Where the description was looked for.
        path: PathBuf,
        /// What reading gave.
        source: std::io::Error,
    },
    /// The kernel's description of its types cannot be parsed.
    #[error("the kernel's BTF cannot be read: {0}")]
    BadBtf(#[from] super::BtfError),
    /// Required kernel fields were not found.
    #[error("this kernel lacks required fields: {missing}")]
    MissingFields {
        /// `SYMBOL (paths tried)`, comma separated.
        missing: String,
    },
    /// The scope's cgroup cannot be used.
    #[error("scope.cgroup {path}: {reason}")]
    Scope {
        /// The path as configured.
        path: String,
        /// Why, and what to write instead.
        reason: String,
    },
    /// tracefs is not to be had.
    #[error("tracefs is not mounted and cannot be: {0}; mount it at /sys/kernel/tracing")]
    Tracefs(std::io::Error),
    /// The object as a whole was refused.
    #[error("the kernel programs cannot be loaded: {0}")]
    Load(String),
    /// A topic that must be there lacks programs.
    #[error("mandatory topic '{topic}' is not watched whole on this kernel: {reasons}")]
    MandatoryTopic {
        /// Topic.
        topic: &'static str,
        /// Each program that is missing with the kernel's answer.
        reasons: String,
    },
    /// Something else that the operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The answer.
        source: std::io::Error,
    },
}

impl ProbeError {
    /// Names what was tried when it failed.
    pub(super) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }
}
