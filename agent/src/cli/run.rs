//! `run` and `doctor`: the verbs that need the kernel.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use tokio::runtime::{Builder, Runtime};

use super::{Failure, Flag, Global, doctor, output};
use crate::config::{Effective, OutputFormat, RecordFormat};
use crate::{pipeline, probe, sandbox, telemetry};

/// Settings as flags; each outranks the environment and the file.
#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    /// Watch this cgroup only, given below the cgroup2 mount or with it [setting: scope.cgroup]
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,
    /// Rule file or directory, also several times [setting: rules.paths]
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Directory of the run lock and of what outlives a restart [setting: state_dir]
    #[arg(long, value_name = "PATH")]
    state_dir: Option<PathBuf>,
    /// Write alerts to standard output too [settings: outputs.stdout.*]
    #[arg(long, value_enum, value_name = "FORM")]
    pub(super) stdout: Option<RecordFormat>,
    /// Filter of the agent's own log [setting: log.level]
    #[arg(long, value_name = "FILTER")]
    log_level: Option<String>,
    /// Any setting, also several times; `gravlens config check` lists them
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl RunArgs {
    /// The flags as settings, `--set` first so that a flag of its own outranks it.
    pub(super) fn flags(&self) -> Vec<Flag> {
        let mut flags: Vec<Flag> = self
            .set
            .iter()
            .map(|(key, value)| (format!("--set {key}"), key.clone(), value.clone()))
            .collect();
        let mut add = |flag: &str, key: &str, value: Option<String>| {
            if let Some(value) = value {
                flags.push((flag.to_owned(), key.to_owned(), value));
            }
        };
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        add("--cgroup", "scope.cgroup", self.cgroup.as_ref().map(text));
        let rules: Vec<_> = self.rules.iter().map(text).collect();
        add(
            "--rules",
            "rules.paths",
            (!rules.is_empty()).then(|| rules.join(":")),
        );
        add(
            "--state-dir",
            "state_dir",
            self.state_dir.as_ref().map(text),
        );
        add("--log-level", "log.level", self.log_level.clone());
        if let Some(format) = self.stdout {
            add(
                "--stdout",
                "outputs.stdout.enabled",
                Some("true".to_owned()),
            );
            add(
                "--stdout",
                "outputs.stdout.format",
                Some(format.word().to_owned()),
            );
        }
        flags
    }
}

/// `gravlens run`
pub(super) fn run(global: &Global, args: &RunArgs) -> Result<(), Failure> {
    let started = SystemTime::now();
    let Effective {
        config, warnings, ..
    } = global.load(args.flags())?;
    telemetry::init(&config.log.level, config.log.format)
        .map_err(|error| Failure::new(super::Exit::Usage, format!("log.level: {error}")))?;
    for warning in warnings {
        tracing::warn!(message = "Configuration.", %warning);
    }
    probe::check_requirements()?;
    // Before the runtime: its threads must share the mount namespace.
    probe::ensure_tracefs()?;
    if config.sandbox.enabled {
        sandbox::drop_capabilities()?;
    }
    let runtime = runtime(config.sandbox.enabled)?;
    let outcome = runtime.block_on(pipeline::run(&config, started));
    // A write to an output that nobody reads must not keep the process.
    runtime.shutdown_background();
    Ok(outcome?)
}

/// With threads that have no capabilities of the start, if they are to be given up.
pub(super) fn runtime(sandboxed: bool) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all();
    if sandboxed {
        builder.on_thread_start(|| {
            if let Err(error) = sandbox::drop_capabilities_of_the_start() {
                tracing::error!(message = "A thread keeps capabilities.", %error);
            }
        });
    }
    builder.build()
}

/// `gravlens doctor`
pub(super) fn doctor(global: &Global, args: &RunArgs) -> Result<(), Failure> {
    let effective = global.load(args.flags())?;
    effective.print_warnings();
    let config = effective.config;
    probe::check_requirements()?;
    probe::ensure_tracefs()?;
    let report = probe::examine(&pipeline::probe_options(&config))?;
    match global.document()? {
        OutputFormat::Text => output::text(&doctor::text(&report)),
        OutputFormat::Json => output::json(&doctor::json(&report)),
    }
}
