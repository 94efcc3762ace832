//! `alerts show`: one alert by its id.

use tokio_stream::StreamExt as _;

use crate::cli::{Exit, Failure, Global, client, output};
use crate::proto::record::Body;
use crate::proto::watch_request::Start;
use crate::proto::{Alert, Cursor, Record, WatchRequest};
use crate::sinks::render;

/// Prints the alert.
pub(super) fn run(global: &Global, id: &str) -> Result<(), Failure> {
    let cursor = cursor(id)?;
    let agent = client::agent(global)?;
    let found = client::runtime()?.block_on(find(&agent, cursor, id))?;
    let Some((record, node)) = found else {
        let why = format!("{id} is no alert that is kept: `gravlens alerts` lists those that are");
        return Err(Failure::new(Exit::Failure, why));
    };
    match render::record(&record, global.output, &node) {
        Some(text) => output::text(&text),
        None => Ok(()),
    }
}

/// The alert, if it is kept.
pub(in crate::cli) async fn find_alert(
    agent: &client::Agent,
    id: &str,
) -> Result<Option<Alert>, Failure> {
    let found = find(agent, cursor(id)?, id).await?;
    Ok(found.and_then(|(record, _)| match record.body {
        Some(Body::Alert(alert)) => Some(alert),
        _ => None,
    }))
}

fn cursor(id: &str) -> Result<Cursor, Failure> {
    before(id).map_err(|why| Failure::new(Exit::Usage, format!("{id}: {why}")))
}

/// The place before the alert.
fn before(id: &str) -> Result<Cursor, &'static str> {
    const SHAPE: &str = "an id has 16 hexadecimal digits, a hyphen and a number";
    let (epoch, sequence) = id.split_once('-').ok_or(SHAPE)?;
    if epoch.len() != 16 {
        return Err(SHAPE);
    }
    let epoch = u64::from_str_radix(epoch, 16).map_err(|_| SHAPE)?;
    let sequence: u64 = sequence.parse().map_err(|_| SHAPE)?;
    let sequence = sequence
        .checked_sub(1)
        .ok_or("alerts are numbered from 1")?;
    Ok(Cursor { epoch, sequence })
}

/// The alert and its node's name.
async fn find(
    agent: &client::Agent,
    cursor: Cursor,
    id: &str,
) -> Result<Option<(Record, String)>, Failure> {
    let request = WatchRequest {
        start: Some(Start::Cursor(cursor)),
        until_now: true,
        ..WatchRequest::default()
    };
    let mut records = match client::watch(agent, request).await {
        Ok(records) => records,
        // Beyond the end of the stream.
        Err(failure) if failure.exit() == Exit::Usage => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let mut node = String::new();
    while let Some(record) = records.next().await {
        let record = record.map_err(client::broken)?;
        match &record.body {
            Some(Body::Hello(hello)) => node.clone_from(&hello.node),
            Some(Body::Heartbeat(_)) => {}
            Some(Body::Alert(alert)) if alert.id == id => return Ok(Some((record, node))),
            // What follows the cursor is something else.
            _ => return Ok(None),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_place_behind_its_cursor() {
        let cursor = before("00000000000000ab-7").unwrap();
        assert_eq!((cursor.epoch, cursor.sequence), (0xab, 6));
    }

    #[test]
    fn what_is_no_id_is_told() {
        for id in [
            "",
            "ab-7",
            "00000000000000ab",
            "00000000000000ab-x",
            "00000000000000zz-1",
        ] {
            assert!(before(id).unwrap_err().starts_with("an id has"), "{id}");
        }
        let zero = before("00000000000000ab-0").unwrap_err();
        assert_eq!(zero, "alerts are numbered from 1");
    }
}
