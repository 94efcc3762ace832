//! `stream check`: proves that the stream is whole, as a monitoring system would ask.

mod chain;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use tokio::time::{Instant, timeout};
use tokio_stream::StreamExt as _;

use super::{Exit, Failure, Global, client, output};
use crate::config::OutputFormat;
use crate::proto::watch_request::Start;
use crate::proto::{Live, Oldest, WatchRequest};
use chain::{Chain, Report};

/// What is done with the stream.
#[derive(Debug, Subcommand)]
pub(super) enum StreamVerb {
    /// Subscribe for a while and check that nothing is missing: the chain of sequence numbers, the
    /// sums of every account, and a heartbeat in time. Exit code 1 if something is wrong
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Seconds to listen; at least three heartbeats are waited for
    #[arg(long, value_name = "N", default_value_t = 15)]
    seconds: u64,
    /// Check also everything that is kept, from the oldest record on; a GAP in it counts
    #[arg(long)]
    from_start: bool,
}

/// `gravlens stream`
pub(super) fn run(global: &Global, verb: &StreamVerb) -> Result<(), Failure> {
    let StreamVerb::Check(args) = verb;
    let agent = client::agent(global)?;
    let report = client::runtime()?.block_on(check(&agent, args))?;
    match global.document()? {
        OutputFormat::Text => output::text(&text(&report))?,
        OutputFormat::Json => output::json(&json!({
            "whole": report.problems.is_empty(),
            "problems": report.problems,
            "records": report.records,
            "heartbeats": report.heartbeats,
            "complete_through": report.complete_through,
        }))?,
    }
    if report.problems.is_empty() {
        return Ok(());
    }
    Err(Failure::silent(Exit::Failure))
}

/// Heartbeats that are waited for at least.
const BEATS: u64 = 3;
/// Until the HELLO has stated the interval.
const HELLO_LIMIT: Duration = Duration::from_secs(10);

async fn check(agent: &client::Agent, args: &CheckArgs) -> Result<Report, Failure> {
    let start = if args.from_start {
        Start::Oldest(Oldest {})
    } else {
        Start::Live(Live {})
    };
    let request = WatchRequest {
        start: Some(start),
        ..WatchRequest::default()
    };
    let mut chain = Chain::default();
    let mut records = match timeout(HELLO_LIMIT, client::watch(agent, request)).await {
        Ok(records) => records?,
        Err(_) => {
            chain.silence(HELLO_LIMIT);
            return Ok(chain.finish());
        }
    };
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let mut patience = HELLO_LIMIT;
    while Instant::now() < end || chain.heartbeats() < BEATS || !chain.has_caught_up() {
        match timeout(patience, records.next()).await {
            Ok(Some(Ok(record))) => chain.take(&record),
            Ok(Some(Err(status))) => return Err(client::broken(status)),
            Ok(None) => {
                chain.problem("the agent ended the stream".to_owned());
                break;
            }
            Err(_) => {
                chain.silence(patience);
                break;
            }
        }
        patience = chain.patience().unwrap_or(patience);
    }
    Ok(chain.finish())
}

fn text(report: &Report) -> String {
    let Report {
        problems,
        records,
        heartbeats,
        complete_through,
    } = report;
    let mut out = String::new();
    for problem in problems {
        out.push_str(&format!("WRONG {problem}\n"));
    }
    let verdict = if problems.is_empty() {
        "whole"
    } else {
        "not whole"
    };
    out.push_str(&format!(
        "{verdict}: {records} records and {heartbeats} heartbeats, complete through \
         {complete_through}\n"
    ));
    out
}
