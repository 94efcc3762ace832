//! The process table: which image runs in which process, and who started it.
//!
//! Entries are keyed by exec id, so an event finds the image that made it even when the process
//! has executed another one since. A child keeps its parent as it was at the fork: a reparented
//! process does not lose its ancestry.

mod build;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use gravlens_common::{BulkContext, ExecKey};

use crate::decode::{Context, ExecView, TaskView};
use crate::model::Process;

/// How long an image stays known after it was replaced or its process ended: its last events are
/// still under way.
const RETENTION_NS: u64 = 10_000_000_000;

/// The process table. The detection task owns it; it takes the time from events and ticks.
#[derive(Debug, Default)]
pub struct ProcessTable {
    images: HashMap<ExecKey, Arc<Process>>,
    /// The image that a process runs now, by pid.
    current: HashMap<u32, ExecKey>,
    /// Images that no process runs any more, oldest first.
    retired: VecDeque<(u64, ExecKey)>,
}

impl ProcessTable {
    /// Number of images known.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// No image is known.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The image with this fingerprint.
    pub fn get(&self, key: ExecKey) -> Option<&Arc<Process>> {
        self.images.get(&key)
    }

    /// A process that the task iterator found. What an own event told already stays.
    pub fn found(&mut self, task: &TaskView<'_>, argv: &[u8], cwd: &[u8]) {
        let key = task.context.exec_id.key();
        if self.images.contains_key(&key) {
            return;
        }
        let parent = self.parent_of(&task.context);
        self.insert(build::from_task(task, argv, cwd, parent));
    }

    /// A new image runs.
    pub fn exec(&mut self, exec: &ExecView<'_>, boot_ns: u64) -> Arc<Process> {
        let tgid = exec.context.exec_id.tgid;
        let before = self.current.get(&tgid).copied();
        // The image before knows the parent of the fork; the kernel knows only the present one.
        let parent = before
            .and_then(|key| self.images.get(&key))
            .filter(|image| {
                image.exec_id.start_boottime_ns == exec.context.exec_id.start_boottime_ns
            })
            .and_then(|image| image.parent.clone())
            .or_else(|| self.parent_of(&exec.context));
        // The task iterator may have found this very image before its own record came.
        if let Some(before) = before
            && before != exec.context.exec_id.key()
        {
            self.retire(before, boot_ns);
        }
        self.insert(build::from_exec(exec, parent))
    }

    /// A process was forked: it runs its parent's image under an exec id of its own.
    pub fn fork(&mut self, child: &Context) -> Arc<Process> {
        let parent = self.parent_of(child);
        self.insert(build::from_fork(child, parent.as_ref()))
    }

    /// A process ended.
    pub fn exit(&mut self, context: &Context, boot_ns: u64) -> Arc<Process> {
        let process = self.known(context);
        let key = context.exec_id.key();
        self.retire(key, boot_ns);
        if self.current.get(&context.exec_id.tgid) == Some(&key) {
            self.current.remove(&context.exec_id.tgid);
        }
        process
    }

    /// A critical record with the process's present credentials and cgroup: a new version of the
    /// image when they have changed.
    pub fn refresh(&mut self, context: &Context) -> Arc<Process> {
        let process = self.known(context);
        let Some(updated) = build::refreshed(&process, context) else {
            return process;
        };
        self.insert(updated)
    }

    /// The process of a critical record, without entering it: one that only changes the cgroup tree
    /// may lie outside the scope, and its end would never be told.
    pub fn peek(&self, context: &Context) -> Arc<Process> {
        match self.images.get(&context.exec_id.key()) {
            Some(process) => Arc::clone(process),
            None => Arc::new(build::from_context(context, self.parent_of(context))),
        }
    }

    /// The process of a bulk record. `Err` is a stand-in for an image that the table does not
    /// know; it is never the image that the pid runs now.
    pub fn of_bulk(&self, context: &BulkContext) -> Result<Arc<Process>, Arc<Process>> {
        match self.images.get(&ExecKey(context.exec_key)) {
            Some(process) => Ok(Arc::clone(process)),
            None => Err(Arc::new(build::unknown(context))),
        }
    }

    /// Time passed. Forgets images that were retired long ago.
    pub fn tick(&mut self, boot_ns: u64) {
        while let Some((since, key)) = self.retired.front().copied()
            && since + RETENTION_NS <= boot_ns
        {
            self.retired.pop_front();
            self.images.remove(&key);
        }
    }

    /// The process of a critical record, entered from the record itself when it is not known.
    fn known(&mut self, context: &Context) -> Arc<Process> {
        if let Some(process) = self.images.get(&context.exec_id.key()) {
            return Arc::clone(process);
        }
        let parent = self.parent_of(context);
        self.insert(build::from_context(context, parent))
    }

    fn parent_of(&self, context: &Context) -> Option<Arc<Process>> {
        let by_id = context
            .parent
            .and_then(|parent| self.images.get(&parent.key()));
        by_id.cloned()
    }

    fn insert(&mut self, process: Process) -> Arc<Process> {
        let process = Arc::new(process);
        let key = process.exec_id.key();
        self.current.insert(process.exec_id.tgid, key);
        self.images.insert(key, Arc::clone(&process));
        process
    }

    fn retire(&mut self, key: ExecKey, boot_ns: u64) {
        self.retired.push_back((boot_ns, key));
    }
}
