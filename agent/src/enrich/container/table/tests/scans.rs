//! Walks over the cgroup tree, beside the records that tell of its changes.

use proptest::prelude::*;

use super::*;

pub(super) fn scan(started_boot_ns: u64, cgroups: &[(u64, &str)]) -> ContainerMessage {
    scan_that_took(0, started_boot_ns, cgroups)
}

fn scan_that_took(took: u64, started_boot_ns: u64, cgroups: &[(u64, &str)]) -> ContainerMessage {
    ContainerMessage::Scan {
        started_boot_ns,
        ended_boot_ns: started_boot_ns + took,
        cgroups: cgroups
            .iter()
            .map(|(id, path)| ScannedCgroup {
                id: *id,
                path: path.as_bytes().to_vec(),
            })
            .collect(),
        complete: true,
    }
}

#[test]
fn a_scan_that_was_cut_buries_nothing() {
    let mut table = table();
    table.mkdir(11, &own(A), 5);
    table.view(12);
    let mut cut = scan(9 * SECOND, &[(10, "/docker")]);
    if let ContainerMessage::Scan { complete, .. } = &mut cut {
        *complete = false;
    }
    table.apply(cut);
    assert!(table.take_gone().is_empty());
    assert!(table.containers().all(|(_, ended)| ended.is_none()));
    let ContainerView::Unknown { why: Some(why), .. } = table.view(12) else {
        panic!("a cgroup that was not found is known");
    };
    assert!(why.contains("more cgroups"), "{why}");
    table.apply(scan(20 * SECOND, &[(10, "/docker")]));
    assert_eq!(table.take_gone(), [11]);
}

#[test]
fn scan_and_records_may_tell_of_the_same_cgroup_in_either_order() {
    let path = format!("/docker/{A}");
    let mut table = table();
    table.apply(scan(4, &[(10, "/docker"), (11, &path)]));
    table.mkdir(11, path.as_bytes(), 5);
    assert_eq!(container(&mut table, 11).created_boot_ns, Some(5));
    table.apply(scan(6, &[(10, "/docker"), (11, &path)]));
    assert_eq!(container(&mut table, 11).created_boot_ns, Some(5));
    assert_eq!(table.containers().count(), 1);
    assert_eq!(requests(&mut table), [A]);
}

#[test]
fn a_scan_buries_what_vanished_unseen_but_nothing_newer_than_itself() {
    let mut table = table();
    table.mkdir(11, &own(A), 5);
    table.mkdir(12, &own(B), 50);
    table.apply(scan(20, &[(10, "/docker")]));
    let ended: Vec<_> = table
        .containers()
        .map(|(c, end)| (c.cgroup_id, end))
        .collect();
    assert!(
        ended.contains(&(11, Some(20))) && ended.contains(&(12, None)),
        "{ended:?}"
    );
}

#[test]
fn an_older_scan_buries_nothing_that_a_newer_one_found() {
    for newer in [scan(20, &[(10, "/docker"), (11, "/x")]), {
        // It began earlier and saw the cgroup late.
        scan_that_took(25, 8, &[(10, "/docker"), (11, "/x")])
    }] {
        let mut table = table();
        table.apply(newer);
        table.take_gone();
        table.apply(scan_that_took(30, 10, &[(10, "/docker")]));
        assert!(table.take_gone().is_empty());
        table.apply(scan(50, &[(10, "/docker")]));
        assert_eq!(table.take_gone(), [11], "a later one does");
    }
}

proptest! {
    /// Cgroups come and go, their records may be lost, and scans overlap: a scan never buries a
    /// cgroup that lives, and after the last one nothing is known wrongly.
    #[test]
    fn no_scan_buries_a_living_cgroup(
        steps in prop::collection::vec((0..6_u8, 0..5_u64, any::<bool>()), 1..80)
    ) {
        let mut node = Node::default();
        for (kind, cgroup, told) in steps {
            node.step(kind, cgroup, told);
            for cgroup in &node.alive {
                let buried = node.table.cgroups.get(cgroup);
                let buried = buried.is_some_and(|cgroup| cgroup.removed_boot_ns.is_some());
                prop_assert!(!buried, "{cgroup} lives");
            }
        }
        while !node.scans.is_empty() {
            node.end_scan();
        }
        node.now += 1;
        node.begin_scan();
        node.now += 1;
        node.end_scan();
        for (cgroup, known) in &node.table.cgroups {
            let alive = known.removed_boot_ns.is_none();
            prop_assert_eq!(alive, node.alive.contains(cgroup), "{}", cgroup);
        }
    }
}

/// A cgroup tree, the table that follows it, and scans under way: each has the times of its
/// beginning and what it saw so far.
struct Node {
    table: ContainerTable,
    now: u64,
    next_id: u64,
    alive: Vec<u64>,
    scans: VecDeque<(u64, HashSet<u64>, Vec<u64>)>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            table: ContainerTable::new(TableSettings::default()),
            now: 1,
            next_id: 1,
            alive: Vec::new(),
            scans: VecDeque::new(),
        }
    }
}

impl Node {
    fn step(&mut self, kind: u8, cgroup: u64, told: bool) {
        self.now += 1;
        match kind {
            0 => self.mkdir(told),
            1 => self.rmdir(cgroup, told),
            2 => self.begin_scan(),
            3 => self.look(cgroup),
            4 => self.end_scan(),
            _ => {
                self.table.view(cgroup);
            }
        }
    }

    fn mkdir(&mut self, told: bool) {
        let id = self.next_id;
        self.next_id += 1;
        self.alive.push(id);
        if told {
            self.table.mkdir(id, b"/x", self.now);
        }
    }

    fn rmdir(&mut self, at: u64, told: bool) {
        if self.alive.is_empty() {
            return;
        }
        let id = self.alive.remove(at as usize % self.alive.len());
        if told {
            self.table.rmdir(id, b"/x", self.now);
        }
    }

    /// A scan begins: it is certain to see what is there now and is not removed meanwhile.
    fn begin_scan(&mut self) {
        let there = self.alive.iter().copied().collect();
        self.scans.push_back((self.now, there, Vec::new()));
    }

    /// Each scan may also see what came later.
    fn look(&mut self, at: u64) {
        if self.scans.is_empty() || self.alive.is_empty() {
            return;
        }
        let cgroup = self.alive[at as usize % self.alive.len()];
        let scan = at as usize % self.scans.len();
        self.scans[scan].2.push(cgroup);
    }

    /// The newest comes back first.
    fn end_scan(&mut self) {
        let Some((started_boot_ns, mut seen, late)) = self.scans.pop_back() else {
            return;
        };
        seen.retain(|cgroup| self.alive.contains(cgroup));
        seen.extend(late);
        let cgroups = seen.into_iter().map(|id| ScannedCgroup {
            id,
            path: b"/x".to_vec(),
        });
        self.table.apply(ContainerMessage::Scan {
            started_boot_ns,
            ended_boot_ns: self.now,
            cgroups: cgroups.collect(),
            complete: true,
        });
    }
}

#[test]
fn a_scan_does_not_revive_what_was_removed_while_it_ran() {
    for path in [own(A), Vec::new()] {
        let mut table = table();
        table.rmdir(11, &path, 8);
        table.apply(scan(4, &[(10, "/docker"), (11, &format!("/docker/{A}"))]));
        let alive = table.containers().filter(|(_, ended)| ended.is_none());
        assert_eq!(alive.count(), 0);
    }
}
