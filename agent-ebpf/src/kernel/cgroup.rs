//! `struct cgroup`.

use super::{field, read, read_at, read_ptr};
use crate::globals::*;

/// A cgroup.
#[derive(Clone, Copy)]
pub struct Cgroup(u64);

impl Cgroup {
    /// A cgroup by its address.
    #[inline(always)]
    pub fn at(address: u64) -> Self {
        Self(address)
    }

    /// Its id: the inode number of its directory.
    #[inline(always)]
    pub fn id(self) -> Option<u64> {
        read(read_ptr(self.0, &CGROUP_KN)?, &KERNFS_NODE_ID)
    }

    /// It belongs to the v2 hierarchy, whose id is 0 (`cgrp_dfl_root`).
    #[inline(always)]
    pub fn is_v2(self) -> bool {
        read_ptr(self.0, &CGROUP_ROOT).and_then(|root| read::<u32>(root, &CGROUP_ROOT_HIERARCHY_ID))
            == Some(0)
    }

    /// Id of its ancestor (or itself) at a depth; `None` above its own depth.
    #[inline(always)]
    pub fn ancestor_id(self, level: u32) -> Option<u64> {
        if read::<u32>(self.0, &CGROUP_LEVEL)? < level {
            return None;
        }
        let ancestors = field(self.0, &CGROUP_ANCESTORS)?;
        let ancestor = read_at::<u64>(ancestors + u64::from(level) * 8)?;
        Self(ancestor).id()
    }
}
