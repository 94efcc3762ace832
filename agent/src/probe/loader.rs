//! Loads the programs and holds the maps.
//!
//! Links and maps live as file descriptors only: nothing is pinned, so nothing outlives the
//! process.

use std::{fs::File, os::fd::AsRawFd};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{Array, MapData, RingBuf},
    programs::{ProgramError, RawTracePoint, RawTracePointRunOptions, TestRun},
};
use gravlens_common::{ApproverTable, RingState};

use super::{
    AttachedTopic, CounterReader, Hooks, Integrity, OffsetReport, ProbeError, ProgramSize,
    RingMeter, Scope,
    approvers::{self, InForce},
    attach::Attacher,
    known::KnownOpens,
    plain_loads::{AlignedObject, PlainLoads},
    requirements,
};
use crate::telemetry::with_causes;

pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("GRAVLENS_EBPF_OBJECT"));

/// Scratch slots per CPU, as in the kernel programs.
const SCRATCH_PER_CPU: u32 = 3;
/// Calls under way that are followed at most; a send or an open beyond them is counted as lost.
/// Empty, a table of so many takes 4 MiB.
const MAX_CALLS: u32 = 1 << 18;
/// Share of the bulk ring whose fill wakes the consumer.
const WAKE_DIVISOR: u32 = 4;

/// What to watch and with how much memory.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// cgroup path of the scope; empty for everything.
    pub scope: String,
    /// Size of the critical ring in bytes: a power-of-two multiple of the page size.
    pub critical_bytes: u32,
    /// Size of the bulk ring in bytes, likewise.
    pub bulk_bytes: u32,
    /// Watch 32-bit system calls where the kernel runs 32-bit programs: it costs every system call
    /// of the node a few tens of nanoseconds.
    pub compat_calls: bool,
    /// Take hooks on kernel functions (fentry, fexit) where the kernel grants them.
    pub trampolines: bool,
    /// Drop events in the kernel that the approvers do not keep.
    pub approvers: bool,
    /// Opens may be known: [`Probe::take_known`].
    pub known: bool,
    /// What one cgroup may put into the bulk ring; `None` for no limit.
    pub limit: Option<EventLimit>,
}

/// A token bucket's size and speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLimit {
    /// Events that come back each second, from 1.
    pub per_second: u32,
    /// Events that a bucket holds.
    pub burst: u32,
}

impl EventLimit {
    /// Time in which one event comes back, and in which an empty bucket fills up.
    fn nanoseconds(self) -> (u64, u64) {
        let interval = (1_000_000_000 / u64::from(self.per_second.max(1))).max(1);
        (interval, interval * u64::from(self.burst.max(1)))
    }
}

/// The two rings, for the ingest task alone.
pub struct Rings {
    /// Lifecycle and security-critical records.
    pub critical: RingBuf<MapData>,
    /// Everything else.
    pub bulk: RingBuf<MapData>,
    /// Wake-up state, indexed by ring.
    pub(crate) state: Array<MapData, RingStatePod>,
}

/// [`RingState`] as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct RingStatePod(pub(crate) RingState);

// SAFETY: two integers without padding.
unsafe impl aya::Pod for RingStatePod {}

/// The loaded sensor.
pub struct Probe {
    options: ProbeOptions,
    ebpf: Ebpf,
    btf: Btf,
    scope: Scope,
    scope_directory: File,
    offsets: OffsetReport,
    trampolines: Result<(), String>,
    approvers: InForce,
    known_seed: [u64; 2],
}

