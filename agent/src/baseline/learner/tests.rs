//! Instances that do things, minute by minute.

mod changes;
mod claims;
mod operator;
mod units;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::super::state::State;
use super::{Kind, LearnSettings, Learner, Novel};
use crate::baseline::{Class, Phase, Profile, Workload};
use crate::detect::testing::{event, metadata, open, process};
use crate::model::{
    Call, CgroupChange, Container, ContainerView, Event, ExecId, Identity, Layer, Payload, Process,
    Runtime, Syscall,
};

const EPOCH: u64 = 1_700_000_000;
/// `ptrace(PTRACE_ATTACH, 7)`, which no time makes ordinary.
const ATTACH: Call = Call {
    arguments: [16, 7, 0, 0, 0, 0],
    descriptor: None,
    fd_shared: false,
};

/// A learner with containers of one image, and a clock.
struct World {
    learner: Learner,
    now: u64,
    told: Vec<Novel>,
}

impl World {
    fn new(settings: LearnSettings) -> Self {
        Self {
            learner: Learner::new(settings, BTreeMap::new()),
            now: 0,
            told: Vec::new(),
        }
    }

    /// A world in which a class is armed by an hour without news.
    fn impatient() -> Self {
        let mut settings = LearnSettings {
            starts_waived: true,
            ..LearnSettings::default()
        };
        settings.state.arm_bound = 100.0;
        settings.state.horizon = 0;
        Self::new(settings)
    }

    fn container(&self, number: u8, born: Option<u64>) -> Arc<Container> {
        Arc::new(Self::one(number, born))
    }

    fn one(number: u8, born: Option<u64>) -> Container {
        Container {
            id: format!("{number:02x}").repeat(32),
            runtime: Runtime::Docker,
            cgroup_id: 1_000 + u64::from(number),
            cgroup_path: format!("/docker/{number}"),
            identity: metadata("web"),
            created_boot_ns: born.map(|seconds| seconds * 1_000_000_000),
        }
    }

    /// Its cgroup is removed.
    fn ends(&mut self, container: &Arc<Container>, of: &Process) {
        let gone = CgroupChange {
            cgroup_id: container.cgroup_id,
            path: Cow::Borrowed(b"/docker/x"),
        };
        let gone = event(of.clone(), Syscall::CgroupRmdir, Payload::Cgroup(gone));
        self.observe(container, gone, false);
    }

    /// Patterns of a class.
    fn patterns(&self, class: Class) -> Vec<String> {
        let behaviours = self.profile().behaviours();
        behaviours
            .filter(|(_, _, of, ..)| *of == class)
            .map(|(.., pattern, _)| pattern)
            .collect()
    }

    fn observe(&mut self, container: &Arc<Container>, event: Event<'static>, hit: bool) {
        let event = Event {
            container: ContainerView::Container(Arc::clone(container)),
            boot_ns: self.now * 1_000_000_000,
            time: UNIX_EPOCH + Duration::from_secs(EPOCH + self.now),
            ..event
        };
        self.learner.observe(&event, hit);
        self.told.extend(self.learner.take_novel());
    }

    fn exec(&mut self, container: &Arc<Container>, of: &Process) {
        self.observe(
            container,
            event(of.clone(), Syscall::Execve, Payload::Exec),
            false,
        );
    }

    fn reads(&mut self, container: &Arc<Container>, of: &Process, file: &str) {
        self.observe(container, open(of.clone(), file, 0), false);
    }

    fn wait(&mut self, seconds: u64) {
        self.now += seconds;
        let time = UNIX_EPOCH + Duration::from_secs(EPOCH + self.now);
        self.learner.tick(time);
    }

    fn profile(&self) -> &Profile {
        &self.learner.profiles()[&Workload::from_text("image web")]
    }

    fn state(&self, phase: Phase, class: Class) -> State {
        let mut classes = self.profile().classes();
        let view = classes.find(|view| (view.phase, view.class) == (phase, class));
        view.unwrap().standing.state
    }

    fn kinds(&self) -> Vec<Kind> {
        self.told.iter().map(|novel| novel.kind).collect()
    }
}

/// A first process that is in its container.
fn server(pid: u32) -> Process {
    Process {
        vpid: Some(1),
        ..process(pid, "server", &["-g"], None)
    }
}

