//! What is told, and what fits what was learnt.

use super::*;

/// A world whose server has read some files in each of these hours.
fn learnt(files: &[&str], hours: u32) -> (World, Arc<Container>, Process) {
    let (mut world, container, server) = running();
    for _ in 0..hours * 60 {
        for file in files {
            world.reads(&container, &server, file);
        }
        world.wait(60);
    }
    (world, container, server)
}

/// Opens a file that is there for writing; `result` is what came of it.
fn write(of: &Process, file: &'static str, result: i64) -> Event<'static> {
    let write = open(of.clone(), file, 1);
    Event {
        result: Some(result),
        ..write
    }
}

#[test]
fn the_third_of_a_shape_fits_two_that_were_learnt() {
    let (mut world, container, server) = learnt(&["/srv/16394_fsm", "/srv/16395_fsm"], 24);
    assert_eq!(world.state(Phase::Run, Class::FileRead), State::Armed);
    world.reads(&container, &server, "/srv/16400_fsm");
    assert!(world.told.is_empty(), "{:?}", world.told);
    assert_eq!(world.patterns(Class::FileRead), ["/srv/{n}_fsm"]);
    world.reads(&container, &server, "/srv/16400_vm");
    assert_eq!(world.kinds(), [Kind::New]);
}

#[test]
fn what_came_too_late_begins_no_pattern() {
    let (mut world, container, server) = learnt(&["/srv/16394_fsm"], 24);
    for file in ["/srv/1_fsm", "/srv/2_fsm", "/srv/3_fsm"] {
        world.reads(&container, &server, file);
    }
    assert_eq!(world.kinds(), [Kind::New; 3]);
}

#[test]
fn who_makes_files_of_a_pattern_may_write_to_one() {
    let (mut world, container, server) = running();
    let files = [
        "/srv/up/photo-1.png",
        "/srv/up/photo-2.png",
        "/srv/up/photo-3.png",
    ];
    for _ in 0..24 * 60 {
        for file in files {
            let mut made = open(server.clone(), file, 1);
            if let Payload::Open(open) = &mut made.payload {
                open.created = true;
            }
            world.observe(&container, made, false);
        }
        world.wait(60);
    }
    assert_eq!(world.state(Phase::Run, Class::FileWrite), State::Armed);
    world.observe(&container, write(&server, "/srv/up/photo-9.png", 3), false);
    assert!(world.told.is_empty(), "{:?}", world.told);
    world.observe(&container, write(&server, "/srv/up/index.php", 3), false);
    assert_eq!(world.kinds(), [Kind::New]);
}

#[test]
fn a_file_that_lies_on_what_cannot_be_written_was_tried() {
    let (mut world, container, server) = learnt(&["/srv/a"], 24);
    let pattern = write(&server, "/proc/sys/kernel/core_pattern", -30);
    world.observe(&container, pattern, false);
    assert_eq!(world.kinds(), [Kind::New]);
    world.observe(&container, write(&server, "/srv/b", -2), false);
    assert_eq!(world.kinds(), [Kind::New]);
}

#[test]
fn guarded_paths_are_told_while_other_files_keep_coming() {
    let (mut world, container, server) = running();
    for number in 0..24 * 60_u32 {
        let letters: String = number
            .to_string()
            .bytes()
            .map(|digit| char::from(digit + 49))
            .collect();
        world.reads(&container, &server, &format!("/srv/{letters}"));
        world.wait(60);
    }
    assert!(world.state(Phase::Run, Class::FileRead) < State::Armed);
    world.told.clear();
    world.reads(&container, &server, "/etc/shadow");
    assert_eq!(world.kinds(), [Kind::New]);
    assert_eq!(world.told[0].state, State::Armed);
    assert!(world.told[0].prediction.unwrap().bound <= 100.0);
}

#[test]
fn who_met_a_rule_does_not_keep_the_others_from_being_known() {
    let (mut world, container, server) = running();
    for number in 0..24 * 60_u32 {
        world.reads(&container, &server, "/etc/server.conf");
        let shell = process(
            1_000 + number,
            "sh",
            &["-c", "id"],
            Some(Arc::new(server.clone())),
        );
        let started = event(shell.clone(), Syscall::Execve, Payload::Exec);
        world.observe(&container, started, true);
        world.reads(&container, &shell, "/etc/group");
        world.wait(60);
    }
    assert_eq!(world.state(Phase::Run, Class::FileRead), State::Armed);
    assert_eq!(world.patterns(Class::FileRead), ["/etc/server.conf"]);
}

#[test]
fn a_new_program_is_told_once() {
    let (mut world, container, server) = learnt(&["/srv/a"], 24);
    let tool = process(200, "tool", &["-x"], Some(Arc::new(server)));
    world.exec(&container, &tool);
    world.reads(&container, &tool, "/srv/a");
    world.reads(&container, &tool, "/srv/b");
    world.reads(&container, &tool, "/etc/shadow");
    let told: Vec<_> = world
        .told
        .iter()
        .map(|novel| (novel.class, &*novel.object))
        .collect();
    assert_eq!(
        told,
        [
            (Class::Exec, "/usr/bin/tool"),
            (Class::FileRead, "/etc/shadow")
        ]
    );
}
