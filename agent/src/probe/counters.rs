//! Loss counters as the kernel keeps them.

use aya::{
    Ebpf, Pod,
    maps::{Array, Map, MapData, PerCpuArray, PerCpuHashMap, PerCpuValues},
};
use gravlens_common::{CgroupCounters, DropReason, Hook, HookCounters, limits};

use super::ProbeError;

#[derive(Clone, Copy)]
#[repr(transparent)]
struct CountersPod(CgroupCounters);

// SAFETY: integers without padding.
unsafe impl Pod for CountersPod {}

/// The kernel's side of the account of one hook in one cgroup, summed over the CPUs. Monotonic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelAccount {
    /// Events in scope.
    pub seen: u64,
    /// Records put into a ring.
    pub delivered: u64,
    /// Dropped because the ring had no room.
    pub ring_full: u64,
    /// Dropped because every scratch buffer was in use.
    pub scratch_busy: u64,
}

impl KernelAccount {
    fn add(&mut self, counters: &HookCounters) {
        self.seen += counters.seen;
        self.delivered += counters.delivered;
        self.ring_full += counters.dropped[DropReason::RingFull as usize];
        self.scratch_busy += counters.dropped[DropReason::ScratchBusy as usize];
    }
}

/// Reads the counters.
pub struct CounterReader {
    by_cgroup: PerCpuHashMap<MapData, u64, CountersPod>,
    other: PerCpuArray<MapData, CountersPod>,
}

impl CounterReader {
    pub(super) fn new(by_cgroup: Map, other: Map) -> Result<Self, ProbeError> {
        Ok(Self {
            by_cgroup: PerCpuHashMap::try_from(by_cgroup).map_err(map_error)?,
            other: PerCpuArray::try_from(other).map_err(map_error)?,
        })
    }

    /// Calls `visit` with every account that has seen an event. cgroup id
    /// [`limits::OTHER_CGROUP`] stands for all that found no entry of their own.
    pub fn visit(&self, mut visit: impl FnMut(u64, Hook, KernelAccount)) -> Result<(), ProbeError> {
        for entry in &self.by_cgroup {
            // An entry can go away between key and value; its counts were read before.
            let Ok((cgroup_id, values)) = entry else {
                continue;
            };
            visit_hooks(cgroup_id, &values, &mut visit);
        }
        let other = self.other.get(&0, 0).map_err(map_error)?;
        visit_hooks(limits::OTHER_CGROUP, &other, &mut visit);
        Ok(())
    }

    /// Forgets a cgroup that is gone and whose counts have been taken.
    pub fn forget(&mut self, cgroup_id: u64) {
        // It may have had no event.
        let _ = self.by_cgroup.remove(&cgroup_id);
    }
}

fn visit_hooks(
    cgroup_id: u64,
    values: &PerCpuValues<CountersPod>,
    visit: &mut impl FnMut(u64, Hook, KernelAccount),
) {
    for hook in Hook::ALL {
        let mut account = KernelAccount::default();
        for value in values.iter() {
            account.add(&value.0.hooks[hook as usize]);
        }
        if account.seen > 0 {
            visit(cgroup_id, hook, account);
        }
    }
}

/// Gives the programs the zero value that they insert.
pub(super) fn prepare(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    let map = ebpf
        .map_mut("ZERO_COUNTERS")
        .ok_or_else(|| ProbeError::Load("the object has no map ZERO_COUNTERS".to_owned()))?;
    let mut zero = Array::<_, CountersPod>::try_from(map).map_err(map_error)?;
    zero.set(0, CountersPod(CgroupCounters::ZERO), 0)
        .map_err(map_error)
}

fn map_error(error: impl Into<aya::maps::MapError>) -> ProbeError {
    ProbeError::Load(error.into().to_string())
}
