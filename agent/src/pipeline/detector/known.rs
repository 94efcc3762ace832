//! Has the kernel end opens that tell nobody anything.
//!
//! An open is told no more when no rule in force can match one like it, and when the learner has
//! counted it in this window: then it would change nothing until the window ends. It is told anew in
//! each window, so that what is learnt is the same with and without.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use aya::maps::MapError;
use foldhash::fast::RandomState;
use gravlens_common::{ExecKey, KnownActor, KnownOpen, OPEN_EXECUTABLE, open_marks};

use super::Detector;
use crate::baseline::{Learner, Repeat};
use crate::detect::{Outcome, RuleSet};
use crate::model::{Event, Open, Payload, Provenance};
use crate::probe::KnownOpens;
use crate::telemetry::{Counter, Failure};

/// Opens that are remembered, with what the rules make of them.
const OPENS: usize = 65_536;
/// Processes whose role the kernel was told.
const ACTORS: usize = gravlens_common::limits::KNOWN_ACTORS as usize;

/// What is made of the opens that share a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It came once: what never comes again is not worth a question.
    Once,
    /// Some rule may want one of them.
    Wanted,
    /// None does.
    Indifferent,
}

/// What the kernel was told.
pub(in crate::pipeline) struct Known {
    kernel: KnownOpens,
    /// Of the rules in force.
    verdicts: HashMap<[u64; 2], Verdict, RandomState>,
    actors: HashMap<ExecKey, KnownActor, RandomState>,
    /// Buffers of the rules.
    outcome: Outcome,
}

impl Known {
    /// Begins to tell it.
    pub(in crate::pipeline) fn new(kernel: KnownOpens) -> Self {
        let mut known = Self {
            kernel,
            verdicts: HashMap::default(),
            actors: HashMap::default(),
            outcome: Outcome::default(),
        };
        known.renew();
        known
    }

    /// Other rules or baselines will be in force.
    fn renew(&mut self) {
        self.verdicts.clear();
        report(self.kernel.renew());
    }

    /// A process has met a rule.
    fn forget(&mut self, process: ExecKey) {
        self.actors.remove(&process);
        report(self.kernel.forget_actor(process));
    }

    /// An open has come that would change nothing if it came again.
    fn repeats(
        &mut self,
        event: &Event<'_>,
        open: &Open<'_>,
        by: KnownActor,
        until_ns: u64,
        set: &RuleSet,
    ) {
        let (Some(alike), Some(ids)) = (alike(event, open), event.process.ids) else {
            return;
        };
        let path = &open.path.bytes;
        let Some(key) = self.kernel.key(by.role, alike, ids.euid == 0, path) else {
            return;
        };
        let verdict = match self.verdicts.get(&key) {
            None => Verdict::Once,
            Some(Verdict::Once) if set.is_indifferent_to(event, &mut self.outcome) => {
                Verdict::Indifferent
            }
            Some(Verdict::Once) => Verdict::Wanted,
            Some(decided) => *decided,
        };
        if self.verdicts.len() >= OPENS {
            self.verdicts.clear();
        }
        self.verdicts.insert(key, verdict);
        if verdict == Verdict::Indifferent {
            self.know(event.exec_id().key(), by);
            report(self.kernel.know_open(key, until_ns));
        }
    }

    /// The kernel learns who a process is, if it was not told.
    fn know(&mut self, process: ExecKey, actor: KnownActor) {
        if self.actors.get(&process) == Some(&actor) {
            return;
        }
        if self.actors.len() >= ACTORS {
            self.actors.clear();
        }
        self.actors.insert(process, actor);
        report(self.kernel.know_actor(process, actor));
    }
}

/// What is the same of all opens like this one; `None` of one that the programs never take for known.
fn alike(event: &Event<'_>, open: &Open<'_>) -> Option<KnownOpen> {
    let path = &open.path;
    let is_whole = !path.truncated && !path.unreachable && path.bytes.first() == Some(&b'/');
    // What a name below /proc means depends on who asks.
    let is_own = path.bytes.starts_with(b"/proc/");
    if !is_whole
        || is_own
        || open.memfd
        || open.name.is_some()
        || open.provenance != Provenance::Kernel
    {
        return None;
    }
    let mut marks = 0;
    for (is_set, mark) in [
        (open.created, open_marks::CREATED),
        (open.fd_shared, open_marks::FD_SHARED),
        (open.by_io_uring, open_marks::IO_URING),
    ] {
        if is_set {
            marks |= mark;
        }
    }
    Some(KnownOpen {
        flags: open.flags | if open.executable { OPEN_EXECUTABLE } else { 0 },
        call: event.syscall as u8,
        marks,
        result: i32::try_from(event.result?).ok()?,
    })
}

impl Detector {
    fn known(&mut self) -> Option<&mut Known> {
        self.sensor.as_mut()?.known.as_mut()
    }

    /// Other rules or baselines will be in force: what is known is of those before.
    pub(super) fn forget_known(&mut self) {
        if let Some(known) = self.known() {
            known.renew();
        }
    }

    /// These processes, and what descends from them, have met a rule.
    pub(super) fn forget_actors(&mut self, tainted: &[ExecKey]) {
        if let Some(known) = self.known() {
            tainted.iter().for_each(|process| known.forget(*process));
        }
    }

    /// After an event has been judged and learnt: whether more like it need not be told.
    pub(super) fn know(&mut self, event: &Event<'_>, cgroup_id: u64) {
        let Payload::Open(open) = &event.payload else {
            return;
        };
        let Some(known) = self
            .sensor
            .as_mut()
            .and_then(|sensor| sensor.known.as_mut())
        else {
            return;
        };
        let repeat = self.learner.as_ref().and_then(Learner::repeat);
        let Some((by, until_ns)) = repeat.and_then(|repeat| {
            let role = repeat.role;
            Some((KnownActor { role, cgroup_id }, until(event, repeat)?))
        }) else {
            return;
        };
        known.repeats(event, open, by, until_ns, self.rulings.set());
    }
}

/// When the window ends that an event is in, in nanoseconds since boot.
fn until(event: &Event<'_>, repeat: Repeat) -> Option<u64> {
    let end = UNIX_EPOCH + Duration::from_secs(repeat.until);
    let left = end.duration_since(event.time).ok()?;
    Some(event.boot_ns + u64::try_from(left.as_nanos()).ok()?)
}

fn report(result: Result<(), MapError>) {
    if let Err(why) = result {
        NotKnown { why: &why }.emit();
    }
}

/// The kernel cannot be told.
struct NotKnown<'a> {
    why: &'a MapError,
}

impl Failure for NotKnown<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("known_opens_not_told");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "The kernel was not told which opens are known.",
            why = %self.why,
            total
        );
    }
}
