//! What the detection task takes in, on its way into a capture.

use std::collections::HashSet;
use std::sync::Arc;

use gravlens_common::ExecKey;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::super::clock::Reading;
use super::Detector;
use crate::capture::{BlockKind, MAX_ENTRY, encode_message, encode_reading, encode_resolvers};
use crate::enrich::container::ContainerMessage;
use crate::enrich::dns::ResolverMessage;
use crate::enrich::process_table::ProcDetails;
use crate::model::{Container, Identity};
use crate::probe::{ProbeError, Snapshot, proc_details};
use crate::proto::capture::{self as message, Entry, entry};
use crate::telemetry::EventCounts;

/// Contents of a block before it is closed: enough to compress well, little to lose by a kill.
const BLOCK: usize = 256 << 10;
/// Keys of processes in one input.
const KEYS: usize = 8 << 10;

/// What the writer of a capture is to do.
#[derive(Debug)]
pub(in crate::pipeline) enum Job {
    /// Append a block.
    Block(BlockKind, Vec<u8>),
    /// Go on in the next file.
    Part(message::Reading),
}

/// Inputs, encoded, until the writer takes them. Whoever owns the detection task passes them on
/// after each input, so it holds a batch at most.
#[derive(Debug)]
pub(in crate::pipeline) struct Tape {
    kind: BlockKind,
    contents: Vec<u8>,
    ready: Vec<Job>,
    account: message::Account,
}

impl Tape {
    /// A tape that begins with the state of the node.
    pub(in crate::pipeline) fn new() -> Self {
        Self {
            kind: BlockKind::State,
            contents: Vec::new(),
            ready: Vec::new(),
            account: message::Account::default(),
        }
    }

    /// The state has been told: inputs follow.
    pub(in crate::pipeline) fn end_state(&mut self) {
        self.close();
        self.kind = BlockKind::Inputs;
    }

    /// Takes the blocks that are complete, or, with `all`, everything.
    pub(in crate::pipeline) fn take(&mut self, all: bool) -> Vec<Job> {
        if all {
            self.close();
        }
        std::mem::take(&mut self.ready)
    }

    /// The next file begins, with the state of the node.
    fn begin_part(&mut self, now: Reading) {
        self.close();
        let reading = encode_reading(now.boot_ns, now.wall);
        self.ready.push(Job::Part(reading));
        self.kind = BlockKind::State;
    }

    /// A record. Most inputs are records: its bytes are copied once.
    pub(super) fn record(&mut self, record: &[u8]) {
        const FIELD: u32 = 1;
        let len = 1 + encoded_len_varint(record.len() as u64) + record.len();
        encode_varint(len as u64, &mut self.contents);
        encode_key(FIELD, WireType::LengthDelimited, &mut self.contents);
        encode_varint(record.len() as u64, &mut self.contents);
        self.contents.extend_from_slice(record);
        self.close_full();
    }

    pub(super) fn tick(&mut self, now: Reading) {
        self.put(entry::Input::Tick(encode_reading(now.boot_ns, now.wall)));
    }

    /// Returns the message as the capture has it. One that is longer than an input may be is no
    /// description any more: live run and replay are to decide alike.
    pub(super) fn message(&mut self, message: ContainerMessage) -> ContainerMessage {
        if let ContainerMessage::Scan {
            started_boot_ns,
            ended_boot_ns,
            cgroups,
            complete,
        } = &message
        {
            for cgroup in cgroups {
                self.put(entry::Input::ScannedCgroup(message::ScannedCgroup {
                    id: cgroup.id,
                    path: cgroup.path.clone(),
                }));
            }
            self.put(entry::Input::Scan(message::Scan {
                started_boot_ns: *started_boot_ns,
                ended_boot_ns: *ended_boot_ns,
                complete: *complete,
            }));
            return message;
        }
        let message = fitting(message);
        if let Some(input) = encode_message(&message) {
            self.put(input);
        }
        message
    }

    pub(super) fn resolvers(&mut self, message: &ResolverMessage) {
        self.put(entry::Input::Resolvers(encode_resolvers(message)));
    }

    pub(super) fn found(&mut self, record: &[u8], details: &ProcDetails) {
        self.put(entry::Input::FoundProcess(message::FoundProcess {
            record: record.to_vec(),
            argv: details.argv.clone(),
            argv_truncated: details.argv_truncated,
            cwd: details.cwd.clone(),
        }));
    }

    pub(super) fn iterated(&mut self, started_boot_ns: u64, running: &HashSet<ExecKey>) {
        let keys: Vec<u64> = running.iter().map(|key| key.0).collect();
        for keys in keys.chunks(KEYS) {
            self.put(entry::Input::Running(message::Running {
                exec_keys: keys.to_vec(),
            }));
        }
        self.put(entry::Input::Iteration(message::Iteration {
            started_boot_ns,
        }));
    }

    /// What has been seen and lost so far, when that has changed.
    pub(super) fn account(&mut self, events: EventCounts) {
        let account = message::Account {
            seen: events.seen,
            lost: events.dropped(),
        };
        if account != self.account {
            self.account = account;
            self.put(entry::Input::Account(account));
        }
    }

    fn put(&mut self, input: entry::Input) {
        let entry = Entry { input: Some(input) };
        entry
            .encode_length_delimited(&mut self.contents)
            .expect("a vector grows");
        self.close_full();
    }

