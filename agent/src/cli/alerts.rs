//! `alerts`: the stream, record by record.

mod request;
mod show;

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};

use super::{Exit, Failure, Global, client, output};
use crate::config::RecordFormat;
use crate::proto::alert_service_client::AlertServiceClient;
use crate::proto::record::Body;
use crate::proto::watch_request::Start;
use crate::proto::{Cursor, Record, WatchRequest};
use crate::sinks::render;

use request::AlertsArgs;

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
    let socket = client::socket(global)?;
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
            result = watch(&socket, request, follow, &mut printer) => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

/// Prints until the end; with `follow`, comes back to an agent that went away.
async fn watch(
    socket: &Path,
    mut request: WatchRequest,
    follow: bool,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut told = false;
    loop {
        let before = printer.cursor;
        let gone = match stream(socket, request.clone(), printer).await {
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
    socket: &Path,
    request: WatchRequest,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut client = AlertServiceClient::new(client::connect(socket).await?)
        .max_decoding_message_size(client::MAX_MESSAGE_BYTES);
    let mut records = client.watch(request).await.map_err(refused)?.into_inner();
    let mut silence = Silence::default();
    loop {
        let Ok(next) = timeout(silence.limit(), records.next()).await else {
            silence.tell();
            continue;
        };
        let Some(record) = next else { return Ok(()) };
        let record = record.map_err(broken)?;
        silence.broken_by(&record);
        if printer.print(&record)? {
            return Ok(());
        }
    }
}

/// The agent sends a heartbeat at the interval that its HELLO states, also when there is nothing
/// else to say: twice as long without any record means that it is stopped or hangs.
#[derive(Default)]
struct Silence {
    interval: Option<Duration>,
    told: bool,
}

impl Silence {
    /// Before the HELLO there is no promise to hold the agent to.
    const UNKNOWN: Duration = Duration::from_secs(3_600);

    fn limit(&self) -> Duration {
        self.interval.map_or(Self::UNKNOWN, |interval| interval * 2)
    }

    fn broken_by(&mut self, record: &Record) {
        if let Some(Body::Hello(hello)) = &record.body {
            let seconds = hello.heartbeat_seconds.max(1);
            self.interval = Some(Duration::from_secs(seconds.into()));
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

/// An agent that refuses the request. Elsewhere the library says "out of range" of messages that
/// are too large; here the agent says it of a cursor.
pub(super) fn refused(status: Status) -> Failure {
    match status.code() {
        Code::OutOfRange => Failure::new(Exit::Usage, status.message()),
        _ => broken(status),
    }
}

/// A connection that breaks reports one of several codes, depending on where it breaks.
pub(super) fn broken(status: Status) -> Failure {
    match status.code() {
        Code::Unknown | Code::Internal | Code::Cancelled => {
            Failure::new(Exit::Unreachable, status.message())
        }
        _ => status.into(),
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

    #[test]
    fn only_a_refused_cursor_is_a_wrong_argument() {
        let too_large = || Status::out_of_range("message length too large");
        assert_eq!(refused(too_large()).exit(), Exit::Usage);
        assert_eq!(broken(too_large()).exit(), Exit::Failure);
        assert_eq!(
            refused(Status::invalid_argument("77 is no severity")).exit(),
            Exit::Usage
        );
    }
}