/// A world with a container, older than who watches, in which a server runs.
fn running() -> (World, Arc<Container>, Process) {
    let mut world = World::impatient();
    let container = world.container(1, None);
    let server = server(100);
    world.exec(&container, &server);
    (world, container, server)
}

/// An hour of a server that reads its two files once a minute.
fn hour(world: &mut World, container: &Arc<Container>, server: &Process) {
    for _ in 0..60 {
        world.reads(container, server, "/etc/server.conf");
        world.reads(container, server, "/srv/www/index.html");
        world.wait(60);
    }
}

#[test]
fn what_is_watched_long_enough_is_armed_and_news_are_told() {
    let (mut world, container, server) = running();
    for _ in 0..24 {
        hour(&mut world, &container, &server);
    }
    assert_eq!(world.state(Phase::Run, Class::FileRead), State::Armed);
    assert!(world.told.is_empty(), "{:?}", world.told);

    world.reads(&container, &server, "/srv/www/secret.html");
    assert_eq!(world.kinds(), [Kind::New]);
    let novel = &world.told[0];
    assert_eq!(novel.object, "/srv/www/secret.html");
    assert_eq!(
        novel.nearest.as_ref().unwrap().pattern,
        "/srv/www/index.html"
    );
    assert!(
        novel.evidence.windows >= 60 * 24 - 2,
        "{:?}",
        novel.evidence
    );
    assert!(novel.prediction.unwrap().bound <= 100.0);

    // It is told once a window, and never learnt by itself.
    world.reads(&container, &server, "/srv/www/secret.html");
    world.wait(120);
    world.reads(&container, &server, "/srv/www/secret.html");
    assert_eq!(world.kinds(), [Kind::New, Kind::Quarantined]);
}

#[test]
fn a_class_that_is_cold_tells_only_what_is_never_ordinary() {
    let mut world = World::impatient();
    let container = world.container(1, Some(0));
    let server = server(100);
    world.exec(&container, &server);
    world.reads(&container, &server, "/etc/server.conf");
    assert!(world.told.is_empty());
    let mut dropped = process(101, "dropped", &[], Some(Arc::new(server.clone())));
    let mut image = crate::model::Image {
        known: true,
        exe: dropped.image.exe.clone(),
        ..crate::model::Image::default()
    };
    image.exe.as_mut().unwrap().layer = Some(Layer::UpperOnly);
    dropped.image = Arc::new(image);
    world.exec(&container, &dropped);
    assert_eq!(world.kinds(), [Kind::Grave]);
    assert_eq!(world.told[0].object, "/usr/bin/dropped [upper]");
    assert_eq!(world.told[0].role.text(), "root uid0 /usr/bin/server");
}

#[test]
fn who_met_a_rule_teaches_nothing_nor_do_its_children() {
    let (mut world, container, server) = running();
    let shell = process(101, "sh", &["-c", "id"], Some(Arc::new(server.clone())));
    world.observe(
        &container,
        event(shell.clone(), Syscall::Execve, Payload::Exec),
        true,
    );
    let child = process(102, "cat", &["/etc/passwd"], Some(Arc::new(shell.clone())));
    world.exec(&container, &child);
    world.reads(&container, &child, "/etc/passwd");
    world.reads(&container, &shell, "/etc/group");
    world.reads(&container, &server, "/etc/server.conf");
    assert_eq!(world.patterns(Class::FileRead), ["/etc/server.conf"]);
}

#[test]
fn a_start_is_counted_by_starts() {
    let mut settings = *World::impatient().learner.settings();
    settings.starts_waived = false;
    let mut world = World::new(settings);
    for number in 1..=4 {
        let born = world.now;
        let container = world.container(number, Some(born));
        let server = server(100 * u32::from(number));
        world.exec(&container, &server);
        world.reads(&container, &server, "/etc/server.conf");
        world.wait(61);
        world.reads(&container, &server, "/srv/www/index.html");
        world.wait(10);
        world.ends(&container, &server);
    }
    assert_eq!(world.profile().exposure().totals().starts, 4);
    assert_eq!(world.state(Phase::Start, Class::FileRead), State::Armed);
    let container = world.container(9, Some(world.now));
    let server = server(900);
    world.exec(&container, &server);
    world.reads(&container, &server, "/etc/server.conf");
    assert!(world.told.is_empty(), "{:?}", world.told);
    world.reads(&container, &server, "/etc/shadow");
    assert_eq!(world.kinds(), [Kind::New]);
    assert_eq!(world.told[0].phase, Phase::Start);
}

