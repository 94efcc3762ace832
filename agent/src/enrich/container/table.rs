//! The containers in scope, by cgroup id.

mod runtimes;
mod settings;
#[cfg(test)]
mod tests;
mod units;
mod unknown;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use gravlens_common::limits;

use self::runtimes::RuntimeStates;
pub use self::settings::{ContainerCounters, TableSettings};
use self::units::Units;
use self::unknown::UnknownCgroups;
use super::metadata_cache::MetadataCache;
use super::{ContainerMessage, ContainerPath, ContainerRequest, ScannedCgroup, parse_cgroup_path};
use crate::enrich::pace::ScanPace;
use crate::model::{Container, ContainerMetadata, ContainerView, Identity, Runtime, Unit};

/// Length of a path that the kernel programs may have cut: their limit, less the final zero.
const CUT_PATH_LEN: usize = limits::CGROUP_PATH_MAX - 1;

/// The container table. The detection task owns it: no locks, no I/O, and no clock but the boot
/// times that events and ticks bring.
///
/// A process may sit in a cgroup that its container made inside its own; such a cgroup inherits
/// the container. A container started again gets a new cgroup and with it a new [`Container`];
/// events of the old one keep the old value.
///
/// Container names in a path can be forged by who may write to the cgroup filesystem inside a
/// container. So a nested cgroup that bears the id of a container that lives elsewhere counts as
/// part of the container around it, and so does one that no runtime knows.
///
/// A cgroup is the node's only if its path says so. One whose creation was not told, or whose path
/// could not be read, is [`ContainerView::Unknown`] until a scan finds it.
#[derive(Debug)]
pub struct ContainerTable {
    settings: TableSettings,
    cgroups: HashMap<u64, Cgroup>,
    /// By the container's own cgroup id.
    containers: HashMap<u64, Entry>,
    /// Own cgroup ids by container id, oldest first.
    by_id: HashMap<String, Vec<u64>>,
    units: Units,
    descriptions: MetadataCache,
    runtimes: RuntimeStates,
    to_ask: VecDeque<u64>,
    removed: VecDeque<(u64, u64)>,
    /// Removed cgroups that nobody has taken notice of yet.
    gone: Vec<u64>,
    unknown: UnknownCgroups,
    scans: ScanPace,
    now_ns: u64,
    counters: ContainerCounters,
}

#[derive(Debug)]
struct Cgroup {
    owner: Owner,
    created_boot_ns: Option<u64>,
    /// Boot time at which it was there for certain, for one whose creation was not told.
    found_boot_ns: u64,
    removed_boot_ns: Option<u64>,
}

impl Cgroup {
    /// It was there at that time, so whoever looked through the tree since has seen it.
    fn existed_at(&self, boot_ns: u64) -> bool {
        self.created_boot_ns.unwrap_or(self.found_boot_ns) < boot_ns
    }
}

/// Whose a cgroup is.
#[derive(Clone, Debug)]
enum Owner {
    /// The node, and the service of it that the cgroup is part of.
    Node(Option<Arc<Unit>>),
    /// The container with this own cgroup id.
    Container(u64),
    /// Removed before its path was told.
    Unknown,
}

#[derive(Debug)]
struct Entry {
    container: Arc<Container>,
    outer: Option<u64>,
}

impl ContainerTable {
    /// An empty table.
    pub fn new(settings: TableSettings) -> Self {
        Self {
            descriptions: MetadataCache::new(settings.max_descriptions),
            runtimes: RuntimeStates::new(&settings.runtimes),
            settings,
            cgroups: HashMap::new(),
            containers: HashMap::new(),
            by_id: HashMap::new(),
            units: Units::default(),
            to_ask: VecDeque::new(),
            removed: VecDeque::new(),
            gone: Vec::new(),
            unknown: UnknownCgroups::default(),
            scans: ScanPace::default(),
            now_ns: 0,
            counters: ContainerCounters::default(),
        }
    }

    /// A cgroup was made. The path is empty when it could not be read.
    pub fn mkdir(&mut self, cgroup_id: u64, path: &[u8], boot_ns: u64) {
        self.tick(boot_ns);
        self.told(cgroup_id, path, Some(boot_ns), boot_ns);
    }

