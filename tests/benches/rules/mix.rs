//! The records of a capture, and what the detection task makes of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use gravlens::capture::{Capture, Input, captures};
use gravlens::decode::{Record, decode};
use gravlens::detect::RuleSet;
use gravlens::pipeline::Replay;

/// A capture in memory.
pub(crate) struct Mix {
    capture: Capture,
    /// What the node was like before the first record.
    state: Vec<Input>,
    records: Vec<Vec<u8>>,
}

impl Mix {
    /// Reads captures, of which the first tells the state of the node.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut captures = captures(paths)?.into_iter();
        let mut capture = captures.next().context("no capture is named")?;
        let (mut state, mut records) = (Vec::new(), Vec::new());
        while let Some(input) = capture
            .next_input()
            .map_err(|damage| anyhow::anyhow!("{damage}"))?
        {
            match input {
                Input::Record(bytes) => records.push(bytes),
                Input::Tick { .. } | Input::Account { .. } => {}
                input => state.push(input),
            }
        }
        Ok(Self {
            capture,
            state,
            records,
        })
    }

    /// A detection task with these rules that knows what the capture knows of the node, and has
    /// seen every record once.
    pub(crate) fn detection(&self, rules: &Arc<RuleSet>) -> Result<Replay> {
        let mut replay = Replay::new(self.capture.header(), Arc::clone(rules))
            .map_err(|fault| anyhow::anyhow!("{fault}"))?;
        for input in self.state.iter().cloned() {
            replay
                .apply(input)
                .map_err(|fault| anyhow::anyhow!("{fault}"))?;
        }
        for record in &self.records {
            replay.record(record);
            drain(&mut replay);
        }
        Ok(replay)
    }

    /// All records.
    pub(crate) fn all(&self) -> Vec<&[u8]> {
        self.records.iter().map(Vec::as_slice).collect()
    }

    /// Those that are no part of the life of a process or a cgroup and concern none of the rules.
    pub(crate) fn quiet(&self, rules: &Arc<RuleSet>) -> Result<Vec<&[u8]>> {
        let mut replay = self.detection(rules)?;
        let mut quiet = Vec::new();
        for record in &self.records {
            let waiting = replay.waiting();
            replay.record(record);
            let raised = drain(&mut replay) > 0 || replay.waiting() != waiting;
            if !raised && !is_lifecycle(record) {
                quiet.push(record.as_slice());
            }
        }
        Ok(quiet)
    }

    /// How many records of each kind there are.
    pub(crate) fn kinds(&self) -> BTreeMap<&'static str, usize> {
        let mut kinds = BTreeMap::new();
        for record in &self.records {
            *kinds.entry(kind(record)).or_default() += 1;
        }
        kinds
    }
}

/// Takes what the records made, and says how much that was.
pub(crate) fn drain(replay: &mut Replay) -> usize {
    replay.settle();
    std::iter::from_fn(|| replay.next_record()).count()
}

fn kind(record: &[u8]) -> &'static str {
    match decode(record) {
        Err(_) => "unreadable",
        Ok((_, record)) => match record {
            Record::Exec(_) => "exec",
            Record::Fork(_) => "fork",
            Record::Exit(_) => "exit",
            Record::Cgroup(_) => "cgroup",
            Record::SetIds(_) => "set_ids",
            Record::Marker(_) => "marker",
            Record::Task(_) => "task",
            Record::Open(_) => "open",
            Record::Socket(_) => "socket",
            Record::Call(_) | Record::BulkCall(_) => "call",
            Record::Paths(_) => "paths",
            Record::Dns(_) => "dns",
        },
    }
}

fn is_lifecycle(record: &[u8]) -> bool {
    matches!(kind(record), "exec" | "fork" | "exit" | "cgroup")
}
