//! `alerts`: the stream, record by record.

mod request;
mod show;

use std::time::Duration;

use clap::{Args, Subcommand};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;

use super::{Exit, Failure, Global, client, output};
use crate::config::RecordFormat;
use crate::proto::record::Body;
use crate::proto::watch_request::Start;
use crate::proto::{Cursor, Record, WatchRequest};
use crate::sinks::render;

use request::AlertsArgs;
pub(super) use request::since;
pub(super) use show::find_alert;

/// Alerts, or one of them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct AlertsCommand {
    #[command(subcommand)]
    verb: Option<AlertsVerb>,
    #[command(flatten)]
    args: AlertsArgs,
}

#[derive(Debug, Subcommand)]
enum AlertsVerb {
    /// Print one alert
    Show {
        /// Its id, as every alert has it
        id: String,
    },
}

/// Between attempts to reach an agent that has gone.
const RETRY: Duration = Duration::from_secs(1);

/// `gravlens alerts`
pub(super) fn run(global: &Global, command: AlertsCommand) -> Result<(), Failure> {
    let AlertsCommand { verb, args } = command;
    if let Some(AlertsVerb::Show { id }) = verb {
        return show::run(global, &id);
    }
    let agent = client::agent(global)?;
    let mut printer = Printer {
        format: global.output,
        node: String::new(),
        heartbeats: args.heartbeats,
        left: args.limit,
        cursor: None,
    };
    let follow = args.follow;
    let request = args.request()?;
    client::runtime()?.block_on(async {
        tokio::select! {
            result = watch(&agent, request, follow, &mut printer) => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

/// Prints until the end; with `follow`, comes back to an agent that went away.
async fn watch(
    agent: &client::Agent,
    mut request: WatchRequest,
    follow: bool,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut told = false;
    loop {
        let before = printer.cursor;
        let gone = match stream(agent, request.clone(), printer).await {
            Err(failure) if failure.exit() == Exit::Unreachable => failure,
            other => return other,
        };
        let (Some(cursor), true) = (printer.cursor, follow) else {
            return Err(gone);
        };
        // Once for each time that it goes, not for each attempt.
        if !told || before != printer.cursor {
            eprintln!("gravlens: the agent has gone; waiting for it to come back");
            told = true;
        }
        request.start = Some(Start::Cursor(cursor));
        tokio::time::sleep(RETRY).await;
    }
}

async fn stream(
    agent: &client::Agent,
    request: WatchRequest,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut records = client::watch(agent, request).await?;
    let mut silence = Silence::default();
    loop {
        let Ok(next) = timeout(silence.limit(), records.next()).await else {
            silence.tell();
            continue;
        };
        let Some(record) = next else { return Ok(()) };
        let record = record.map_err(client::broken)?;
        silence.broken_by(&record);
        if printer.print(&record)? {
            return Ok(());
        }
    }
}

/// A silence that lasts longer than the HELLO allows.
#[derive(Default)]
struct Silence {
    limit: Option<Duration>,
    told: bool,
}

impl Silence {
    /// Before the HELLO there is no promise to hold the agent to.
    const UNKNOWN: Duration = Duration::from_secs(3_600);

    fn limit(&self) -> Duration {
        self.limit.unwrap_or(Self::UNKNOWN)
    }

    fn broken_by(&mut self, record: &Record) {
        if let Some(Body::Hello(hello)) = &record.body {
            self.limit = Some(client::patience(hello));
        }
        if std::mem::take(&mut self.told) {
            eprintln!("gravlens: the agent speaks again");
        }
    }

    /// Once for each silence.
    fn tell(&mut self) {
        if !std::mem::replace(&mut self.told, true) {
            eprintln!(
                "gravlens: warning: no heartbeat for {} s: the agent is stopped or hangs, and \
                 what happens now may not be told",
                self.limit().as_secs()
            );
        }
    }
}

struct Printer {
    format: RecordFormat,
    node: String,
    heartbeats: bool,
    /// Alerts still to print; `None` prints all.
    left: Option<u64>,
    /// Where to go on.
    cursor: Option<Cursor>,
}

impl Printer {
    /// Prints a record; true when the limit is reached.
    fn print(&mut self, record: &Record) -> Result<bool, Failure> {
        self.remember(record);
        if matches!(record.body, Some(Body::Heartbeat(_))) && !self.heartbeats {
            return Ok(false);
        }
        if let Some(text) = render::record(record, self.format, &self.node) {
            output::text(&text)?;
        }
        if let (Some(left), Some(Body::Alert(_))) = (&mut self.left, &record.body) {
            *left = left.saturating_sub(1);
        }
        Ok(self.left == Some(0))
    }

    fn remember(&mut self, record: &Record) {
        let progress = match &record.body {
            Some(Body::Hello(hello)) => {
                self.node.clone_from(&hello.node);
                hello.progress
            }
            Some(Body::Heartbeat(heartbeat)) => heartbeat.progress,
            _ => None,
        };
        let sequence = progress.map_or(record.sequence, |progress| progress.complete_through);
        self.cursor = Some(Cursor {
            epoch: record.stream_epoch,
            sequence,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_twice_the_interval_that_hello_states() {
        let mut silence = Silence::default();
        assert_eq!(silence.limit(), Silence::UNKNOWN);
        let hello = crate::proto::Hello {
            heartbeat_seconds: 5,
            ..Default::default()
        };
        silence.tell();
        silence.broken_by(&Record {
            body: Some(Body::Hello(hello)),
            ..Default::default()
        });
        assert_eq!(silence.limit(), Duration::from_secs(10));
        assert!(!silence.told);
    }
}