    /// A cgroup was removed. It stays known for a while; one that was not known becomes it, for
    /// what its processes did.
    pub fn rmdir(&mut self, cgroup_id: u64, path: &[u8], boot_ns: u64) {
        self.tick(boot_ns);
        if !self.cgroups.contains_key(&cgroup_id) {
            self.told(cgroup_id, path, None, boot_ns);
        }
        self.bury(cgroup_id, boot_ns);
    }

    /// Time passed. Forgets cgroups that were removed long ago.
    pub fn tick(&mut self, boot_ns: u64) {
        self.now_ns = self.now_ns.max(boot_ns);
        self.expire();
    }

    /// The container of a process, by the process's cgroup id. An unknown cgroup, whose creation
    /// was lost or is not yet here, asks for a scan.
    pub fn view(&mut self, cgroup_id: u64) -> ContainerView {
        if let Some(known) = self.known(cgroup_id) {
            return known;
        }
        self.counters.unknown_lookups += 1;
        let why = if cgroup_id == limits::OTHER_CGROUP {
            Some("the kernel did not tell the cgroup".into())
        } else if self.cgroups.contains_key(&cgroup_id) {
            Some("the cgroup is gone and its path was not told".into())
        } else {
            let (look, why) = self.unknown.ask(cgroup_id, self.now_ns);
            if look {
                self.scans.want(self.now_ns);
            }
            why
        };
        ContainerView::Unknown { cgroup_id, why }
    }

    /// The container of a cgroup; `None` when the table does not know the cgroup.
    pub fn known(&self, cgroup_id: u64) -> Option<ContainerView> {
        match &self.cgroups.get(&cgroup_id)?.owner {
            Owner::Node(unit) => Some(ContainerView::Host(unit.clone())),
            Owner::Container(owner) => self.resolve(*owner).map(ContainerView::Container),
            Owner::Unknown => None,
        }
    }

    /// Cgroups that were asked for while unknown and have become known since, or will never be.
    pub fn take_settled(&mut self) -> Vec<u64> {
        self.unknown.take_settled()
    }

