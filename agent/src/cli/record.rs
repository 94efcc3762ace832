//! `record`: a capture of what this node does.

use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::{MissedTickBehavior, interval};

use super::run::{RunArgs, runtime};
use super::{Exit, Failure, Global};
use crate::capture::CaptureLimits;
use crate::config::Effective;
use crate::pipeline::{self, RecordProgress, RecordSettings, RecordState};
use crate::{probe, run_lock, sandbox, telemetry};

/// Time between two reports on a terminal, which each replace the one before.
const ON_TERMINAL: Duration = Duration::from_secs(1);
/// Time between two lines of a log.
const IN_LOG: Duration = Duration::from_secs(10);

/// Where to, and how much.
#[derive(Debug, Args)]
#[command(after_help = "\
The recorder has a sensor of its own: it works beside a running agent, and costs as much once more.
Rules play no part in what is recorded. With --stdout the alerts of the configured rules are printed
meanwhile.

A capture holds command lines, paths and addresses of everybody on the node: keep it as you keep a
memory dump. docs/capture.md says what is in it.")]
pub(super) struct RecordArgs {
    /// File to make. Later parts of the capture get its name with `.2`, `.3` and so on
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Stop after this time; without it, Ctrl-C or SIGTERM stops
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<NonZeroU64>,
    /// Begin the next part when one has this size
    #[arg(long, value_name = "BYTES", default_value = "67108864")]
    part_bytes: NonZeroU64,
    /// Begin the next part when one is this old
    #[arg(long, value_name = "SECONDS", default_value = "3600")]
    part_seconds: NonZeroU32,
    /// Parts to keep; the oldest is removed when there are more
    #[arg(long, value_name = "N", default_value = "16")]
    keep: NonZeroU32,
    #[command(flatten)]
    run: RunArgs,
}

/// `gravlens record`
pub(super) fn run(global: &Global, args: &RecordArgs) -> Result<(), Failure> {
    let Effective {
        config, warnings, ..
    } = global.load(args.run.flags())?;
    telemetry::init(&config.log.level, config.log.format)
        .map_err(|error| Failure::new(Exit::Usage, format!("log.level: {error}")))?;
    for warning in warnings {
        tracing::warn!(message = "Configuration.", %warning);
    }
    if let Some(pid) = run_lock::running(&config.state_dir) {
        eprintln!(
            "gravlens: an agent runs (pid {pid}); the recording has a sensor of its own beside it"
        );
    }
    let settings = RecordSettings {
        file: args.file.clone(),
        limits: CaptureLimits {
            part_bytes: args.part_bytes.get(),
            part_age_ns: u64::from(args.part_seconds.get()) * 1_000_000_000,
            keep: args.keep.get(),
        },
        duration: args.seconds.map(|limit| Duration::from_secs(limit.get())),
        alerts: args.run.stdout,
    };
    probe::check_requirements()?;
    // Before the runtime: its threads must share the mount namespace.
    probe::ensure_tracefs()?;
    if config.sandbox.enabled {
        sandbox::drop_capabilities()?;
    }
    let runtime = runtime(config.sandbox.enabled)?;
    let progress = Arc::new(RecordProgress::default());
    let outcome = runtime.block_on(async {
        let recording = pipeline::record(&config, &settings, Arc::clone(&progress));
        tokio::select! {
            outcome = recording => outcome,
            never = report(&progress) => match never {},
        }
    });
    // A write to an output that nobody reads must not keep the process.
    runtime.shutdown_background();
    let state = progress.state();
    if state.part > 0 {
        clear_line();
        eprintln!("gravlens: {}", sentence(&settings, &state));
    }
    Ok(outcome?)
}

/// Says how far the recording has come, again and again.
async fn report(progress: &RecordProgress) -> Infallible {
    let terminal = std::io::stderr().is_terminal();
    let mut ticks = interval(if terminal { ON_TERMINAL } else { IN_LOG });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let line = line(&progress.state());
        let mut stderr = std::io::stderr().lock();
        // Who does not read it misses nothing that is recorded.
        let _ = if terminal {
            write!(stderr, "\r{line}\x1b[K")
        } else {
            writeln!(stderr, "gravlens: {line}")
        };
        let _ = stderr.flush();
    }
}

fn clear_line() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

fn line(state: &RecordState) -> String {
    format!(
        "recording: {} events seen, {} lost, {:.1} MiB, part {}",
        state.seen,
        state.lost,
        mebibytes(state.bytes),
        state.part
    )
}

fn sentence(settings: &RecordSettings, state: &RecordState) -> String {
    format!(
        "recorded {} events, {} lost, {:.1} MiB in {} of {}",
        state.seen,
        state.lost,
        mebibytes(state.bytes),
        if state.part == 1 {
            "1 part".to_owned()
        } else {
            format!("{} parts", state.part)
        },
        settings.file.display()
    )
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