impl Probe {
    /// Checks the machine and loads the object; nothing is attached yet.
    pub fn load(options: &ProbeOptions) -> Result<Self, ProbeError> {
        requirements::check()?;
        let offsets = OffsetReport::of_running_kernel()?;
        offsets.check()?;
        let scope = Scope::find(&options.scope)?;
        let scope_directory = scope.open()?;
        let btf = Btf::from_sys_fs().map_err(|error| ProbeError::Load(error.to_string()))?;
        let known_seed = super::known::seed();
        let mut ebpf = load_object(options, &offsets, &scope, &btf, known_seed)?;
        super::counters::prepare(&mut ebpf)?;
        super::compat::prepare(&mut ebpf)?;
        super::path_calls::describe(&mut ebpf)?;
        load_marker(&mut ebpf)?;
        super::tasks::load(&mut ebpf, &btf)?;
        super::trampolines::prepare(&mut ebpf)?;
        let trampolines = super::trampolines::check(&mut ebpf, &btf);
        Ok(Self {
            options: options.clone(),
            ebpf,
            btf,
            scope,
            scope_directory,
            offsets,
            trampolines,
            approvers: InForce::new(),
            known_seed,
        })
    }

    /// The scope in force.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What this kernel's BTF said.
    pub fn offsets(&self) -> &OffsetReport {
        &self.offsets
    }

    /// Whether the kernel grants trampolines (fentry, fexit, LSM), and if not why.
    pub fn trampolines(&self) -> &Result<(), String> {
        &self.trampolines
    }

    /// Every program of the object, with what it cost the kernel if it is loaded.
    pub fn programs(&self) -> Vec<ProgramSize> {
        super::programs::sizes(&self.ebpf)
    }

    /// Takes the rings, once.
    pub fn take_rings(&mut self) -> Result<Rings, ProbeError> {
        Ok(Rings {
            critical: self.take_ring("CRITICAL")?,
            bulk: self.take_ring("BULK")?,
            state: Array::try_from(self.take_map("RING_STATE")?).map_err(load_error)?,
        })
    }

    /// Meters of the rings; before the rings are taken.
    pub fn ring_meters(&self) -> Result<Vec<RingMeter>, ProbeError> {
        [
            ("critical", "CRITICAL", self.options.critical_bytes),
            ("bulk", "BULK", self.options.bulk_bytes),
        ]
        .into_iter()
        .map(|(name, map, capacity)| {
            let ring = self
                .ebpf
                .map(map)
                .ok_or_else(|| ProbeError::Load(format!("the object has no map {map}")))?;
            RingMeter::new(name, RingBuf::try_from(ring).map_err(load_error)?, capacity)
        })
        .collect()
    }

    fn take_ring(&mut self, name: &str) -> Result<RingBuf<MapData>, ProbeError> {
        RingBuf::try_from(self.take_map(name)?).map_err(load_error)
    }

    fn take_map(&mut self, name: &str) -> Result<aya::maps::Map, ProbeError> {
        self.ebpf
            .take_map(name)
            .ok_or_else(|| ProbeError::Load(format!("the object has no map {name}")))
    }

    /// Takes the loss counters, once.
    pub fn take_counters(&mut self) -> Result<CounterReader, ProbeError> {
        let by_cgroup = self.take_map("COUNTERS")?;
        let other = self.take_map("OTHER_COUNTERS")?;
        let buckets = self.take_map("BUCKETS")?;
        CounterReader::new(by_cgroup, other, buckets)
    }

    /// Takes what tells the programs which opens are known, once; `None` without
    /// [`ProbeOptions::known`].
    pub fn take_known(&mut self) -> Result<Option<KnownOpens>, ProbeError> {
        if !self.options.known {
            return Ok(None);
        }
        let seed = self.known_seed;
        KnownOpens::new(seed, |name| self.take_map(name)).map(Some)
    }

    /// Puts a marker into each ring: everything that was written before this call stands before
    /// the marker `nonce` in its ring.
    pub fn mark(&self, nonce: u64) -> Result<(), ProbeError> {
        let program: &RawTracePoint = self
            .ebpf
            .program("marker")
            .ok_or_else(|| ProbeError::Load("the object has no program marker".to_owned()))?
            .try_into()
            .map_err(|error: ProgramError| program_error("marker", &error))?;
        let mut options = RawTracePointRunOptions::new();
        options.args[0] = nonce;
        program
            .test_run(options)
            .map(|_| ())
            .map_err(|error| program_error("marker", &error))
    }

