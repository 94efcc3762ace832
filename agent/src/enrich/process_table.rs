//! The process table: which image runs in which process, and who started it.
//!
//! Entries are keyed by exec id, so an event finds the image that made it even when the process
//! has executed another one since. A child keeps its parent as it was at the fork: a reparented
//! process does not lose its ancestry.
//!
//! What a workload can make grow has a bound: the entries, the bytes of long images and the length
//! of an ancestry.

mod ancestry;
mod build;
mod image_budget;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque, hash_map};
use std::sync::Arc;

use gravlens_common::{BulkContext, ExecKey};

pub use self::build::ProcDetails;
use self::image_budget::ImageBudget;
use crate::decode::{Context, ExecView, ForkView, TaskView};
use crate::model::{ExecId, Process};
use crate::telemetry::{Counter, Failure};

/// How long an image stays known after it was replaced or its process ended: its last events are
/// still under way.
const RETENTION_NS: u64 = 10_000_000_000;
/// Most images known. When full, the longest retired leaves first; with none retired, new images
/// are not kept and their events say that the process is not known.
const MAX_ENTRIES: usize = 64 * 1024;

struct TableFull;

impl Failure for TableFull {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("process_table_full");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "The process table is full: events of new processes lack their process.",
            limit = MAX_ENTRIES,
            total
        );
    }
}

#[derive(Debug)]
struct Entry {
    process: Arc<Process>,
    /// When it was entered, boot time.
    entered_ns: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// The process runs a later image, or was not found any more: its end was not told.
    Left,
    /// The process ended.
    Ended,
}

/// The process table. The detection task owns it; it takes the time from events and ticks.
#[derive(Debug, Default)]
pub struct ProcessTable {
    entries: HashMap<ExecKey, Entry>,
    /// The newest image known of each pid. It may be retired: the task iterator misses a process
    /// that ended while its records were still under way, and they need what its fork told.
    latest: HashMap<u32, ExecKey>,
    /// Images that no process runs any more, oldest first.
    retired: VecDeque<(u64, ExecKey)>,
    budget: ImageBudget,
}

impl ProcessTable {
    /// Number of images known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// No image is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The image with this fingerprint is known.
    pub fn knows(&self, key: ExecKey) -> bool {
        self.process(key).is_some_and(|process| process.image.known)
    }

    /// A process that the task iterator found. What an own event told already stays.
    pub fn found(&mut self, task: &TaskView<'_>, details: &ProcDetails, boot_ns: u64) {
        let known = self.process(task.context.exec_id.key());
        if known.is_some_and(|process| process.image.known) {
            return;
        }
        // An entry without an image may know the parent of the fork.
        let parent = known
            .and_then(|process| process.parent.clone())
            .or_else(|| self.parent_of_fork(&task.context));
        self.insert(build::from_task(task, details, parent), boot_ns);
    }

    /// Processes whose end was lost: the task iterator, started at that time, did not find them.
    pub fn retain_found(&mut self, found: &HashSet<ExecKey>, started_ns: u64, boot_ns: u64) {
        let mut gone: Vec<ExecKey> = self
            .latest
            .values()
            .copied()
            .filter(|key| !found.contains(key))
            .filter(|key| {
                self.entries
                    .get(key)
                    .is_some_and(|entry| entry.entered_ns < started_ns)
            })
            .collect();
        gone.sort_unstable();
        for key in gone {
            self.retire(key, State::Left, boot_ns);
        }
    }

    /// A new image runs.
    pub fn exec(&mut self, exec: &ExecView<'_>, boot_ns: u64) -> Arc<Process> {
        let parent = self.parent_of_fork(&exec.context);
        self.insert(build::from_exec(exec, parent), boot_ns)
    }

    /// A process was forked: it runs the forker's image under an exec id of its own.
    pub fn fork(&mut self, fork: &ForkView, boot_ns: u64) -> Arc<Process> {
        let parent = self.parent_of(&fork.child);
        let image = self.process(fork.forker).map(|process| &process.image);
        self.insert(build::from_fork(&fork.child, parent, image), boot_ns)
    }

    /// A process ended. `None` when its end was told before: two threads that end at once may both
    /// see that none is left.
    pub fn exit(&mut self, context: &Context, boot_ns: u64) -> Option<Arc<Process>> {
        let key = context.exec_id.key();
        let process = self.known(context, boot_ns);
        let entry = self.entries.get(&key);
        if entry.is_some_and(|entry| entry.state == State::Ended) {
            return None;
        }
        self.retire(key, State::Ended, boot_ns);
        Some(process)
    }

    /// A critical record with the process's present credentials and cgroup: a new version of the
    /// image when they have changed.
    pub fn refresh(&mut self, context: &Context, boot_ns: u64) -> Arc<Process> {
        let mut process = self.known(context, boot_ns);
        let Some(change) = build::change(&process, context) else {
            return process;
        };
        // Whoever holds the process keeps it as it was: only where nobody does, it changes in place.
        match self.entries.get_mut(&context.exec_id.key()) {
            Some(entry) => {
                drop(process);
                change.apply(Arc::make_mut(&mut entry.process));
                Arc::clone(&entry.process)
            }
            None => {
                change.apply(Arc::make_mut(&mut process));
                process
            }
        }
    }

