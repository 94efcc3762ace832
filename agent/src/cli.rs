//! The command line.

#![forbid(unsafe_code)]

mod alerts;
mod baseline;
mod canary;
mod client;
mod config;
mod containers;
mod docs;
mod doctor;
mod exit;
mod output;
mod record;
mod replay;
mod rules;
mod run;
mod status;
mod stream;
mod tune;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use exit::{Exit, Failure};

use crate::config::{ConfigError, Effective, OutputFormat, RecordFormat, Sources};

/// Runtime anomaly detection for containers.
#[derive(Debug, Parser)]
#[command(name = "gravlens", version, after_help = exit::HELP, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Configuration file [default: /etc/gravlens/gravlens.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "GRAVLENS_CONFIG")]
    config: Option<PathBuf>,
    /// Socket of the agent [default: the configured one, /run/gravlens/gravlens.sock]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Agent to ask over the network: https://HOST:PORT, or http:// for one of this node without
    /// TLS; --socket outranks it
    #[arg(long, global = true, value_name = "URL", env = "GRAVLENS_CONNECT")]
    connect: Option<String>,
    /// PEM file with the CAs that the agent's certificate may come from
    #[arg(long, global = true, value_name = "FILE", env = "GRAVLENS_TLS_CA")]
    tls_ca: Option<PathBuf>,
    /// PEM file with the certificate to show to the agent
    #[arg(long, global = true, value_name = "FILE", env = "GRAVLENS_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the private key of that certificate
    #[arg(long, global = true, value_name = "FILE", env = "GRAVLENS_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Form of what is printed; `falco` and `ocsf` for alerts alone
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORM"
    )]
    output: RecordFormat,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Watch this node and stream alerts until stopped
    Run(run::RunArgs),
    /// Say what this kernel lets the agent see, topic by topic
    Doctor(run::RunArgs),
    /// Say how the running agent does: hooks, losses, queues, stream
    Status,
    /// Print alerts, and what else the stream says, from the running agent
    Alerts(Box<alerts::AlertsCommand>),
    /// Check that the running agent's stream is whole
    #[command(subcommand)]
    Stream(stream::StreamVerb),
    /// List the containers that the running agent sees
    Containers,
    /// Record what this node does, for `replay` and `rules backtest`
    Record(record::RecordArgs),
    /// Print the alerts that rules make of recordings
    Replay(replay::ReplayArgs),
    /// Check, explain, test and list rules, and try them on recordings
    #[command(subcommand)]
    Rules(rules::RulesVerb),
    /// Review what workloads do, as the agent has learnt it, and say what belongs to them
    #[command(subcommand)]
    Baseline(baseline::BaselineVerb),
    /// Propose the narrowest exception that hides an alert, and show what else it would hide
    Tune(tune::TuneArgs),
    /// Check and show the configuration
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Print the generated part of a document
    #[command(hide = true)]
    Docs(docs::DocsArgs),
    /// Make calls for the agent that started this
    #[command(hide = true)]
    Canary(canary::CanaryArgs),
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let Cli { global, verb } = Cli::parse();
    let result = match verb {
        Verb::Run(args) => run::run(&global, &args),
        Verb::Doctor(args) => run::doctor(&global, &args),
        Verb::Status => status::run(&global),
        Verb::Alerts(args) => alerts::run(&global, *args),
        Verb::Stream(verb) => stream::run(&global, &verb),
        Verb::Containers => containers::run(&global),
        Verb::Record(args) => record::run(&global, &args),
        Verb::Replay(args) => replay::run(&global, &args),
        Verb::Rules(verb) => rules::run(&global, verb),
        Verb::Baseline(verb) => baseline::run(&global, &verb),
        Verb::Tune(args) => tune::run(&global, &args),
        Verb::Config(verb) => config::run(&global, verb),
        Verb::Docs(args) => docs::run(&args),
        Verb::Canary(args) => canary::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

impl Global {
    /// The form of a document.
    fn document(&self) -> Result<OutputFormat, Failure> {
        match self.output {
            RecordFormat::Text => Ok(OutputFormat::Text),
            RecordFormat::Json => Ok(OutputFormat::Json),
            RecordFormat::Falco | RecordFormat::Ocsf => Err(Failure::new(
                Exit::Usage,
                format!(
                    "--output {}: only alerts have that form",
                    self.output.word()
                ),
            )),
        }
    }

    /// The configuration, with flags of the verb on top.
    fn load(&self, flags: Vec<Flag>) -> Result<Effective, ConfigError> {
        self.load_from(self.config.clone(), flags)
    }

    fn load_from(
        &self,
        file: Option<PathBuf>,
        mut flags: Vec<Flag>,
    ) -> Result<Effective, ConfigError> {
        if let Some(socket) = &self.socket {
            let socket = socket.to_string_lossy().into_owned();
            flags.push(("--socket".to_owned(), "stream.socket".to_owned(), socket));
        }
        Sources {
            file,
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    // A variable of ours that is not UTF-8 fails the check of its setting.
                    let value = value.to_string_lossy().into_owned();
                    Some((name.into_string().ok()?, value))
                })
                .collect(),
            flags,
        }
        .load()
    }
}

/// What was typed, the setting and the value.
type Flag = (String, String, String);

#[cfg(test)]
mod tests;