    /// Has executions told with their environment from now on, or without. It can hold secrets, so
    /// it is for rules that ask for it.
    pub fn capture_environment(&mut self, wanted: bool) -> Result<(), ProbeError> {
        super::environment::capture(&mut self.ebpf, wanted)
    }

    /// Has the programs drop, from now on, the events that this table does not keep. Meanwhile
    /// nothing is dropped that it keeps, or that the one before kept.
    ///
    /// Where rules are exchanged: [`Self::widen_approvers`] before the new set is evaluated, this
    /// afterwards. Without [`ProbeOptions::approvers`] neither does anything.
    pub fn approve(&mut self, table: &ApproverTable) -> Result<(), ProbeError> {
        if !self.has_approvers() {
            return Ok(());
        }
        approvers::set(&mut self.ebpf, &self.approvers, table)
    }

    /// Has the programs keep, from now on, what this table keeps beside what they keep already.
    pub fn widen_approvers(&mut self, table: &ApproverTable) -> Result<(), ProbeError> {
        if !self.has_approvers() {
            return Ok(());
        }
        approvers::widen(&mut self.ebpf, &self.approvers, table)
    }

    /// Events can be dropped in the kernel.
    pub fn has_approvers(&self) -> bool {
        self.options.approvers
    }

    /// Has the programs keep every event of this cgroup, whatever the approvers say: the canary's.
    pub fn exempt_from_approvers(&mut self, cgroup_id: u64) -> Result<(), ProbeError> {
        approvers::exempt(&mut self.ebpf, &self.approvers, cgroup_id)
    }

    /// Runs the task iterator and returns its raw output.
    pub(super) fn read_tasks(&mut self) -> Result<Vec<u8>, ProbeError> {
        super::tasks::read(&mut self.ebpf)
    }

    /// Looks after the links of these hooks, and after the maps that nobody changes.
    pub fn integrity(&self, hooks: &Hooks) -> Result<Integrity, ProbeError> {
        Integrity::new(&self.ebpf, hooks.links(), self.approvers.clone())
    }

    /// Attaches every topic, lifecycle first. Fails when a program of a mandatory topic cannot be
    /// attached.
    pub fn attach(&mut self) -> Result<(Vec<AttachedTopic>, Hooks), ProbeError> {
        let attacher = Attacher {
            ebpf: &mut self.ebpf,
            btf: &self.btf,
            scope_directory: &self.scope_directory,
            trampolines: &self.trampolines,
            use_trampolines: self.options.trampolines,
            compat: self.options.compat_calls && super::compat::kernel_runs_ia32(),
        };
        attacher.attach()
    }
}

/// An error with its causes on one line; of a verifier log only the end says why.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    const LAST_LINES: usize = 4;
    let text = with_causes(error);
    if std::env::var_os("GRAVLENS_VERIFIER_LOG").is_some() {
        return text;
    }
    // aya repeats the cause and adds the verifier's output even when there is none.
    let text = match text.split_once(". Verifier output: :") {
        Some((before, _)) => before.to_owned(),
        None => text,
    };
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= LAST_LINES + 1 {
        return lines.join(" | ");
    }
    let tail = &lines[lines.len() - LAST_LINES..];
    format!("{} | ... | {}", lines[0], tail.join(" | "))
}

/// Calls that can be under way at a time: each thread makes one.
fn threads() -> u32 {
    let threads = std::fs::read_to_string("/proc/sys/kernel/threads-max");
    threads_of(threads.ok().as_deref()).min(MAX_CALLS)
}

/// The kernel's limit of threads, or that of the table when it is not known.
fn threads_of(text: Option<&str>) -> u32 {
    text.and_then(|text| text.trim().parse().ok())
        .filter(|threads| *threads > 0)
        .unwrap_or(MAX_CALLS)
}

fn load_error(error: impl Into<aya::maps::MapError>) -> ProbeError {
    ProbeError::Load(error.into().to_string())
}

