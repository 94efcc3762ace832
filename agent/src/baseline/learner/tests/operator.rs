//! What operators decide, and what it changes for what comes.

use super::*;
use crate::baseline::evidence::Decision;
use crate::baseline::operate::{Behaviour, Scope};

fn web() -> Workload {
    Workload::from_text("image web")
}

fn armed() -> (World, Arc<Container>, Process) {
    let (mut world, container, server) = running();
    for _ in 0..24 {
        hour(&mut world, &container, &server);
    }
    (world, container, server)
}

/// The behaviour that was told of last.
fn told(world: &World) -> Behaviour {
    let novel = world.told.last().unwrap();
    let (phase, class) = (novel.phase.name(), novel.class.name());
    Behaviour::parse(novel.role.text(), phase, class, &novel.object).unwrap()
}

fn now(world: &World) -> u64 {
    EPOCH + world.now
}

#[test]
fn what_is_accepted_is_told_no_more_and_what_is_rejected_each_time() {
    let (mut world, container, server) = armed();
    world.reads(&container, &server, "/srv/new/7");
    let behaviour = told(&world);
    let time = now(&world);
    let decide = |world: &mut World, decision| {
        let decided = world
            .learner
            .decide(&web(), &behaviour, decision, time, false);
        decided.unwrap();
        world.told.clear();
        for _ in 0..3 {
            world.wait(60);
            world.reads(&container, &server, "/srv/new/7");
        }
        world.kinds()
    };
    assert_eq!(decide(&mut world, Decision::Accepted), []);
    assert_eq!(decide(&mut world, Decision::Rejected), [Kind::Rejected; 3]);
    // It says nothing of others.
    world.told.clear();
    world.reads(&container, &server, "/srv/new/8");
    assert_eq!(world.kinds(), [Kind::New]);
}

#[test]
fn what_a_process_that_met_a_rule_did_can_be_accepted_by_its_alert() {
    let (mut world, container, server) = armed();
    let tainted = open(server.clone(), "/srv/tool", 0);
    world.observe(&container, tainted, true);
    let behaviour = told(&world);
    assert!(world.told.last().unwrap().tainted);
    let time = now(&world);
    let decided = world
        .learner
        .decide(&web(), &behaviour, Decision::Accepted, time, true);
    assert_eq!(
        decided.unwrap().items[0].before,
        None,
        "nothing was learnt of it"
    );
    world.told.clear();
    world.wait(60);
    world.reads(&container, &server, "/srv/tool");
    assert_eq!(world.kinds(), []);
}

#[test]
fn a_locked_class_learns_nothing() {
    let (mut world, container, server) = running();
    hour(&mut world, &container, &server);
    let time = now(&world);
    let scope = Scope::parse("run", "file_read").unwrap();
    world.learner.lock(&web(), scope, true, time).unwrap();
    world.reads(&container, &server, "/srv/other");
    assert_eq!(world.kinds(), [Kind::New]);
    world.wait(60);
    assert_eq!(world.state(Phase::Run, Class::FileRead), State::Locked);
    world.learner.lock(&web(), scope, false, time).unwrap();
    assert!(world.state(Phase::Run, Class::FileRead) < State::Locked);
}

#[test]
fn an_accepted_drift_is_learnt_from_anew() {
    let (mut world, container, server) = armed();
    for name in ["/srv/v2/a", "/srv/v2/b"] {
        world.reads(&container, &server, name);
    }
    assert_eq!(world.kinds(), [Kind::New, Kind::New]);
    let time = now(&world);
    let decided = world
        .learner
        .decide_quarantined(&web(), Decision::Accepted, time);
    assert_eq!(decided.unwrap().items.len(), 2);
    assert_eq!(world.state(Phase::Run, Class::FileRead), State::Learning);
    world.told.clear();
    world.wait(60);
    for name in ["/srv/v2/a", "/srv/v2/b", "/srv/v2/c"] {
        world.reads(&container, &server, name);
    }
    assert_eq!(
        world.kinds(),
        [],
        "what was accepted is known, and what is new is learnt"
    );
    for _ in 0..24 {
        hour(&mut world, &container, &server);
    }
    assert_eq!(world.state(Phase::Run, Class::FileRead), State::Armed);
}

#[test]
fn a_surge_is_a_flag_of_its_workload() {
    let (mut world, container, server) = armed();
    let flags = |world: &World| world.learner.summary(&web(), now(world)).unwrap().flags;
    assert!(!flags(&world).drifting);
    for one in [
        "ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "oak",
    ] {
        for two in [
            "air", "bay", "cape", "dune", "east", "fjord", "gulf", "hill",
        ] {
            world.reads(&container, &server, &format!("/opt/{one}/{two}"));
            world.wait(61);
        }
    }
    assert!(world.kinds().contains(&Kind::Drift));
    assert!(flags(&world).drifting);
}
