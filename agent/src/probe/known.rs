//! Opens that the programs need not tell for a while.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use aya::Pod;
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use gravlens_common::{ExecKey, KnownActor, KnownOpen, known_by, known_key};

use super::ProbeError;

/// The maps.
const GENERATION: &str = "KNOWN_GENERATION";
const ACTORS: &str = "KNOWN_ACTORS";
const OPENS: &str = "KNOWN_OPENS";

#[derive(Clone, Copy)]
#[repr(transparent)]
struct ActorPod(KnownActor);

// SAFETY: two integers without padding.
unsafe impl Pod for ActorPod {}

/// A seed that nobody can guess: the standard library takes its keys from the kernel.
pub(super) fn seed() -> [u64; 2] {
    [(); 2].map(|()| RandomState::new().build_hasher().finish())
}

/// What the programs know of processes and opens.
pub struct KnownOpens {
    seed: [u64; 2],
    generation: u64,
    in_kernel: Array<MapData, u64>,
    actors: HashMap<MapData, u64, ActorPod>,
    opens: HashMap<MapData, [u64; 2], u64>,
}

impl KnownOpens {
    pub(super) fn new(
        seed: [u64; 2],
        mut take: impl FnMut(&str) -> Result<Map, ProbeError>,
    ) -> Result<Self, ProbeError> {
        let refused = |error: MapError| ProbeError::Load(error.to_string());
        Ok(Self {
            seed,
            generation: 0,
            in_kernel: Array::try_from(take(GENERATION)?).map_err(refused)?,
            actors: HashMap::try_from(take(ACTORS)?).map_err(refused)?,
            opens: HashMap::try_from(take(OPENS)?).map_err(refused)?,
        })
    }

    /// From now on nothing is known of what was told before: other rules or baselines are about to be
    /// in force.
    pub fn renew(&mut self) -> Result<(), MapError> {
        self.generation += 1;
        self.in_kernel.set(0, self.generation, 0)
    }

    /// Key of an open; `None` if it can have none.
    pub fn key(&self, role: u64, open: KnownOpen, is_root: bool, path: &[u8]) -> Option<[u64; 2]> {
        let open = known_by(open.word(), is_root);
        known_key(self.seed, role, self.generation, open, path)
    }

    /// Which role a process has.
    pub fn know_actor(&mut self, process: ExecKey, actor: KnownActor) -> Result<(), MapError> {
        self.actors.insert(process.0, ActorPod(actor), 0)
    }

    /// A process has no role any more: whatever it does is told.
    pub fn forget_actor(&mut self, process: ExecKey) -> Result<(), MapError> {
        match self.actors.remove(&process.0) {
            Err(MapError::KeyNotFound) => Ok(()),
            result => result,
        }
    }

    /// Opens with this key need not be told until then, in nanoseconds since boot.
    pub fn know_open(&mut self, key: [u64; 2], until_ns: u64) -> Result<(), MapError> {
        self.opens.insert(key, until_ns, 0)
    }
}