fn program_error(name: &str, error: &dyn std::error::Error) -> ProbeError {
    ProbeError::Load(format!("{name}: {}", chain(error)))
}

fn load_marker(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    let program: &mut RawTracePoint = ebpf
        .program_mut("marker")
        .ok_or_else(|| ProbeError::Load("the object has no program marker".to_owned()))?
        .try_into()
        .map_err(|error: ProgramError| program_error("marker", &error))?;
    program
        .load()
        .map_err(|error| program_error("marker", &error))
}

fn load_object(
    options: &ProbeOptions,
    offsets: &OffsetReport,
    scope: &Scope,
    btf: &Btf,
    known_seed: [u64; 2],
) -> Result<Ebpf, ProbeError> {
    let scope_id = scope.id.unwrap_or(0);
    let agent = std::process::id();
    let wake_bytes = u64::from(options.bulk_bytes / WAKE_DIVISOR);
    let cpus = aya::util::nr_cpus()
        .map_err(|(what, error)| ProbeError::io(format!("cannot count CPUs: {what}"), error))?;
    let scratch = cpus as u32 * SCRATCH_PER_CPU;
    let (interval_ns, depth_ns) = options.limit.map_or((0, 0), EventLimit::nanoseconds);
    let globals: Vec<(&'static str, u32)> = offsets.globals().collect();
    let plain_loads = PlainLoads::granted(btf);
    let cast_type = plain_loads.map_or(0, PlainLoads::kind);
    let object = plain_loads.map(|loads| loads.put_into(OBJECT));
    let mut loader = EbpfLoader::new();
    if !options.known {
        loader
            .map_max_entries("KNOWN_ACTORS", scratch)
            .map_max_entries("KNOWN_OPENS", scratch);
    }
    loader
        .btf(Some(btf))
        .override_global("AGENT_TGID", &agent, false)
        .override_global("SCOPE_CGROUP", &scope_id, false)
        .override_global("SCOPE_LEVEL", &scope.level, false)
        .override_global("WAKE_BYTES", &wake_bytes, false)
        .override_global("BUCKET_INTERVAL_NS", &interval_ns, false)
        .override_global("BUCKET_DEPTH_NS", &depth_ns, false)
        .override_global("CAST_TYPE", &cast_type, false)
        .override_global("KNOWN_SEED_0", &known_seed[0], false)
        .override_global("KNOWN_SEED_1", &known_seed[1], false)
        .map_max_entries("CRITICAL", options.critical_bytes)
        .map_max_entries("BULK", options.bulk_bytes)
        .map_max_entries("EXEC_SCRATCH", scratch)
        .map_max_entries("PATH_SCRATCH", scratch)
        .map_max_entries("PATHS_SCRATCH", scratch)
        .map_max_entries("DNS_SCRATCH", scratch)
        .map_max_entries("ONGOING", threads())
        .map_max_entries("OPENED", threads())
        .map_max_entries("TOLD", threads());
    for (symbol, value) in &globals {
        // A field that no program reads has no global in the object.
        loader.override_global(symbol, value, false);
    }
    loader
        .load(object.as_ref().map_or(OBJECT, AlignedObject::bytes))
        .map_err(|error| ProbeError::Load(chain(&error)))
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe")
            .field("scope", &self.scope.path)
            .field("directory", &self.scope_directory.as_raw_fd())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_whole_number_of_nanoseconds() {
        let times = |per_second, burst| EventLimit { per_second, burst }.nanoseconds();
        assert_eq!(times(50_000, 100_000), (20_000, 2_000_000_000));
        assert_eq!(times(1_000_000, 1), (1_000, 1_000));
        assert_eq!(times(3, 0), (333_333_333, 333_333_333));
    }

    #[test]
    fn a_table_of_calls_has_room_for_every_thread() {
        assert_eq!(threads_of(Some("15371\n")), 15_371);
        for unknown in [None, Some(""), Some("0"), Some("many")] {
            assert_eq!(threads_of(unknown), MAX_CALLS, "{unknown:?}");
        }
    }
}