#[test]
fn a_flood_is_one_alert_and_teaches_little() {
    let (mut world, container, server) = running();
    for _ in 0..24 {
        hour(&mut world, &container, &server);
    }
    let before = world.profile().bytes();
    for number in 0..20_000u32 {
        let mut letters = String::from("/srv/");
        let mut rest = number;
        for _ in 0..6 {
            letters.push(char::from(b'a' + (rest % 26) as u8));
            rest /= 26;
        }
        world.reads(&container, &server, &letters);
    }
    let floods = world
        .kinds()
        .iter()
        .filter(|kind| matches!(kind, Kind::Flood | Kind::Drift))
        .count();
    assert_eq!(floods, 1);
    assert!(world.told.len() <= 22, "{}", world.told.len());
    assert!(world.profile().bytes() < before + 512 * 1024);
    // Other classes go on as if nothing were.
    let child = process(102, "cat", &[], Some(Arc::new(server)));
    world.exec(&container, &child);
    assert_eq!(world.told.last().unwrap().class, Class::Exec);
}

#[test]
fn the_same_events_give_the_same_profile() {
    let run = || {
        let mut world = World::impatient();
        for number in [3, 1, 2] {
            let container = world.container(number, None);
            let server = server(100 * u32::from(number));
            world.exec(&container, &server);
            for file in 0..50 {
                let file = format!("/var/cache/{}/{file}.html", file * 7919 % 13);
                world.reads(&container, &server, &file);
                world.wait(7);
            }
        }
        let told: Vec<String> = world.told.iter().map(ToString::to_string).collect();
        (format!("{:?}", world.profile()), told)
    };
    assert_eq!(run(), run());
}

#[test]
fn what_comes_before_the_workload_is_known_waits_for_it() {
    let mut world = World::impatient();
    let known = world.container(1, Some(0));
    let pending = Arc::new(Container {
        identity: Identity::Pending,
        ..World::one(1, Some(0))
    });
    let server = server(100);
    world.exec(&pending, &server);
    world.reads(&pending, &server, "/etc/server.conf");
    assert!(world.learner.profiles().is_empty());
    world.now += 61;
    world.learner.identified(&known);
    world.wait(1);
    assert_eq!(world.patterns(Class::FileRead), ["/etc/server.conf"]);
    assert_eq!(world.profile().exposure().totals().starts, 1);
    assert_eq!(world.learner.profiles().len(), 1);
}

#[test]
fn of_whom_nobody_knows_anything_has_a_profile_of_its_own() {
    let mut world = World::impatient();
    let pending = Arc::new(Container {
        identity: Identity::Pending,
        ..World::one(1, Some(0))
    });
    world.exec(&pending, &server(100));
    world.wait(100);
    let names: Vec<&str> = world
        .learner
        .profiles()
        .keys()
        .map(Workload::text)
        .collect();
    assert_eq!(names, [format!("container {}", pending.id)]);
}

#[test]
fn a_container_that_is_started_again_starts_again() {
    let mut settings = *World::impatient().learner.settings();
    settings.starts_waived = false;
    let mut world = World::new(settings);
    for turn in 0..3 {
        let container = Arc::new(Container {
            cgroup_id: 2_000 + turn,
            ..World::one(1, Some(world.now))
        });
        let server = server(100 + turn as u32);
        world.exec(&container, &server);
        world.reads(&container, &server, "/etc/server.conf");
        world.wait(70);
        world.ends(&container, &server);
        // What comes late is no new start.
        world.reads(&container, &server, "/etc/server.conf");
    }
    assert_eq!(world.profile().exposure().totals().starts, 3);
    assert_eq!(world.state(Phase::Start, Class::FileRead), State::Armed);
}

