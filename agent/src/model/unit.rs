//! Services of the node: what systemd's cgroup path tells of them.

/// A service of systemd, for one life of its cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name: `cron.service`, `getty@tty1.service`.
    pub name: String,
    /// The service under which a user's own manager runs (`user@1000.service`), for one of its units.
    pub manager: Option<String>,
    /// cgroup v2 id of the unit's own cgroup.
    pub cgroup_id: u64,
    /// Path of that cgroup below the cgroup root.
    pub cgroup_path: String,
    /// Boot time of the cgroup's creation in nanoseconds; `None` when it is older than the agent.
    pub created_boot_ns: Option<u64>,
}

impl Unit {
    /// Its name, with that of its template in place of an instance's: `getty@.service`.
    pub fn template(&self) -> String {
        match self.name.split_once('@') {
            Some((template, _)) => format!("{template}@{SERVICE}"),
            None => self.name.clone(),
        }
    }
}

/// What the names of services end in.
pub const SERVICE: &str = ".service";