    /// Cgroups that were removed since the last call: the kernel told it, or a complete walk that
    /// began when they had been met did not find them. They are gone for certain.
    pub fn take_gone(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.gone)
    }

    /// Takes in a message. Returns the containers whose identity changed: events that wait for one
    /// of them can be decided anew, after another [`view`](Self::view) of their cgroup.
    pub fn apply(&mut self, message: ContainerMessage) -> Vec<Arc<Container>> {
        match message {
            ContainerMessage::Full {
                runtime,
                id,
                metadata,
            } => self.describe(runtime, &id, &metadata),
            ContainerMessage::Failed { id, why, .. } => self.fail(&id, &why),
            ContainerMessage::Gone { id } => {
                self.descriptions.remove(&id);
                Vec::new()
            }
            ContainerMessage::RuntimeLost { runtime, why } => self.runtime_lost(runtime, &why),
            ContainerMessage::RuntimeBack { runtime } => self.runtime_back(runtime),
            ContainerMessage::Scan {
                started_boot_ns,
                ended_boot_ns,
                cgroups,
                complete,
            } => {
                self.take_scan(started_boot_ns, ended_boot_ns, &cgroups);
                self.bury_absent(started_boot_ns, &cgroups, complete);
                Vec::new()
            }
        }
    }

    /// Hands out the requests that wait, oldest first, until `offer` refuses one (its channel is
    /// full); that one and those behind it are offered again next time.
    pub fn offer_requests(&mut self, mut offer: impl FnMut(ContainerRequest) -> bool) {
        while let Some(key) = self.to_ask.front() {
            let waiting = self
                .containers
                .get(key)
                .filter(|entry| entry.container.identity == Identity::Pending);
            if let Some(Entry { container, .. }) = waiting {
                let request = ContainerRequest {
                    runtime: container.runtime,
                    id: container.id.clone(),
                };
                if !offer(request) {
                    self.counters.deferred_requests += 1;
                    return;
                }
            }
            self.to_ask.pop_front();
        }
    }

    /// Records about cgroups were lost: a scan finds out which cgroups there are.
    pub fn want_scan(&mut self) {
        self.scans.want(self.now_ns);
    }

    /// Whether a scan should follow now.
    pub fn is_scan_due(&self) -> bool {
        self.scans.is_due(self.now_ns)
    }

    /// Whether a scan should follow now; it is then taken to be under way. Scans are rationed, for
    /// a table that is full meets unknown cgroups all the time.
    pub fn take_scan_request(&mut self) -> bool {
        self.scans.take(self.now_ns)
    }

    /// Every known container, with the boot time of its end if it has ended.
    pub fn containers(&self) -> impl Iterator<Item = (&Arc<Container>, Option<u64>)> {
        self.containers.iter().map(|(key, entry)| {
            let cgroup = self.cgroups.get(key);
            (&entry.container, cgroup.and_then(|c| c.removed_boot_ns))
        })
    }

    /// Counters.
    pub fn counters(&self) -> ContainerCounters {
        self.counters
    }

    /// Follows a nested container that no runtime knows to the one around it.
    fn resolve(&self, owner: u64) -> Option<Arc<Container>> {
        let mut entry = self.containers.get(&owner)?;
        while let (Identity::Failed(_), Some(outer)) = (&entry.container.identity, entry.outer) {
            match self.containers.get(&outer) {
                Some(around) => entry = around,
                None => break,
            }
        }
        Some(Arc::clone(&entry.container))
    }

    /// Somebody told of a cgroup. A path that was not read, or not to its end, says nothing of
    /// whose the cgroup is: a scan will.
    fn told(&mut self, cgroup_id: u64, path: &[u8], created_boot_ns: Option<u64>, at_ns: u64) {
        let whole = !path.is_empty() && path.len() < CUT_PATH_LEN;
        if whole {
            self.insert(cgroup_id, path, created_boot_ns, at_ns);
        } else if !self.cgroups.contains_key(&cgroup_id) {
            self.scans.want(self.now_ns);
        }
    }

    fn insert(
        &mut self,
        cgroup_id: u64,
        path: &[u8],
        created_boot_ns: Option<u64>,
        found_boot_ns: u64,
    ) {
        if self.cgroups.contains_key(&cgroup_id) {
            if self.is_same_container(cgroup_id, path) {
                self.set_created(cgroup_id, created_boot_ns);
                return;
            }
            self.forget(cgroup_id);
        }
        if self.cgroups.len() >= self.settings.max_cgroups && !self.drop_oldest_removed() {
            self.counters.refused_cgroups += 1;
            return;
        }
        let Ok(owner) = self.owner_of(cgroup_id, path, created_boot_ns) else {
            // Its container's own cgroup was missed: a scan will bring both, in order. One that
            // does not will not do better the next time.
            if created_boot_ns.is_some() {
                self.scans.want(self.now_ns);
            }
            return;
        };
        self.cgroups.insert(
            cgroup_id,
            Cgroup {
                owner,
                created_boot_ns,
                found_boot_ns,
                removed_boot_ns: None,
            },
        );
        self.unknown.settle(cgroup_id);
    }

    /// Marks a cgroup as removed. An unknown one leaves a tombstone: a scan that saw it alive may
    /// still be under way.
    fn bury(&mut self, cgroup_id: u64, boot_ns: u64) {
        let cgroup = self.cgroups.entry(cgroup_id).or_insert(Cgroup {
            owner: Owner::Unknown,
            created_boot_ns: None,
            found_boot_ns: boot_ns,
            removed_boot_ns: None,
        });
        if cgroup.removed_boot_ns.is_none() {
            cgroup.removed_boot_ns = Some(boot_ns);
            self.removed.push_back((boot_ns, cgroup_id));
            self.gone.push(cgroup_id);
        }
        self.unknown.settle(cgroup_id);
        self.expire();
    }

    /// Whose a new cgroup is. Makes the container when the cgroup is a container's own. `Err` when the path names a container whose cgroup is not known.
    fn owner_of(
        &mut self,
        cgroup_id: u64,
        path: &[u8],
        created_boot_ns: Option<u64>,
    ) -> Result<Owner, UnknownOwner> {
        let Some(mut found) = parse_cgroup_path(path) else {
            let unit = self.units.of(cgroup_id, path, created_boot_ns);
            return Ok(Owner::Node(unit));
        };
        let path = std::str::from_utf8(path).unwrap_or_default();
        while self.lives_elsewhere(&found) {
            let Some(outer) = found.outer.take() else {
                break;
            };
            self.counters.identity_conflicts += 1;
            found = *outer;
        }
        if !found.is_own(path) {
            let owner = self.own_cgroup(&found).ok_or(UnknownOwner)?;
            return Ok(Owner::Container(owner));
        }
        let outer = match &found.outer {
            Some(outer) => Some(self.own_cgroup(outer).ok_or(UnknownOwner)?),
            None => None,
        };
        self.add_container(cgroup_id, &found, outer, created_boot_ns);
        Ok(Owner::Container(cgroup_id))
    }

    fn add_container(
        &mut self,
        cgroup_id: u64,
        path: &ContainerPath<'_>,
        outer: Option<u64>,
        created_boot_ns: Option<u64>,
    ) {
        let described = self.descriptions.get(path.id);
        let (runtime, identity) = match described {
            Some((runtime, metadata)) => (runtime, Identity::Full(metadata)),
            None => (path.runtime, self.runtimes.first_identity(path.runtime)),
        };
        if identity == Identity::Pending {
            self.to_ask.push_back(cgroup_id);
        }
        let container = Container {
            id: path.id.to_owned(),
            runtime,
            cgroup_id,
            cgroup_path: path.cgroup.to_owned(),
            identity,
            created_boot_ns,
        };
        let container = Arc::new(container);
        self.containers
            .insert(cgroup_id, Entry { container, outer });
        self.by_id
            .entry(path.id.to_owned())
            .or_default()
            .push(cgroup_id);
    }

    /// The newest cgroup that is the own one of the container at this path.
    fn own_cgroup(&self, path: &ContainerPath<'_>) -> Option<u64> {
        let keys = self.by_id.get(path.id)?;
        keys.iter().rev().copied().find(|key| {
            self.containers
                .get(key)
                .is_some_and(|entry| entry.container.cgroup_path == path.cgroup)
        })
    }

    fn lives_elsewhere(&self, path: &ContainerPath<'_>) -> bool {
        self.by_id.get(path.id).is_some_and(|keys| {
            keys.iter().any(|key| {
                let alive = self
                    .cgroups
                    .get(key)
                    .is_some_and(|cgroup| cgroup.removed_boot_ns.is_none());
                let entry = self.containers.get(key);
                alive && entry.is_some_and(|entry| entry.container.cgroup_path != path.cgroup)
            })
        })
    }

    fn is_same_container(&self, cgroup_id: u64, path: &[u8]) -> bool {
        self.containers
            .get(&cgroup_id)
            .is_some_and(|entry| entry.container.cgroup_path.as_bytes() == path)
    }

    fn set_created(&mut self, cgroup_id: u64, created_boot_ns: Option<u64>) {
        let Some(created) = created_boot_ns else {
            return;
        };
        if let Some(cgroup) = self.cgroups.get_mut(&cgroup_id) {
            cgroup.created_boot_ns = Some(created);
        }
        if let Some(entry) = self.containers.get_mut(&cgroup_id) {
            Arc::make_mut(&mut entry.container).created_boot_ns = Some(created);
        }
    }

    fn describe(
        &mut self,
        runtime: Runtime,
        id: &str,
        metadata: &Arc<ContainerMetadata>,
    ) -> Vec<Arc<Container>> {
        self.descriptions.insert(id, runtime, Arc::clone(metadata));
        let keys = self.by_id.get(id).cloned().unwrap_or_default();
        let newest = keys.last().copied();
        self.change(&keys, |key, container| {
            // An earlier run of a container keeps what was said of that run.
            let wanted = Some(key) == newest || container.metadata().is_none();
            wanted.then(|| (runtime, Identity::Full(Arc::clone(metadata))))
        })
    }

    fn fail(&mut self, id: &str, why: &Arc<str>) -> Vec<Arc<Container>> {
        let keys = self.by_id.get(id).cloned().unwrap_or_default();
        // A removed container can no longer be inspected, but what it was is still true.
        self.change(&keys, |_, container| {
            let wanted = container.metadata().is_none();
            wanted.then(|| (container.runtime, Identity::Failed(Arc::clone(why))))
        })
    }

    fn runtime_lost(&mut self, runtime: Runtime, why: &Arc<str>) -> Vec<Arc<Container>> {
        self.runtimes.lost(runtime, why);
        let keys = self.container_ids();
        self.change(&keys, |_, container| {
            let waits = container.identity == Identity::Pending;
            let asked =
                matches!(container.runtime, Runtime::Unknown) || container.runtime == runtime;
            (waits && asked).then(|| (container.runtime, Identity::Failed(Arc::clone(why))))
        })
    }

    fn runtime_back(&mut self, runtime: Runtime) -> Vec<Arc<Container>> {
        self.runtimes.back(runtime);
        let keys = self.container_ids();
        let changed = self.change(&keys, |_, container| {
            let failed = matches!(container.identity, Identity::Failed(_));
            let asked =
                matches!(container.runtime, Runtime::Unknown) || container.runtime == runtime;
            (failed && asked).then_some((container.runtime, Identity::Pending))
        });
        self.to_ask
            .extend(changed.iter().map(|container| container.cgroup_id));
        changed
    }

    /// In an order that is the same each time: a replay tells of changes as the live run did.
    fn container_ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.containers.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Replaces the identity of those containers for which `decide` gives a new one.
    fn change(
        &mut self,
        keys: &[u64],
        decide: impl Fn(u64, &Container) -> Option<(Runtime, Identity)>,
    ) -> Vec<Arc<Container>> {
        let mut changed = Vec::new();
        for key in keys {
            let Some(entry) = self.containers.get_mut(key) else {
                continue;
            };
            let Some((runtime, identity)) = decide(*key, &entry.container) else {
                continue;
            };
            if entry.container.identity != identity {
                let container = Arc::make_mut(&mut entry.container);
                container.runtime = runtime;
                container.identity = identity;
                changed.push(Arc::clone(&entry.container));
            }
        }
        changed
    }

    /// Adds what the walk found and the records did not tell.
    fn take_scan(&mut self, started_ns: u64, ended_ns: u64, cgroups: &[ScannedCgroup]) {
        self.tick(ended_ns);
        self.scans
            .done(started_ns, ended_ns.saturating_sub(started_ns));
        for cgroup in cgroups {
            if !self.cgroups.contains_key(&cgroup.id) {
                self.insert(cgroup.id, &cgroup.path, None, ended_ns);
            }
        }
    }

    /// Buries what was there before a complete walk and was not found. What came up since may have
    /// been made behind the walk's back. A walk that was cut proves nothing to be gone.
    fn bury_absent(&mut self, started_ns: u64, cgroups: &[ScannedCgroup], complete: bool) {
        let found: HashSet<u64> = cgroups.iter().map(|cgroup| cgroup.id).collect();
        let absent = self.unknown.scanned(started_ns, &found, complete);
        if !complete {
            return;
        }
        self.gone.extend(absent);
        let mut stale: Vec<u64> = self
            .cgroups
            .iter()
            .filter(|(id, cgroup)| {
                cgroup.removed_boot_ns.is_none()
                    && cgroup.existed_at(started_ns)
                    && !found.contains(id)
            })
            .map(|(id, _)| *id)
            .collect();
        stale.sort_unstable();
        for id in stale {
            self.bury(id, started_ns);
        }
    }

    fn expire(&mut self) {
        while let Some((removed_ns, _)) = self.removed.front() {
            let old = removed_ns.saturating_add(self.settings.retention_ns) <= self.now_ns;
            if !old && self.removed.len() <= self.settings.max_removed {
                return;
            }
            self.drop_oldest_removed();
        }
    }

    fn drop_oldest_removed(&mut self) -> bool {
        let Some((removed_ns, cgroup_id)) = self.removed.pop_front() else {
            return false;
        };
        let known = self.cgroups.get(&cgroup_id);
        if known.is_some_and(|cgroup| cgroup.removed_boot_ns == Some(removed_ns)) {
            self.forget(cgroup_id);
        }
        true
    }

    fn forget(&mut self, cgroup_id: u64) {
        let cgroup = self.cgroups.remove(&cgroup_id);
        if let Some(Owner::Node(Some(unit))) = cgroup.map(|cgroup| cgroup.owner) {
            self.units.forget(cgroup_id, &unit);
        }
        let Some(entry) = self.containers.remove(&cgroup_id) else {
            return;
        };
        self.to_ask.retain(|key| *key != cgroup_id);
        if let Some(keys) = self.by_id.get_mut(&entry.container.id) {
            keys.retain(|key| *key != cgroup_id);
            if keys.is_empty() {
                self.by_id.remove(&entry.container.id);
            }
        }
    }
}

/// The path names a container whose own cgroup the table has not seen.
struct UnknownOwner;
