//! Services of the node.

use super::*;
use crate::model::Unit;

const CRON: &str = "unit cron.service";

fn service(name: &str, cgroup_id: u64, born: Option<u64>) -> ContainerView {
    ContainerView::Host(Some(Arc::new(Unit {
        name: name.to_owned(),
        manager: None,
        cgroup_id,
        cgroup_path: format!("/system.slice/{name}"),
        created_boot_ns: born.map(|seconds| seconds * 1_000_000_000),
    })))
}

impl World {
    fn observe_in(&mut self, view: &ContainerView, event: Event<'static>) {
        let event = Event {
            container: view.clone(),
            boot_ns: self.now * 1_000_000_000,
            time: UNIX_EPOCH + Duration::from_secs(EPOCH + self.now),
            ..event
        };
        self.learner.observe(&event, false);
        self.told.extend(self.learner.take_novel());
    }

    fn exec_in(&mut self, view: &ContainerView, of: &Process) {
        self.observe_in(view, event(of.clone(), Syscall::Execve, Payload::Exec));
    }

    fn stops(&mut self, view: &ContainerView, of: &Process) {
        let gone = CgroupChange {
            cgroup_id: view.own_cgroup_id().unwrap(),
            path: Cow::Borrowed(b"/system.slice/x"),
        };
        self.observe_in(
            view,
            event(of.clone(), Syscall::CgroupRmdir, Payload::Cgroup(gone)),
        );
    }

    fn profile_of(&self, workload: &str) -> Option<&Profile> {
        self.learner.profiles().get(&Workload::from_text(workload))
    }
}

#[test]
fn a_service_is_learnt_and_what_is_new_is_told() {
    let mut world = World::impatient();
    let cron = service("cron.service", 1, None);
    let server = process(4711, "cron", &[], None);
    world.exec_in(&cron, &server);
    for _ in 0..60 * 24 {
        world.observe_in(&cron, open(server.clone(), "/etc/crontab", 0));
        world.wait(60);
    }
    assert!(world.told.is_empty(), "{:?}", world.told);
    world.observe_in(&cron, open(server.clone(), "/etc/shadow", 0));
    assert_eq!(world.kinds(), [Kind::New]);
    let novel = &world.told[0];
    assert_eq!(novel.workload.text(), CRON);
    assert_eq!(
        (novel.container_id(), novel.object.as_str()),
        ("", "/etc/shadow")
    );
    assert_eq!(novel.evidence.instances, 1);
    assert!(matches!(
        novel.event.container,
        ContainerView::Host(Some(_))
    ));
}

#[test]
fn each_life_of_a_cgroup_is_a_start_of_the_same_instance() {
    let mut world = World::impatient();
    for life in 0..3 {
        let cron = service("cron.service", 10 + life, Some(world.now));
        let server = process(100 + life as u32, "cron", &[], None);
        world.exec_in(&cron, &server);
        assert_eq!(world.learner.live(&Workload::from_text(CRON)), 1);
        world.wait(70);
        world.stops(&cron, &server);
        assert_eq!(world.learner.live(&Workload::from_text(CRON)), 0);
    }
    let exposure = world.profile_of(CRON).unwrap().exposure();
    assert_eq!(exposure.totals().starts, 3);
    assert_eq!(exposure.instances().count(), 1);
}

#[test]
fn instances_of_a_template_teach_one_profile() {
    let mut world = World::impatient();
    for (name, id) in [("getty@tty1.service", 1), ("getty@tty2.service", 2)] {
        let getty = service(name, id, None);
        world.exec_in(&getty, &process(100 + id as u32, "agetty", &[], None));
    }
    assert_eq!(
        world
            .learner
            .live(&Workload::from_text("unit getty@.service")),
        2
    );
    world.wait(130);
    let profile = world.profile_of("unit getty@.service").unwrap();
    assert_eq!(profile.exposure().instances().count(), 2);
}

#[test]
fn losses_reach_a_service() {
    let mut world = World::impatient();
    let cron = service("cron.service", 5, None);
    world.exec_in(&cron, &process(100, "cron", &[], None));
    world.learner.lost_in(5);
    world.wait(60);
    assert_eq!(
        world.profile_of(CRON).unwrap().exposure().totals().windows,
        0
    );
    world.wait(60);
    assert_eq!(
        world.profile_of(CRON).unwrap().exposure().totals().windows,
        1
    );
}

#[test]
fn a_unit_of_a_user_is_no_unit_of_the_node() {
    let of = |manager: Option<&str>| {
        let unit = Unit {
            name: "web@1.service".to_owned(),
            manager: manager.map(str::to_owned),
            cgroup_id: 1,
            cgroup_path: String::new(),
            created_boot_ns: None,
        };
        Workload::of_unit(&unit).text().to_owned()
    };
    assert_eq!(of(None), "unit web@.service");
    assert_eq!(
        of(Some("user@7.service")),
        "unit user@7.service/web@.service"
    );
}

/// What a runtime's service starts in a container is the container's, from its own first program on.
#[test]
fn a_container_does_not_descend_from_the_service_that_started_it() {
    let mut world = World::impatient();
    let runtime = service("containerd.service", 5, None);
    let shim = Process {
        cgroup_id: 5,
        ..process(100, "shim", &[], None)
    };
    world.exec_in(&runtime, &shim);
    let container = world.container(1, None);
    // It was forked in the service, was moved, and does something before it executes.
    let runc = Process {
        cgroup_id: 5,
        ..process(101, "runc", &[], Some(Arc::new(shim.clone())))
    };
    world.exec_in(&runtime, &runc);
    let moved = Process {
        cgroup_id: container.cgroup_id,
        ..runc.clone()
    };
    world.reads(&container, &moved, "/etc/runtime");
    let first = Process {
        exec_id: ExecId {
            exec_seq: runc.exec_id.exec_seq + 1,
            ..runc.exec_id
        },
        vpid: Some(1),
        comm: b"server".as_slice().into(),
        image: server(101).image,
        ..moved
    };
    world.exec(&container, &first);
    world.reads(&container, &first, "/etc/server.conf");
    assert_eq!(world.patterns(Class::FileRead), ["/etc/server.conf"]);
    let mut roles = world
        .profile()
        .behaviours()
        .map(|(role, ..)| role.text().to_owned());
    assert!(roles.all(|role| role.starts_with("root uid0") && !role.contains("runc")));
}

/// The processes of sessions leave the service that forked them.
#[test]
fn who_left_a_service_is_forgotten() {
    let mut world = World::impatient();
    let sshd = service("ssh.service", 5, None);
    let session = ContainerView::Host(None);
    let server = process(100, "sshd", &[], None);
    world.exec_in(&sshd, &server);
    for pid in 200..210 {
        let child = process(pid, "sshd", &[], Some(Arc::new(server.clone())));
        world.observe_in(&sshd, event(child.clone(), Syscall::Clone, Payload::Fork));
        let shell = Process {
            exec_id: ExecId {
                exec_seq: child.exec_id.exec_seq + 1,
                ..child.exec_id
            },
            ..child.clone()
        };
        if pid % 2 == 0 {
            world.exec_in(&session, &shell);
        } else {
            let exit = Payload::Exit {
                status: 0,
                signal: 0,
            };
            world.observe_in(&session, event(child, Syscall::Procexit, exit));
        }
    }
    assert_eq!(world.learner.actors.len(), 1);
}
