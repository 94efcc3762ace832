//! The records of a capture, and what the detection task makes of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use gravlens::baseline::{LearnSettings, Learner};
use gravlens::capture::{Capture, Fault, Input, captures};
use gravlens::decode::{Record, decode};
use gravlens::detect::{EventTypes, LoadOptions, RuleFile, RuleSet, load};
use gravlens::model::Syscall;
use gravlens::pipeline::Replay;
use gravlens::proto::record::Body;

/// A capture in memory.
pub(crate) struct Mix {
    capture: Capture,
    /// What the node was like before the first record.
    state: Vec<Input>,
    records: Vec<Vec<u8>>,
    /// Events that the recorder saw, and those of them that it lost.
    pub(crate) seen: u64,
    pub(crate) lost: u64,
}

impl Mix {
    /// Reads captures, of which the first tells the state of the node.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut captures = captures(paths)?.into_iter();
        let mut capture = captures.next().context("no capture is named")?;
        let (mut state, mut records) = (Vec::new(), Vec::new());
        let mut account = (0, 0);
        while let Some(input) = capture
            .next_input()
            .map_err(|damage| anyhow::anyhow!("{damage}"))?
        {
            match input {
                Input::Record(bytes) => records.push(bytes),
                Input::Tick { .. } => {}
                Input::Account { seen, lost } => account = (seen, lost),
                input => state.push(input),
            }
        }
        Ok(Self {
            capture,
            state,
            records,
            seen: account.0,
            lost: account.1,
        })
    }

    /// A detection task with these rules that knows what the capture knows of the node, and has
    /// seen every record once.
    pub(crate) fn detection(&self, rules: &Arc<RuleSet>) -> Result<Replay> {
        self.after(rules, |_| true)
    }

    /// The same where no process has ended: records of what they did can be given to it again without
    /// those of their begin.
    pub(crate) fn lasting(&self, rules: &Arc<RuleSet>) -> Result<Replay> {
        self.after(rules, |record| kind(record) != "exit")
    }

    /// The same with a learner, which knows all of it: times of the records stay within its window.
    pub(crate) fn learnt(&self, rules: &Arc<RuleSet>) -> Result<Replay> {
        let settings = LearnSettings {
            window: 86_400,
            start_phase: 86_400,
            ..LearnSettings::default()
        };
        let learner = Learner::new(settings, BTreeMap::new());
        let replay = Replay::learning(self.capture.header(), Arc::clone(rules), learner);
        self.through(replay, |record| kind(record) != "exit")
    }

    fn after(&self, rules: &Arc<RuleSet>, wanted: impl Fn(&[u8]) -> bool) -> Result<Replay> {
        let replay = Replay::new(self.capture.header(), Arc::clone(rules));
        self.through(replay, wanted)
    }

    fn through(
        &self,
        replay: Result<Replay, Fault>,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Replay> {
        let mut replay = replay.map_err(|fault| anyhow::anyhow!("{fault}"))?;
        for input in self.state.iter().cloned() {
            replay
                .apply(input)
                .map_err(|fault| anyhow::anyhow!("{fault}"))?;
        }
        for record in self.records.iter().filter(|record| wanted(record)) {
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

    /// The event types of the records, with how many there are of each.
    pub(crate) fn types(&self) -> Result<BTreeMap<Syscall, usize>> {
        let mut text = String::new();
        for call in EventTypes::ALL.iter() {
            let name = call.name();
            text += &format!(
                "- rule: {name}\n  desc: d\n  condition: evt.type = {name}\n  output: o\n  \
                 priority: CRITICAL\n"
            );
        }
        let file = RuleFile {
            path: "types.yaml".to_owned(),
            text,
        };
        let loaded = load(&[file], &LoadOptions::default());
        let refused = &loaded.report.refused;
        ensure!(refused.is_empty(), "{}", loaded.report.to_text());
        let mut replay = self.detection(&Arc::new(loaded.set))?;
        let mut types = BTreeMap::new();
        for record in &self.records {
            replay.record(record);
            replay.settle();
            while let Some(told) = replay.next_record() {
                let Some(Body::Alert(alert)) = told.body else {
                    continue;
                };
                let name = alert.rule.unwrap_or_default().name;
                // The agent has alerts of its own.
                if let Some(call) = EventTypes::ALL.iter().find(|call| call.name() == name) {
                    *types.entry(call).or_default() += 1;
                }
            }
        }
        Ok(types)
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

/// The kind of a record.
pub(crate) fn kind(record: &[u8]) -> &'static str {
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
