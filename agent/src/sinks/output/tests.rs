//! The pump with a real file behind it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::testing::{LIMITS, Stream, until};
use super::*;
use crate::alert::SpoolLimits;
use crate::config::RecordFormat;
use crate::sinks::file::{FileTarget, RotatingFile};

struct Node(TempDir);

impl Node {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn cursors(&self) -> PathBuf {
        self.path().join("cursors")
    }

    fn log(&self) -> PathBuf {
        self.path().join("alerts.json")
    }

    fn output(&self, stream: &Stream) -> Output {
        Output::begin("file", &self.cursors(), &stream.spool, Filter::default()).unwrap()
    }

    /// The output as a task, and its account.
    fn start(&self, stream: &Stream) -> (JoinHandle<()>, Arc<OutputAccount>) {
        let output = self.output(stream);
        let account = output.account();
        let file = RotatingFile::new(self.log(), 1 << 20, 1);
        let target = FileTarget::new(file, RecordFormat::Json, "node".to_owned());
        (tokio::spawn(output.run(target)), account)
    }

    fn written(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn sequences(&self) -> Vec<u64> {
        let records = self.written();
        records
            .iter()
            .map(|record| record["sequence"].as_u64().unwrap())
            .collect()
    }
}

#[tokio::test]
async fn the_next_run_goes_on_behind_the_cursor() {
    let node = Node::new();
    for count in [3, 2, 300] {
        let stream = Stream::open(node.path());
        let (task, account) = node.start(&stream);
        stream.raise(count).await;
        stream.end().await;
        task.await.unwrap();
        assert_eq!(account.records_delivered(), count);
        assert!(!account.is_failing());
    }
    assert_eq!(node.sequences(), (1..=305).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_killed_output_has_not_sent_is_sent_by_the_next() {
    let node = Node::new();
    let stream = Stream::open(node.path());
    // It is gone before its task has run once.
    drop(node.output(&stream));
    stream.raise(3).await;
    stream.end().await;
    let stream = Stream::open(node.path());
    let (task, _) = node.start(&stream);
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.sequences(), [1, 2, 3]);
}

#[tokio::test]
async fn a_cursor_that_could_not_be_written_is_written_later() {
    let node = Node::new();
    let stream = Stream::open(node.path());
    // No directory can be made there.
    fs::write(node.cursors(), "").unwrap();
    let (task, _) = node.start(&stream);
    fs::remove_file(node.cursors()).unwrap();
    until(|| node.cursors().join("file").exists()).await;
    task.abort();
    stream.raise(3).await;
    stream.end().await;
    let stream = Stream::open(node.path());
    let (task, _) = node.start(&stream);
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.sequences(), [1, 2, 3]);
}

#[tokio::test]
async fn a_damaged_cursor_leads_to_the_oldest_record() {
    let node = Node::new();
    for cursor in [
        None,
        Some("gravlens-cursor 1 0000000000000001 2 00000000\n"),
    ] {
        if let Some(damaged) = cursor {
            fs::write(node.cursors().join("file"), damaged).unwrap();
        }
        let stream = Stream::open(node.path());
        let (task, _) = node.start(&stream);
        stream.raise(2).await;
        stream.end().await;
        task.await.unwrap();
    }
    assert_eq!(node.sequences(), [1, 2, 1, 2, 3, 4]);
}

#[tokio::test]
async fn an_output_begins_with_what_happens_from_now_on() {
    let node = Node::new();
    let stream = Stream::open(node.path());
    stream.raise(5).await;
    stream.end().await;
    let stream = Stream::open(node.path());
    let (task, _) = node.start(&stream);
    stream.raise(1).await;
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.sequences(), [6]);
}

#[tokio::test]
async fn a_target_that_comes_back_gets_everything_in_order() {
    let node = Node::new();
    fs::create_dir(node.log()).unwrap();
    let stream = Stream::open(node.path());
    let (task, account) = node.start(&stream);
    stream.raise(20).await;
    until(|| account.attempts_failed() >= 2).await;
    assert!(account.is_failing());
    assert_eq!(account.records_delivered(), 0);
    fs::remove_dir(node.log()).unwrap();
    until(|| account.records_delivered() == 20).await;
    assert!(!account.is_failing());
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.sequences(), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_the_spool_evicts_while_a_target_fails_is_told_by_a_gap() {
    let node = Node::new();
    fs::create_dir(node.log()).unwrap();
    let limits = SpoolLimits {
        records: 64,
        ..LIMITS
    };
    let stream = Stream::with(node.path(), limits);
    let (task, account) = node.start(&stream);
    stream.raise(1).await;
    until(|| account.attempts_failed() > 0).await;
    for _ in 0..10 {
        stream.raise(50).await;
    }
    fs::remove_dir(node.log()).unwrap();
    until(|| account.complete_through() == 501).await;
    stream.end().await;
    task.await.unwrap();
    let written = node.written();
    let gap = written
        .iter()
        .find(|record| record["record"] == "gap")
        .unwrap();
    assert_eq!(gap["gap"]["why"], "client_too_slow");
    let missed = gap["gap"]["count"].as_u64().unwrap();
    assert!(missed > 400, "{gap}");
    assert_eq!(account.records_missed(), missed);
    // The GAP counts as a record; everything is accounted for.
    assert_eq!(written.len() as u64 - 1 + missed, 501);
    assert_eq!(account.records_delivered(), written.len() as u64);
}

#[tokio::test]
async fn a_target_that_fails_does_not_hold_up_the_end() {
    let node = Node::new();
    fs::create_dir(node.log()).unwrap();
    let stream = Stream::open(node.path());
    let (task, account) = node.start(&stream);
    stream.raise(3).await;
    // The pause that follows is seconds long.
    until(|| account.attempts_failed() >= 4).await;
    stream.end().await;
    timeout(Duration::from_secs(2), task)
        .await
        .unwrap()
        .unwrap();
    fs::remove_dir(node.log()).unwrap();
    let stream = Stream::open(node.path());
    let (task, _) = node.start(&stream);
    stream.end().await;
    task.await.unwrap();
    assert_eq!(node.sequences(), [1, 2, 3]);
}

#[tokio::test]
async fn a_cursor_follows_what_a_filter_keeps_back() {
    let node = Node::new();
    let filter = Filter::new(proto::Filter {
        min_severity: proto::Severity::Emergency.into(),
        ..proto::Filter::default()
    })
    .unwrap();
    let stream = Stream::open(node.path());
    let output = Output::begin("file", &node.cursors(), &stream.spool, filter).unwrap();
    let file = RotatingFile::new(node.log(), 1 << 20, 1);
    let target = FileTarget::new(file, RecordFormat::Json, "node".to_owned());
    let task = tokio::spawn(output.run(target));
    stream.raise(7).await;
    let epoch = stream.spool.epoch();
    stream.end().await;
    task.await.unwrap();
    assert!(node.sequences().is_empty());
    let cursor = CursorFile::new(node.cursors().join("file")).read().unwrap();
    let sequence = 7;
    assert_eq!(cursor, Some(Cursor { epoch, sequence }));
}
