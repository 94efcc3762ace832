//! Loss counters as the kernel keeps them.

use std::io;
use std::ops::AddAssign;

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuHashMap, PerCpuValues},
};
use gravlens_common::{Bucket, CgroupCounters, DropReason, Hook, HookCounters, limits};

use super::ProbeError;

#[derive(Clone, Copy)]
#[repr(transparent)]
struct CountersPod(CgroupCounters);

// SAFETY: integers without padding.
unsafe impl Pod for CountersPod {}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct BucketPod(Bucket);

// SAFETY: one integer.
unsafe impl Pod for BucketPod {}

/// The kernel's side of the account of one hook in one cgroup, summed over the CPUs. Monotonic, but
/// for `delivered`, which counts a record a moment before it is known whether the ring takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelAccount {
    /// Events in scope.
    pub seen: u64,
    /// Records put into a ring.
    pub delivered: u64,
    /// Kept back because no rule can want them.
    pub suppressed: u64,
    /// Dropped because the ring had no room.
    pub ring_full: u64,
    /// Dropped because every scratch buffer was in use.
    pub scratch_busy: u64,
    /// Dropped because the cgroup had used up its share of the ring.
    pub rate_limited: u64,
}

impl AddAssign for KernelAccount {
    fn add_assign(&mut self, other: Self) {
        self.seen += other.seen;
        self.delivered += other.delivered;
        self.suppressed += other.suppressed;
        self.ring_full += other.ring_full;
        self.scratch_busy += other.scratch_busy;
        self.rate_limited += other.rate_limited;
    }
}

impl From<&HookCounters> for KernelAccount {
    fn from(counters: &HookCounters) -> Self {
        Self {
            seen: counters.seen,
            delivered: counters.delivered,
            suppressed: counters.suppressed,
            ring_full: counters.dropped[DropReason::RingFull as usize],
            scratch_busy: counters.dropped[DropReason::ScratchBusy as usize],
            rate_limited: counters.dropped[DropReason::RateLimited as usize],
        }
    }
}

/// Reads the counters.
pub struct CounterReader {
    by_cgroup: PerCpuHashMap<MapData, u64, CountersPod>,
    other: PerCpuArray<MapData, CountersPod>,
    buckets: HashMap<MapData, u64, BucketPod>,
}

impl CounterReader {
    pub(super) fn new(by_cgroup: Map, other: Map, buckets: Map) -> Result<Self, ProbeError> {
        Ok(Self {
            by_cgroup: PerCpuHashMap::try_from(by_cgroup).map_err(map_error)?,
            other: PerCpuArray::try_from(other).map_err(map_error)?,
            buckets: HashMap::try_from(buckets).map_err(map_error)?,
        })
    }

    /// Every account that has seen an event. cgroup id [`limits::OTHER_CGROUP`] stands for all
    /// that found no entry of their own. Fails as a whole: a part would look as if the rest of
    /// the cgroups had none.
    pub fn read(&self) -> Result<Vec<(u64, Hook, KernelAccount)>, ProbeError> {
        let mut accounts = Vec::new();
        let mut add = |cgroup_id, values: &PerCpuValues<CountersPod>| {
            accounts.extend(by_hook(values).map(|(hook, account)| (cgroup_id, hook, account)));
        };
        for entry in &self.by_cgroup {
            let (cgroup_id, values) = entry.map_err(map_error)?;
            add(cgroup_id, &values);
        }
        add(
            limits::OTHER_CGROUP,
            &self.other.get(&0, 0).map_err(map_error)?,
        );
        Ok(accounts)
    }

    /// Takes the accounts of a cgroup that is gone out of the kernel's map, which gives their room
    /// back, and that of its bucket. Empty when it has none. Only of one that is gone for certain:
    /// what a program counts between the reading and the removal is in no account.
    pub fn take(&mut self, cgroup_id: u64) -> Result<Vec<(Hook, KernelAccount)>, ProbeError> {
        // The bucket first: where it cannot be removed, the account still stands.
        match self.buckets.remove(&cgroup_id) {
            Err(error) if !is_absent(&error) => return Err(map_error(error)),
            // A cgroup without a bucket has made no bulk event.
            Ok(()) | Err(_) => {}
        }
        let values = match self.by_cgroup.get(&cgroup_id, 0) {
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            values => values.map_err(map_error)?,
        };
        self.by_cgroup.remove(&cgroup_id).map_err(map_error)?;
        Ok(by_hook(&values).collect())
    }
}

/// Sums over the CPUs, of the hooks that have seen an event.
fn by_hook(values: &PerCpuValues<CountersPod>) -> impl Iterator<Item = (Hook, KernelAccount)> {
    Hook::ALL.into_iter().filter_map(|hook| {
        let mut account = KernelAccount::default();
        for value in values.iter() {
            account += (&value.0.hooks[hook as usize]).into();
        }
        (account.seen > 0).then_some((hook, account))
    })
}

/// Gives the programs the zero value that they insert, and the bucket for cgroups without one.
pub(super) fn prepare(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    let mut zero =
        Array::<_, CountersPod>::try_from(map_mut(ebpf, "ZERO_COUNTERS")?).map_err(map_error)?;
    zero.set(0, CountersPod(CgroupCounters::ZERO), 0)
        .map_err(map_error)?;
    let mut buckets =
        HashMap::<_, u64, BucketPod>::try_from(map_mut(ebpf, "BUCKETS")?).map_err(map_error)?;
    buckets
        .insert(limits::OTHER_CGROUP, BucketPod(Bucket::default()), 0)
        .map_err(map_error)
}

fn map_mut<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Map, ProbeError> {
    ebpf.map_mut(name)
        .ok_or_else(|| ProbeError::Load(format!("the object has no map {name}")))
}

/// Whether the map has no such key: the look-up has a name for it, the removal an error number.
fn is_absent(error: &MapError) -> bool {
    match error {
        MapError::KeyNotFound => true,
        MapError::SyscallError(error) => error.io_error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

fn map_error(error: impl Into<MapError>) -> ProbeError {
    ProbeError::Load(error.into().to_string())
}
