//! Alerts on standard output.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::output::decoded;
use super::render;
use crate::alert::{OutgoingRecord, Step, Subscription};
use crate::config::RecordFormat;

/// Writes every record until the spool ends. The subscription is its only buffer: what the reader
/// of the output does not take in time becomes a GAP.
///
/// # Errors
/// The output is closed.
pub async fn run(
    mut subscription: Subscription,
    format: RecordFormat,
    node: String,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    loop {
        match subscription.step() {
            Step::Record(record) => write(&record, format, &node, &mut output).await?,
            Step::Filtered => {}
            Step::Behind => subscription.load().await,
            Step::Idle => {
                output.flush().await?;
                subscription.wait().await;
            }
            Step::End => return output.flush().await,
        }
    }
}

async fn write(
    record: &OutgoingRecord,
    format: RecordFormat,
    node: &str,
    output: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let text = decoded(record).and_then(|record| render::record(&record, format, node));
    match text {
        Some(text) => output.write_all(text.as_bytes()).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::alert::{Filter, Spool, SpoolLimits, Start, channel, sample};
    use crate::model::ContainerView;

    const LIMITS: SpoolLimits = SpoolLimits {
        bytes: 1 << 20,
        records: 100,
        age: None,
        memory_bytes: 1 << 20,
    };

    async fn written(format: RecordFormat) -> String {
        let writer = Spool::in_memory(LIMITS, "a test").unwrap();
        let spool = Arc::clone(writer.spool());
        let (sender, stage) = channel(writer, 16);
        let subscription = Subscription::new(spool, Start::Oldest, Filter::default()).unwrap();
        for _ in 0..3 {
            sender.raise(sample::alert_in(ContainerView::Host(None)));
        }
        drop(sender);
        let mut output = Vec::new();
        let ((), result) = tokio::join!(
            stage.run(),
            run(subscription, format, "node".to_owned(), &mut output)
        );
        result.unwrap();
        String::from_utf8(output).unwrap()
    }

    #[tokio::test]
    async fn json_is_one_object_a_line() {
        let text = written(RecordFormat::Json).await;
        let sequences: Vec<u64> = text
            .lines()
            .map(|line| {
                let json: serde_json::Value = serde_json::from_str(line).unwrap();
                json["sequence"].as_u64().unwrap()
            })
            .collect();
        assert_eq!(sequences, [1, 2, 3]);
    }

    #[tokio::test]
    async fn text_is_written_to_the_end() {
        let text = written(RecordFormat::Text).await;
        assert_eq!(text.matches("Shell in container\n").count(), 3);
    }

    #[tokio::test]
    async fn a_closed_output_ends_the_sink_with_the_reason() {
        let writer = Spool::in_memory(LIMITS, "a test").unwrap();
        let spool = Arc::clone(writer.spool());
        let (sender, stage) = channel(writer, 16);
        let stage = tokio::spawn(stage.run());
        let subscription = Subscription::new(spool, Start::Oldest, Filter::default()).unwrap();
        let (output, reader) = tokio::io::duplex(16);
        drop(reader);
        sender.raise(sample::alert_in(ContainerView::Host(None)));
        let error = run(subscription, RecordFormat::Text, "node".to_owned(), output).await;
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        drop(sender);
        stage.await.unwrap();
    }
}
