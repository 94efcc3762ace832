//! The services of the node, by the path of their own cgroup.

use std::collections::HashMap;
use std::sync::Arc;

use crate::enrich::container::{UnitPath, parse_unit_path};
use crate::model::Unit;

/// The services whose own cgroup is known.
#[derive(Debug, Default)]
pub(super) struct Units(HashMap<String, Arc<Unit>>);

impl Units {
    /// The service that a cgroup is part of. Of one whose own cgroup lies out of sight it is not known
    /// when it began and ends: it counts as none.
    pub(super) fn of(
        &mut self,
        cgroup_id: u64,
        path: &[u8],
        created_boot_ns: Option<u64>,
    ) -> Option<Arc<Unit>> {
        let found = parse_unit_path(path)?;
        if !found.is_own(path) {
            return self.0.get(found.cgroup).cloned();
        }
        let UnitPath {
            name,
            manager,
            cgroup,
        } = found;
        let unit = Arc::new(Unit {
            name: name.to_owned(),
            manager: manager.map(str::to_owned),
            cgroup_id,
            cgroup_path: cgroup.to_owned(),
            created_boot_ns,
        });
        self.0.insert(cgroup.to_owned(), Arc::clone(&unit));
        Some(unit)
    }

    /// A cgroup is forgotten. Its service may have been started anew, in another one.
    pub(super) fn forget(&mut self, cgroup_id: u64, unit: &Unit) {
        let known = self.0.get(&unit.cgroup_path);
        if known.is_some_and(|known| known.cgroup_id == cgroup_id) {
            self.0.remove(&unit.cgroup_path);
        }
    }
}
