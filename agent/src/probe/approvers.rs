//! Which events the programs drop since no rule can want them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aya::Ebpf;
use gravlens_common::ApproverTable;

use super::{
    ProbeError,
    arrays::{array, failed},
};

/// The map.
pub(super) const MAP: &str = "APPROVERS";

#[derive(Clone, Copy)]
#[repr(transparent)]
struct TablePod(ApproverTable);

// SAFETY: integers without padding.
unsafe impl aya::Pod for TablePod {}

/// What the map holds, shared between who writes it and who looks whether it still does.
#[derive(Clone, Debug)]
pub(super) struct InForce(Arc<Mutex<Box<ApproverTable>>>);

impl InForce {
    /// As the map is made.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Box::new(ApproverTable::KEEP_ALL))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Box<ApproverTable>> {
        // Nothing panics with it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the programs keep what these approvers keep beside what they keep already.
pub(super) fn widen(
    ebpf: &mut Ebpf,
    in_force: &InForce,
    table: &ApproverTable,
) -> Result<(), ProbeError> {
    let mut held = in_force.lock();
    let wider = held.union(table);
    if wider == **held {
        return Ok(());
    }
    write(ebpf, &mut held, wider)
}

/// Has the programs keep what these approvers keep, and nothing else.
pub(super) fn set(
    ebpf: &mut Ebpf,
    in_force: &InForce,
    table: &ApproverTable,
) -> Result<(), ProbeError> {
    widen(ebpf, in_force, table)?;
    let mut held = in_force.lock();
    let table = ApproverTable {
        exempt_cgroup: held.exempt_cgroup,
        ..*table
    };
    write(ebpf, &mut held, table)
}

/// Has the programs keep every event of a cgroup.
pub(super) fn exempt(
    ebpf: &mut Ebpf,
    in_force: &InForce,
    cgroup_id: u64,
) -> Result<(), ProbeError> {
    let mut held = in_force.lock();
    let table = ApproverTable {
        exempt_cgroup: cgroup_id,
        ..**held
    };
    write(ebpf, &mut held, table)
}

fn write(
    ebpf: &mut Ebpf,
    held: &mut ApproverTable,
    table: ApproverTable,
) -> Result<(), ProbeError> {
    let mut map = array::<TablePod>(ebpf, MAP)?;
    map.set(0, TablePod(table), 0)
        .map_err(|error| failed(MAP, &error))?;
    *held = table;
    Ok(())
}
