//! For how long a workload was watched.

use std::collections::BTreeMap;

use super::{InstanceId, NodeId, Sample};

/// What one node watched. Only that node writes it and no field ever shrinks, so the larger value
/// of each is the newer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeExposure {
    /// Whole windows.
    pub windows: u64,
    /// Seconds in them, summed over the instances.
    pub seconds: u64,
    /// Starts of an instance that were seen from their beginning, without loss.
    pub starts: u64,
    /// Instance-seconds in windows that were not whole.
    pub lossy_seconds: u64,
    /// Seconds in which at least one instance was in a whole window.
    pub covered_seconds: u64,
    /// End of the latest whole window.
    pub covered_until: u64,
}

impl NodeExposure {
    fn whole_window(&mut self, begin: u64, end: u64) {
        self.windows = self.windows.saturating_add(1);
        self.seconds = self.seconds.saturating_add(end.saturating_sub(begin));
        let uncovered = end.saturating_sub(begin.max(self.covered_until));
        self.covered_seconds = self.covered_seconds.saturating_add(uncovered);
        self.covered_until = self.covered_until.max(end);
    }

    fn merge(&mut self, other: &Self) {
        self.windows = self.windows.max(other.windows);
        self.seconds = self.seconds.max(other.seconds);
        self.starts = self.starts.max(other.starts);
        self.lossy_seconds = self.lossy_seconds.max(other.lossy_seconds);
        self.covered_seconds = self.covered_seconds.max(other.covered_seconds);
        self.covered_until = self.covered_until.max(other.covered_until);
    }
}

/// All nodes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Whole windows.
    pub windows: u64,
    /// Instance-seconds in them.
    pub seconds: u64,
    /// Starts seen whole.
    pub starts: u64,
    /// Instance-seconds that do not count.
    pub lossy_seconds: u64,
}

/// What was watched of a workload, by node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    since: u64,
    first: u64,
    last: u64,
    instances: Sample<16>,
    nodes: BTreeMap<NodeId, NodeExposure>,
}

impl Default for Exposure {
    fn default() -> Self {
        Self::beginning(0)
    }
}

impl Exposure {
    fn beginning(since: u64) -> Self {
        Self {
            since,
            first: u64::MAX,
            last: 0,
            instances: Sample::default(),
            nodes: BTreeMap::new(),
        }
    }

    /// What was exported: see the accessors for the parts. `first` is `u64::MAX` when no window was
    /// whole, and never before `since`.
    pub fn from_parts(
        since: u64,
        first: u64,
        last: u64,
        instances: Sample<16>,
        nodes: BTreeMap<NodeId, NodeExposure>,
    ) -> Self {
        Self {
            since,
            first: first.max(since),
            last,
            instances,
            nodes,
        }
    }

    /// Begins anew: what was watched before `since` says nothing of what is to come, because the
    /// workload has changed. An earlier time than that of the last beginning changes nothing.
    pub fn restart(&mut self, since: u64) {
        if since > self.since {
            *self = Self::beginning(since);
        }
    }

    /// When it began anew; 0: never.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// A whole window of an instance ended. One that began before [`Exposure::since`] does not count.
    ///
    /// Windows that overlap in time come in the order of their ends; otherwise [`Exposure::span`]
    /// comes out too short.
    pub fn whole_window(&mut self, node: NodeId, instance: InstanceId, begin: u64, end: u64) {
        if begin < self.since || end <= begin {
            return;
        }
        self.nodes.entry(node).or_default().whole_window(begin, end);
        self.instances.insert(instance.0);
        self.first = self.first.min(begin);
        self.last = self.last.max(end);
    }

    /// The start phase of an instance that began at `begin` ended at `end`, and was seen whole.
    pub fn start(&mut self, node: NodeId, instance: InstanceId, begin: u64, end: u64) {
        if begin < self.since {
            return;
        }
        let node = self.nodes.entry(node).or_default();
        node.starts = node.starts.saturating_add(1);
        self.instances.insert(instance.0);
        self.last = self.last.max(end);
    }

    /// Time of an instance that does not count.
    pub fn lossy(&mut self, node: NodeId, seconds: u64) {
        let node = self.nodes.entry(node).or_default();
        node.lossy_seconds = node.lossy_seconds.saturating_add(seconds);
    }

    /// Sums over the nodes.
    pub fn totals(&self) -> Totals {
        self.nodes
            .values()
            .fold(Totals::default(), |sum, node| Totals {
                windows: sum.windows.saturating_add(node.windows),
                seconds: sum.seconds.saturating_add(node.seconds),
                starts: sum.starts.saturating_add(node.starts),
                lossy_seconds: sum.lossy_seconds.saturating_add(node.lossy_seconds),
            })
    }

    /// Instances that were watched: exact below 16.
    pub fn instances(&self) -> Sample<16> {
        self.instances
    }

    /// What each node watched.
    pub fn nodes(&self) -> &BTreeMap<NodeId, NodeExposure> {
        &self.nodes
    }

    /// Beginning of the earliest whole window; `u64::MAX`: there was none.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// When something was watched last, for what ages: time in which nobody watched ages nothing.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Wall-clock seconds that were watched, however many instances there were: a behaviour that
    /// comes once a day is not known before a day, and replicas do not help.
    ///
    /// Gaps that all nodes have in common are left out; where nodes overlap and have gaps too,
    /// this is at most too long by the overlap.
    pub fn span(&self) -> u64 {
        let covered = self
            .nodes
            .values()
            .fold(0_u64, |sum, node| sum.saturating_add(node.covered_seconds));
        covered.min(self.last.saturating_sub(self.first))
    }

    /// Join. The later beginning wins whole: exposure from before a change must not be added to
    /// that from after it.
    pub fn merge(&mut self, other: &Self) {
        if other.since < self.since {
            return;
        }
        self.restart(other.since);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.instances.merge(&other.instances);
        for (node, exposure) in &other.nodes {
            self.nodes.entry(*node).or_default().merge(exposure);
        }
    }
}