    /// The process of a critical record, without entering it: one that only changes the cgroup tree
    /// may lie outside the scope, and its end would never be told.
    pub fn peek(&mut self, context: &Context) -> Arc<Process> {
        match self.process(context.exec_id.key()) {
            Some(process) => Arc::clone(process),
            None => Arc::new(build::from_context(context, self.parent_of(context))),
        }
    }

    /// The process of a bulk record; a stand-in when the table does not know it, never the image
    /// that the pid runs now.
    pub fn of_bulk(&self, context: &BulkContext) -> Arc<Process> {
        match self.process(ExecKey(context.exec_key)) {
            Some(process) => Arc::clone(process),
            None => Arc::new(build::unknown(context)),
        }
    }

    /// Time passed. Forgets images that were retired long ago.
    pub fn tick(&mut self, boot_ns: u64) {
        while let Some((since, _)) = self.retired.front()
            && since + RETENTION_NS <= boot_ns
        {
            self.forget_oldest();
        }
    }

    fn process(&self, key: ExecKey) -> Option<&Arc<Process>> {
        self.entries.get(&key).map(|entry| &entry.process)
    }

    /// The process of a critical record, entered from the record itself when it is not known.
    fn known(&mut self, context: &Context, boot_ns: u64) -> Arc<Process> {
        if let Some(process) = self.process(context.exec_id.key()) {
            return Arc::clone(process);
        }
        let parent = self.parent_of(context);
        self.insert(build::from_context(context, parent), boot_ns)
    }

    /// The parent of the fork that the process began with. An image that it ran before knows it; the
    /// kernel knows only the present one.
    fn parent_of_fork(&mut self, context: &Context) -> Option<Arc<Process>> {
        let id = context.exec_id;
        let before = self.latest.get(&id.tgid);
        let before = before.and_then(|key| self.process(*key));
        before
            .filter(|image| image.exec_id.start_boottime_ns == id.start_boottime_ns)
            .and_then(|image| image.parent.clone())
            .or_else(|| self.parent_of(context))
    }

    /// Gives the latest image of a process, which the task iterator found, the parent that the
    /// record of an earlier one told meanwhile.
    fn pass_parent_on(&mut self, earlier: ExecKey, now: ExecKey) {
        let Some(earlier) = self.process(earlier).cloned() else {
            return;
        };
        let Some(entry) = self.entries.get_mut(&now) else {
            return;
        };
        let image = &entry.process;
        let same = image.exec_id.start_boottime_ns == earlier.exec_id.start_boottime_ns;
        if same && image.parent.is_none() && earlier.parent.is_some() {
            entry.process = Arc::new(ancestry::with_parent(image, earlier.parent.clone()));
        }
    }

    /// The parent that the kernel names. One with a long ancestry is replaced by one with a
    /// shorter, which all its further children share.
    fn parent_of(&mut self, context: &Context) -> Option<Arc<Process>> {
        let entry = self.entries.get_mut(&context.parent?.key())?;
        if let Some(shorter) = ancestry::shortened(&entry.process) {
            entry.process = shorter;
        }
        Some(Arc::clone(&entry.process))
    }

    /// Enters a process; the answer is whole even where what is kept is not.
    fn insert(&mut self, process: Process, boot_ns: u64) -> Arc<Process> {
        match self.budget.charge(process) {
            Ok(process) => {
                self.keep(Arc::clone(&process), boot_ns);
                process
            }
            Err(shortened) => {
                self.keep(shortened.kept, boot_ns);
                shortened.whole
            }
        }
    }

    /// Enters a process, as the latest of its pid unless that one is younger: a record can be
    /// overtaken.
    fn keep(&mut self, process: Arc<Process>, boot_ns: u64) {
        if !self.make_room() {
            TableFull.emit();
            return;
        }
        let id = process.exec_id;
        let key = id.key();
        let entry = Entry {
            process,
            entered_ns: boot_ns,
            state: State::Running,
        };
        self.entries.insert(key, entry);
        let Some(latest) = self.latest.get(&id.tgid).copied().filter(|it| *it != key) else {
            self.latest.insert(id.tgid, key);
            return;
        };
        let age = |id: &ExecId| (id.start_boottime_ns, id.exec_seq);
        let overtaken = self
            .process(latest)
            .is_some_and(|process| age(&process.exec_id) > age(&id));
        if overtaken {
            self.pass_parent_on(key, latest);
            self.retire(key, State::Left, boot_ns);
        } else {
            self.retire(latest, State::Left, boot_ns);
            self.latest.insert(id.tgid, key);
        }
    }

    fn make_room(&mut self) -> bool {
        if self.entries.len() >= MAX_ENTRIES {
            self.forget_oldest();
        }
        self.entries.len() < MAX_ENTRIES
    }

    fn retire(&mut self, key: ExecKey, state: State, boot_ns: u64) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        match entry.state {
            State::Running => self.retired.push_back((boot_ns, key)),
            State::Left => {}
            State::Ended => return,
        }
        entry.state = state;
    }

    fn forget_oldest(&mut self) {
        let Some((_, key)) = self.retired.pop_front() else {
            return;
        };
        // Its own exec record may have entered it anew after the task iterator did.
        let hash_map::Entry::Occupied(entry) = self.entries.entry(key) else {
            return;
        };
        if entry.get().state == State::Running {
            return;
        }
        let tgid = entry.remove().process.exec_id.tgid;
        if self.latest.get(&tgid) == Some(&key) {
            self.latest.remove(&tgid);
        }
    }
}
