//! Workloads that are no longer what they were.

use super::*;
use crate::model::ContainerMetadata;

/// A container of a version of the image.
fn of_version(number: u8, version: u8) -> Arc<Container> {
    let digest = format!("sha256:{}", format!("{version:02x}").repeat(32));
    Arc::new(Container {
        identity: Identity::Full(Arc::new(ContainerMetadata {
            name: "web".to_owned(),
            image: "web".to_owned(),
            image_repository: "web".to_owned(),
            image_digest: digest,
            ..ContainerMetadata::default()
        })),
        ..World::one(number, None)
    })
}

/// A world that has watched a version for a day.
fn watched(version: u8) -> World {
    let mut world = World::impatient();
    let container = of_version(1, version);
    let server = server(100);
    world.exec(&container, &server);
    for _ in 0..24 {
        hour(&mut world, &container, &server);
    }
    assert!(world.told.is_empty(), "{:?}", world.told);
    world
}

/// A second container, of that version, in which the server runs.
fn started(world: &mut World, version: u8) -> (Arc<Container>, Process) {
    let (container, server) = (of_version(2, version), server(200));
    world.exec(&container, &server);
    // That the server is started is known from once before, which is not enough.
    assert_eq!(world.kinds(), [Kind::Unestablished]);
    world.told.clear();
    (container, server)
}

fn told_by_class(world: &World) -> Vec<(Kind, Class, &str)> {
    let told = world.told.iter();
    told.map(|novel| (novel.kind, novel.class, &*novel.object))
        .collect()
}

#[test]
fn more_than_was_predicted_is_told_as_one_drift() {
    let (mut world, container, server) = running();
    for _ in 0..24 {
        hour(&mut world, &container, &server);
    }
    let words = [
        "ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "oak",
    ];
    for pair in words.iter().flat_map(|one| words.map(|two| (*one, two))) {
        world.reads(&container, &server, &format!("/opt/{}/{}", pair.0, pair.1));
        world.wait(61);
    }
    let kinds = world.kinds();
    let count = |kind| kinds.iter().filter(|other| **other == kind).count();
    assert_eq!(count(Kind::Drift), 1, "{kinds:?}");
    assert!((3..30).contains(&count(Kind::New)), "{kinds:?}");
    let drift = world.told.iter().find(|novel| novel.kind == Kind::Drift);
    let drift = drift.unwrap();
    assert!(drift.count >= 3 && drift.object.is_empty(), "{drift:?}");
    // What an attack needs most is told all the same, and so is what is guarded.
    let before = world.told.len();
    world.reads(&container, &server, "/opt/yew/yew");
    world.reads(&container, &server, "/etc/shadow");
    world.exec(
        &container,
        &process(102, "cat", &[], Some(Arc::new(server))),
    );
    let told = &told_by_class(&world)[before..];
    assert!(
        told.contains(&(Kind::New, Class::FileRead, "/etc/shadow")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|(_, class, _)| *class == Class::Exec),
        "{told:?}"
    );
    assert!(
        !told.iter().any(|(.., object)| object.contains("yew")),
        "{told:?}"
    );
}

#[test]
fn a_new_version_is_told_once_with_all_that_it_does() {
    let mut world = watched(1);
    let (container, server) = started(&mut world, 2);
    world.reads(&container, &server, "/etc/server.conf");
    world.reads(&container, &server, "/srv/www/new.html");
    world.reads(&container, &server, "/srv/www/more.html");
    world.wait(61);
    world.reads(&container, &server, "/srv/www/new.html");
    assert!(world.told.is_empty(), "{:?}", world.told);
    world.reads(&container, &server, "/etc/shadow");
    world.exec(
        &container,
        &process(202, "cat", &[], Some(Arc::new(server.clone()))),
    );
    let told = told_by_class(&world);
    assert!(
        told.contains(&(Kind::New, Class::FileRead, "/etc/shadow")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|(_, class, _)| *class == Class::Exec),
        "{told:?}"
    );

    world.told.clear();
    world.wait(17 * 60);
    world.told.extend(world.learner.take_novel());
    let rollouts: Vec<&Novel> = world
        .told
        .iter()
        .filter(|novel| novel.kind == Kind::Rollout)
        .collect();
    assert_eq!(rollouts.len(), 1, "{:?}", world.told);
    let expected = [
        "file_read /srv/www/new.html",
        "file_read /srv/www/more.html",
    ];
    for sample in expected {
        assert!(
            rollouts[0].samples.iter().any(|told| told == sample),
            "{:?}",
            rollouts[0]
        );
    }

    // It is known now, and what comes later is told one by one.
    world.told.clear();
    world.reads(&container, &server, "/srv/www/later.html");
    assert_eq!(world.kinds(), [Kind::New]);
}

#[test]
fn the_first_version_and_one_that_does_nothing_new_are_not_told() {
    let mut world = watched(1);
    let (container, server) = started(&mut world, 2);
    world.reads(&container, &server, "/etc/server.conf");
    world.wait(20 * 60);
    world.told.extend(world.learner.take_novel());
    assert!(world.told.is_empty(), "{:?}", world.told);
    let versions = world.profile().versions.iter().count();
    assert_eq!(versions, 2);
}

#[test]
fn a_tainted_process_of_a_new_version_teaches_nothing() {
    let mut world = watched(1);
    let (container, server) = started(&mut world, 2);
    let read = open(server.clone(), "/srv/www/new.html", 0);
    world.observe(&container, read, true);
    assert_eq!(world.kinds(), [Kind::New]);
    let patterns = world.patterns(Class::FileRead);
    assert!(
        !patterns.iter().any(|pattern| pattern.contains("new")),
        "{patterns:?}"
    );
}

#[test]
fn what_is_ordinary_at_any_time_is_so_from_the_start_on() {
    let mut world = World::impatient();
    world.learner = Learner::new(
        LearnSettings {
            starts_waived: false,
            ..*world.learner.settings()
        },
        BTreeMap::new(),
    );
    // Four starts of a server that later reads what it is asked for.
    for number in 1..5 {
        let container = world.container(number, Some(world.now));
        let server = server(100 * u32::from(number));
        world.exec(&container, &server);
        world.reads(&container, &server, "/etc/server.conf");
        world.wait(120);
        for _ in 0..60 {
            world.reads(&container, &server, "/srv/www/index.html");
            world.wait(60);
        }
        world.ends(&container, &server);
    }
    assert_eq!(world.state(Phase::Start, Class::FileRead), State::Armed);
    assert!(world.told.is_empty(), "{:?}", world.told);

    let container = world.container(9, Some(world.now));
    let server = server(900);
    world.exec(&container, &server);
    world.reads(&container, &server, "/srv/www/index.html");
    assert!(world.told.is_empty(), "{:?}", world.told);
    // What only starting does is not ordinary later on, nor is what neither does ordinary ever.
    world.reads(&container, &server, "/srv/www/other.html");
    assert_eq!(world.kinds(), [Kind::New]);
    world.wait(120);
    world.told.clear();
    world.reads(&container, &server, "/etc/server.conf");
    assert!(!world.told.is_empty());
}

#[test]
fn behaviours_know_their_versions() {
    let mut world = watched(1);
    let (container, server) = started(&mut world, 2);
    world.reads(&container, &server, "/etc/server.conf");
    let bits = |pattern: &str| {
        let mut behaviours = world.profile().behaviours();
        let found = behaviours.find(|(.., of, _)| of == pattern);
        found.unwrap().4.versions
    };
    assert_eq!(bits("/etc/server.conf"), 0b11);
    assert_eq!(bits("/srv/www/index.html"), 0b01);
}