    fn close_full(&mut self) {
        if self.contents.len() >= BLOCK {
            self.close();
        }
    }

    fn close(&mut self) {
        if !self.contents.is_empty() {
            let contents = std::mem::take(&mut self.contents);
            self.ready.push(Job::Block(self.kind, contents));
        }
    }
}

fn fitting(message: ContainerMessage) -> ContainerMessage {
    match message {
        ContainerMessage::Full {
            runtime,
            id,
            metadata,
        } => {
            let message = ContainerMessage::Full {
                runtime,
                id: id.clone(),
                metadata,
            };
            let input = encode_message(&message);
            let entry = Entry { input };
            if entry.encoded_len() <= MAX_ENTRY {
                return message;
            }
            ContainerMessage::Failed {
                runtime,
                id,
                why: "its description is too long for a capture".into(),
            }
        }
        other => other,
    }
}

impl Detector {
    /// What there is for the writer of the capture.
    pub(in crate::pipeline) fn take_tape(&mut self, all: bool) -> Vec<Job> {
        match &mut self.tape {
            Some(tape) => tape.take(all),
            None => Vec::new(),
        }
    }

    /// Records what it takes in from here on.
    #[cfg(test)]
    pub(in crate::pipeline) fn put_tape(&mut self) {
        self.tape = Some(Tape::new());
    }

    /// The state of the node has been told.
    pub(in crate::pipeline) fn end_state(&mut self) {
        if let Some(tape) = &mut self.tape {
            tape.end_state();
        }
    }

    /// Begins the next file with the state of the node, so that it can be replayed without those
    /// before it. `scan` is a walk over the cgroups.
    ///
    /// # Errors
    /// The processes cannot be listed; then the file begins without them.
    pub(in crate::pipeline) fn begin_part(
        &mut self,
        now: Reading,
        scan: Option<ContainerMessage>,
    ) -> Result<(), ProbeError> {
        let Some(tape) = &mut self.tape else {
            return Ok(());
        };
        tape.begin_part(now);
        if let Some(scan) = scan {
            tape.message(scan);
        }
        let mut containers: Vec<_> = self.containers.containers().collect();
        containers.sort_by_key(|(container, _)| container.cgroup_id);
        for (container, _) in containers {
            if let Some(message) = described(container) {
                tape.message(message);
            }
        }
        for message in self.dns.configurations() {
            tape.resolvers(&message);
        }
        let result = self.tape_processes();
        self.end_state();
        result
    }

    fn tape_processes(&mut self) -> Result<(), ProbeError> {
        let (Some(tape), Some(sensor)) = (&mut self.tape, &mut self.sensor) else {
            return Ok(());
        };
        for (id, record) in Snapshot::take(&mut sensor.probe)?.tasks() {
            tape.found(record, &proc_details(id.tgid));
        }
        Ok(())
    }
}

/// What a runtime said of a container; `None` while it has said nothing.
fn described(container: &Container) -> Option<ContainerMessage> {
    let id = container.id.clone();
    let runtime = container.runtime;
    match &container.identity {
        Identity::Pending => None,
        Identity::Full(metadata) => Some(ContainerMessage::Full {
            runtime,
            id,
            metadata: Arc::clone(metadata),
        }),
        Identity::Failed(why) => Some(ContainerMessage::Failed {
            runtime,
            id,
            why: Arc::clone(why),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_encoded_as_the_generated_message() {
        for len in [0, 1, 127, 128, 70_000] {
            let record = vec![7; len];
            let mut tape = Tape::new();
            tape.record(&record);
            let entry = Entry {
                input: Some(entry::Input::Record(record)),
            };
            assert_eq!(tape.contents, entry.encode_length_delimited_to_vec());
        }
    }

    #[test]
    fn blocks_close_when_they_are_full_and_with_the_state() {
        let mut tape = Tape::new();
        tape.record(&[1; 100]);
        assert!(tape.take(false).is_empty());
        tape.end_state();
        tape.record(&vec![2; BLOCK]);
        tape.record(&[3]);
        let kinds = |jobs: &[Job]| -> Vec<BlockKind> {
            let kind = |job: &Job| match job {
                Job::Block(kind, _) => *kind,
                Job::Part(_) => panic!("no part was begun"),
            };
            jobs.iter().map(kind).collect()
        };
        let jobs = tape.take(false);
        assert_eq!(kinds(&jobs), [BlockKind::State, BlockKind::Inputs]);
        assert_eq!(kinds(&tape.take(true)), [BlockKind::Inputs]);
        assert!(tape.take(true).is_empty());
    }

    #[test]
    fn a_description_that_does_not_fit_is_none_for_the_live_run_either() {
        let metadata = |image: String| crate::model::ContainerMetadata {
            image,
            ..Default::default()
        };
        let full = |image: String| ContainerMessage::Full {
            runtime: crate::model::Runtime::Docker,
            id: "a".to_owned(),
            metadata: Arc::new(metadata(image)),
        };
        let mut tape = Tape::new();
        let short = full("nginx".to_owned());
        assert_eq!(tape.message(short.clone()), short);
        let long = tape.message(full("x".repeat(MAX_ENTRY)));
        assert!(matches!(long, ContainerMessage::Failed { .. }), "{long:?}");
    }
}
