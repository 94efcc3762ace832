//! The client's side of the stream's promise: a gap would show.

use anyhow::{Context, Result, ensure};
use gravlens::proto::record::Body;
use gravlens::proto::{AlertAccount, Progress, Record};

/// Checks the chain of sequence numbers and the sums of every heartbeat.
pub fn check_account(records: &[Record]) -> Result<()> {
    let (first, rest) = records.split_first().context("there is no record")?;
    let Some(Body::Hello(hello)) = &first.body else {
        anyhow::bail!("the first record is no HELLO: {first:?}");
    };
    let hello = hello.progress.as_ref().context("HELLO has no progress")?;
    let mut last = hello.complete_through;
    let mut received = 0;
    let mut epochs = Vec::new();
    for record in rest {
        match &record.body {
            Some(Body::Hello(_)) => anyhow::bail!("a second HELLO came"),
            Some(Body::Heartbeat(heartbeat)) => {
                ensure!(
                    record.sequence == 0,
                    "a heartbeat has a place in the stream"
                );
                let progress = heartbeat.progress.as_ref().context("no progress")?;
                check_progress(progress, hello.complete_through, received)?;
                check_alerts(heartbeat.alerts.as_ref().context("no account of alerts")?)?;
                ensure!(
                    progress.complete_through >= last,
                    "a heartbeat is complete through {}, yet {last} was sent",
                    progress.complete_through
                );
            }
            Some(_) => {
                ensure!(
                    record.prev_sequence == last && record.sequence > last,
                    "after record {last} comes {} that follows {}",
                    record.sequence,
                    record.prev_sequence
                );
                last = record.sequence;
                check_epoch(&mut epochs, record)?;
                received += u64::from(!stands_for_evicted(record));
            }
            None => anyhow::bail!("record {} is empty", record.sequence),
        }
    }
    Ok(())
}

/// Each run of the agent has an epoch of its own, and its records stand together. A GAP in the place
/// of records that are gone is of the run that tells it.
fn check_epoch(epochs: &mut Vec<u64>, record: &Record) -> Result<()> {
    if stands_for_evicted(record) || epochs.last() == Some(&record.stream_epoch) {
        return Ok(());
    }
    ensure!(
        !epochs.contains(&record.stream_epoch),
        "record {} is of an epoch that had ended",
        record.sequence
    );
    epochs.push(record.stream_epoch);
    Ok(())
}

fn check_alerts(alerts: &AlertAccount) -> Result<()> {
    let became =
        alerts.stored + alerts.rolled_up + alerts.throttled + alerts.queue_full + alerts.in_flight;
    ensure!(alerts.raised == became, "the sums differ: {alerts:?}");
    Ok(())
}

fn check_progress(progress: &Progress, start: u64, received: u64) -> Result<()> {
    ensure!(progress.start == start, "the start moved: {progress:?}");
    ensure!(
        progress.delivered == received,
        "the agent says it delivered {}, {received} came",
        progress.delivered
    );
    ensure!(
        progress.complete_through - progress.start
            == progress.delivered + progress.filtered_count + progress.missed,
        "the sums differ: {progress:?}"
    );
    Ok(())
}

/// A GAP in the place of records that are gone is not counted as delivered.
fn stands_for_evicted(record: &Record) -> bool {
    matches!(&record.body, Some(Body::Gap(gap)) if gap.from_sequence != 0)
}

#[cfg(test)]
mod tests {
    use gravlens::proto::{Alert, Heartbeat, Hello};

    use super::*;

    fn record(sequence: u64, prev_sequence: u64, body: Body) -> Record {
        Record {
            stream_epoch: 7,
            sequence,
            prev_sequence,
            time: None,
            body: Some(body),
        }
    }

    fn progress(complete_through: u64, delivered: u64, filtered_count: u64) -> Option<Progress> {
        Some(Progress {
            complete_through,
            start: 10,
            delivered,
            filtered_count,
            missed: 0,
        })
    }

    fn stream() -> Vec<Record> {
        vec![
            record(
                0,
                0,
                Body::Hello(Hello {
                    progress: progress(10, 0, 0),
                    ..Hello::default()
                }),
            ),
            record(12, 10, Body::Alert(Alert::default())),
            record(13, 12, Body::Alert(Alert::default())),
            record(
                0,
                0,
                Body::Heartbeat(Heartbeat {
                    progress: progress(15, 2, 3),
                    alerts: Some(AlertAccount::default()),
                    ..Heartbeat::default()
                }),
            ),
            record(16, 13, Body::Alert(Alert::default())),
        ]
    }

    #[test]
    fn a_whole_stream_balances() {
        check_account(&stream()).unwrap();
    }

    #[test]
    fn a_lost_record_shows() {
        for lost in [0, 1, 2] {
            let mut records = stream();
            records.remove(lost);
            assert!(
                check_account(&records).is_err(),
                "record {lost} was lost unnoticed"
            );
        }
    }

    #[test]
    fn a_wrong_sum_shows() {
        let mut records = stream();
        records[3].body = Some(Body::Heartbeat(Heartbeat {
            progress: progress(16, 2, 3),
            alerts: Some(AlertAccount::default()),
            ..Heartbeat::default()
        }));
        assert!(check_account(&records).is_err());
    }

    #[test]
    fn an_alert_that_no_count_knows_shows() {
        let mut records = stream();
        records[3].body = Some(Body::Heartbeat(Heartbeat {
            progress: progress(15, 2, 3),
            alerts: Some(AlertAccount {
                raised: 2,
                stored: 1,
                ..AlertAccount::default()
            }),
            ..Heartbeat::default()
        }));
        assert!(check_account(&records).is_err());
    }
}
