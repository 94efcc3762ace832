use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::rules::testing::rules_of;
use super::*;
use crate::alert::sample::{alert_in, known_container};
use crate::alert::{AlertStage, Filter, Spool, SpoolLimits, Start, Step, Subscription, channel};
use crate::enrich::container::{ContainerMessage, TableSettings};
use crate::model::{ContainerView, Runtime};
use crate::proto;
use crate::proto::record::Body;

const LIMITS: Limits = Limits {
    grace_ns: 250,
    decide_within_ns: 30_000,
    max: 50,
};

/// The detection task's state as far as rules go, and the stream behind it.
struct Node {
    rulings: Rulings,
    containers: ContainerTable,
    dns: DnsTable,
    alerts: AlertSender,
    stage: AlertStage,
    spool: Arc<Spool>,
    now_ns: u64,
    number: u64,
    /// Containers so far, the last of them without its metadata.
    containers_made: u64,
}

/// Digest and text of a set. Rules have other places in each, and other names.
fn set(generation: u64) -> String {
    let before = (0..generation % 3).map(|at| format!("Before {at}"));
    let names = ["A", "B"].map(|name| format!("{name} {generation}"));
    let shadow = "evt.type = openat and fd.name = /etc/shadow";
    let rule = |name: String, condition: &str| {
        format!(
            "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: '%evt.num'\n  \
             priority: NOTICE\n"
        )
    };
    let mut text = String::new();
    text.extend(before.map(|name| rule(name, "evt.type = connect and fd.rport = 22")));
    text.extend(names.map(|name| rule(name, shadow)));
    let undecided = format!("{shadow} and container.image.repository = docker.io/nginx");
    text.push_str(&rule(format!("C {generation}"), &undecided));
    text
}

impl Node {
    fn new() -> Self {
        let limits = SpoolLimits {
            bytes: 1 << 24,
            records: 10_000,
            age: None,
            memory_bytes: 1 << 24,
        };
        let writer = Spool::in_memory(limits, "a test").unwrap();
        let spool = Arc::clone(writer.spool());
        let (alerts, stage) = channel(writer, 10_000);
        let mut node = Self {
            rulings: Rulings::new(rules_of(&set(1), 1).in_force, LIMITS),
            containers: ContainerTable::new(TableSettings {
                runtimes: vec![Runtime::Docker],
                ..TableSettings::default()
            }),
            dns: DnsTable::new(0),
            alerts,
            stage,
            spool,
            now_ns: 1_000,
            number: 0,
            containers_made: 0,
        };
        node.make_container();
        node
    }

    fn generation(&self) -> u64 {
        self.rulings.in_force.generation
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Rulings, &mut Bench<'_>) -> T) -> T {
        let mut bench = Bench {
            containers: &mut self.containers,
            dns: &mut self.dns,
            alerts: &self.alerts,
            now_ns: self.now_ns,
        };
        act(&mut self.rulings, &mut bench)
    }

    fn take_over_next(&mut self) {
        let generation = self.generation() + 1;
        let rules = rules_of(&set(generation), generation).in_force;
        self.with(|rulings, bench| rulings.take_over(rules, bench));
    }

    fn cgroup_id(&self) -> u64 {
        5_000 + self.containers_made
    }

    fn container_id(&self) -> String {
        format!("{:064x}", self.containers_made)
    }

    fn make_container(&mut self) {
        self.containers_made += 1;
        let path = format!("/docker/{}", self.container_id());
        self.containers
            .mkdir(self.cgroup_id(), path.as_bytes(), self.now_ns);
    }

    /// The engine tells what the last container is, and another one begins.
    fn identify(&mut self) {
        let known = known_container();
        let id = self.container_id();
        let metadata = known.metadata().unwrap();
        self.containers.apply(ContainerMessage::Full {
            runtime: Runtime::Docker,
            id: id.clone(),
            metadata: Arc::new(metadata.clone()),
        });
        self.with(|rulings, bench| {
            rulings.reconsider(&Awaited::Containers(&[&id]), bench);
        });
        self.make_container();
    }

    fn open(&mut self, on_the_host: bool) -> u64 {
        self.number += 1;
        let cgroup_id = self.cgroup_id();
        let container = if on_the_host {
            ContainerView::Host(None)
        } else {
            self.containers.view(cgroup_id)
        };
        let mut event = alert_in(container).event;
        event.number = self.number;
        event.boot_ns = self.now_ns;
        self.with(|rulings, bench| rulings.judge(&event, cgroup_id, bench));
        self.number
    }

    fn pass(&mut self, ns: u64) {
        self.now_ns += ns;
        self.with(|rulings, bench| rulings.tick(bench));
    }