#[test]
fn who_ran_before_has_a_lineage_and_so_have_its_children() {
    let mut world = World::impatient();
    let container = world.container(1, None);
    let found = Process {
        seen_late: true,
        ..server(100)
    };
    let parent = Some(Arc::new(found));
    let child = process(101, "server", &["-g"], parent.clone());
    world.observe(
        &container,
        event(child, Syscall::Clone, Payload::Fork),
        false,
    );
    let tool = process(101, "tool", &[], parent);
    let tool = Process {
        exec_id: ExecId {
            exec_seq: 2,
            ..tool.exec_id
        },
        ..tool
    };
    world.exec(&container, &tool);
    let (role, ..) = world.profile().behaviours().next().unwrap();
    assert_eq!(role.text(), "root uid0 /usr/bin/server");
}

#[test]
fn what_is_quarantined_does_not_make_a_pattern_of_what_is_new() {
    let (mut world, container, server) = running();
    for _ in 0..24 {
        for _ in 0..60 {
            world.reads(&container, &server, "/srv/1");
            world.wait(60);
        }
    }
    world.reads(&container, &server, "/srv/2");
    world.reads(&container, &server, "/srv/3");
    assert_eq!(world.kinds(), [Kind::New; 2]);
    world.wait(60);
    world.reads(&container, &server, "/srv/1");
    assert_eq!(world.kinds(), [Kind::New; 2]);
    assert_eq!(
        world.patterns(Class::FileRead),
        ["/srv/1", "/srv/2", "/srv/3"]
    );
}

#[test]
fn a_suspect_that_goes_on_keeps_its_workload_from_being_trusted() {
    let mut world = World::impatient();
    let container = world.container(1, None);
    let server = server(100);
    world.observe(
        &container,
        event(server.clone(), Syscall::Execve, Payload::Exec),
        true,
    );
    for _ in 0..24 {
        hour(&mut world, &container, &server);
    }
    assert!(world.state(Phase::Run, Class::FileRead) < State::Provisional);
    assert_eq!(world.patterns(Class::FileRead), [""; 0]);
}

#[test]
fn a_clock_that_is_set_counts_as_no_watching() {
    let (mut world, container, server) = running();
    hour(&mut world, &container, &server);
    let watched = |world: &World| world.profile().exposure().totals().windows;
    let before = watched(&world);
    world.wait(10 * 86_400);
    assert_eq!(watched(&world), before);
    world.now -= 5 * 86_400;
    world.wait(1);
    assert_eq!(watched(&world), before);
    hour(&mut world, &container, &server);
    assert_eq!(watched(&world), before + 60);
}

#[test]
fn what_came_in_the_window_already_allocates_nothing() {
    let (mut world, container, server) = running();
    let again = Event {
        container: ContainerView::Container(Arc::clone(&container)),
        time: UNIX_EPOCH + Duration::from_secs(EPOCH),
        ..open(server, "/etc/server.conf", 0)
    };
    world.learner.observe(&again, false);
    let counted = allocation_counter::measure(|| world.learner.observe(&again, false));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn what_the_runtime_does_before_the_first_program_is_nobodys() {
    let mut world = World::impatient();
    let container = world.container(1, Some(0));
    let runtime = process(99, "runc", &["init"], None);
    world.reads(&container, &runtime, "/etc/passwd");
    assert_eq!(world.profile().behaviours().count(), 0);
}

#[test]
fn what_waited_is_told_of_the_container_that_is_known_now() {
    let mut world = World::impatient();
    let known = world.container(1, Some(0));
    let pending = Arc::new(Container {
        identity: Identity::Pending,
        ..World::one(1, Some(0))
    });
    let server = server(100);
    world.exec(&pending, &server);
    let traced = event(server.clone(), Syscall::Ptrace, Payload::Call(ATTACH));
    world.observe(&pending, traced.clone(), false);
    assert!(world.told.is_empty());
    world.learner.identified(&known);
    world.told.extend(world.learner.take_novel());
    assert_eq!(world.kinds(), [Kind::Grave]);
    let novel = &world.told[0];
    assert!(!novel.event.container.is_pending());
    assert_eq!(novel.event.process.exec_id, server.exec_id);
    assert_eq!(novel.container_id(), known.id);
    assert!(novel.waited);
    world.wait(61);
    world.observe(&known, traced, false);
    assert!(!world.told[1].waited);
}