    /// Every alert by the number of its event.
    fn finish(mut self) -> BTreeMap<u64, Vec<proto::Alert>> {
        for waiting in self.rulings.take_all() {
            self.with(|rulings, bench| rulings.release(waiting, bench));
        }
        let Self {
            alerts,
            stage,
            spool,
            ..
        } = self;
        drop(alerts);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(stage.run());
        let mut all = Subscription::new(spool, Start::Oldest, Filter::default()).unwrap();
        let mut told: BTreeMap<u64, Vec<proto::Alert>> = BTreeMap::new();
        while let Step::Record(record) = all.step() {
            if let Some(Body::Alert(alert)) = record.decode().unwrap().body {
                let number = alert.output.parse().unwrap();
                told.entry(number).or_default().push(alert);
            }
        }
        told
    }
}

/// Names of the rules that an event met, which must all be of that generation's set.
fn names(alerts: &[proto::Alert], generation: u64) -> Vec<String> {
    let digest = rules_of(&set(generation), generation).in_force.id().digest;
    let mut names = Vec::new();
    for alert in alerts {
        let rule = alert.rule.as_ref().unwrap();
        assert_eq!(
            (&*rule.set_digest, rule.set_generation),
            (&*digest, generation),
            "{}",
            rule.name
        );
        names.push(rule.name.clone());
    }
    names.sort();
    names
}

#[test]
fn what_waits_is_decided_by_the_set_that_saw_it() {
    let mut node = Node::new();
    let before = node.open(false);
    node.take_over_next();
    let after = node.open(false);
    assert_eq!(node.rulings.waiting(), 6);
    node.identify();
    assert_eq!(node.rulings.waiting(), 0);
    let told = node.finish();
    assert_eq!(names(&told[&before], 1), ["A 1", "B 1", "C 1"]);
    assert_eq!(names(&told[&after], 2), ["A 2", "B 2", "C 2"]);
    let decided = |alert: &proto::Alert| alert.undecided.is_empty();
    assert!(told.values().flatten().all(decided));
}

#[test]
fn no_more_sets_are_kept_than_may_be() {
    let mut node = Node::new();
    let first = node.open(false);
    for _ in 0..MAX_SETS {
        node.take_over_next();
        node.open(false);
    }
    assert_eq!(node.rulings.waiting(), 3 * (MAX_SETS + 1));
    node.take_over_next();
    assert_eq!(node.rulings.waiting(), 3 * MAX_SETS);
    let told = node.finish();
    assert_eq!(names(&told[&first], 1), ["A 1", "B 1", "C 1"]);
    let left = told[&first].iter().find(|alert| {
        let rule = alert.rule.as_ref();
        rule.is_some_and(|rule| rule.name == "C 1")
    });
    assert_eq!(left.unwrap().undecided.len(), 1, "it left undecided");
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    TakeOver,
    OpenOnHost,
    OpenInContainer,
    Identify,
    Pass(u64),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        2 => Just(Deed::TakeOver),
        2 => Just(Deed::OpenOnHost),
        4 => Just(Deed::OpenInContainer),
        1 => Just(Deed::Identify),
        1 => prop::sample::select(vec![100, 300, 40_000]).prop_map(Deed::Pass),
    ];
    prop::collection::vec(deed, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_event_meets_one_set_and_that_one_whole(deeds in deeds()) {
        let mut node = Node::new();
        let mut seen_by = BTreeMap::new();
        for deed in deeds {
            match deed {
                Deed::TakeOver => node.take_over_next(),
                Deed::Identify => node.identify(),
                Deed::Pass(ns) => node.pass(ns),
                Deed::OpenOnHost | Deed::OpenInContainer => {
                    let on_the_host = matches!(deed, Deed::OpenOnHost);
                    let generation = node.generation();
                    seen_by.insert(node.open(on_the_host), (generation, on_the_host));
                }
            }
        }
        let told = node.finish();
        prop_assert_eq!(told.len(), seen_by.len());
        for (number, (generation, on_the_host)) in seen_by {
            let mut expected = vec![format!("A {generation}"), format!("B {generation}")];
            if !on_the_host {
                expected.push(format!("C {generation}"));
            }
            prop_assert_eq!(names(&told[&number], generation), expected);
        }
    }
}

/// A set that tells of every second open of the file.
fn counting(generation: u64) -> Arc<RulesInForce> {
    let text = "- rule: Twice\n  desc: d\n  condition: evt.type = openat and fd.name = /etc/shadow\n  \
                output: '%evt.num'\n  priority: NOTICE\n  correlation:\n    type: event_count\n    \
                timespan: 1m\n    condition: {gte: 2}\n";
    rules_of(text, generation).in_force
}

#[test]
fn correlations_count_under_the_set_in_force_only() {
    let mut node = Node::new();
    node.with(|rulings, bench| rulings.take_over(counting(2), bench));
    node.open(true);
    // It waits for its container's name, under the set that ends.
    node.open(false);
    node.with(|rulings, bench| rulings.take_over(counting(3), bench));
    node.identify();
    node.open(true);
    let second = node.open(true);
    let told = node.finish();
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), [second]);
    let rule = told[&second][0].rule.as_ref().unwrap();
    assert_eq!((&*rule.name, rule.set_generation), ("Twice", 3));
}
