mod errors;
mod folder;
mod laws;
mod noise;
pub(in crate::baseline) mod profiles;
mod quoting;

use std::collections::BTreeSet;

use self::profiles::Builder;
use super::*;
use crate::baseline::LearnSettings;
use crate::baseline::evidence::{
    Decision, Exposure, InstanceId, Marks, NodeId, OpenWindow, Seen, WindowId,
};
use crate::baseline::profile::Profile;
use crate::baseline::state::{Flags, State};
use crate::baseline::workload::Workload;

const NGINX: &str = "root uid0 /usr/sbin/nginx";

fn nginx() -> Workload {
    Workload::from_text("image nginx")
}

fn with(profile: &Profile) -> String {
    profile.to_yaml(&nginx(), Evidence::With)
}

fn without(profile: &Profile) -> String {
    profile.to_yaml(&nginx(), Evidence::Without)
}

fn read_back(text: &str) -> Profile {
    match read(text, "f.yaml") {
        Ok((workload, profile)) => {
            assert_eq!(workload, nginx());
            profile
        }
        Err(error) => panic!("{error}\n{text}"),
    }
}

/// One window of one instance on one node.
fn small() -> Profile {
    let (node, instance) = (NodeId(0xa0de), InstanceId(0x77));
    let mut exposure = Exposure::default();
    let window: OpenWindow<u8> = OpenWindow::new(WindowId(0x42), 1_700_000_000, 10);
    exposure.start(node, instance, 1_699_999_940, 1_700_000_000);
    exposure.whole_window(node, instance, window.begin(), 1_700_000_060);
    let mut builder = Builder::default();
    builder.profile.exposure = exposure;
    builder.version(1_690_000_000, 0xd1);
    let mut add = |phase, class, text: &str, change: &dyn Fn(&mut Seen)| {
        let mut seen = Seen::default();
        seen.observe(1_700_000_001, instance, 1);
        seen.count(window.id());
        change(&mut seen);
        builder.add(NGINX, phase, class, text, &seen);
    };
    let same = |_: &mut Seen| {};
    add(Phase::Run, Class::NetOut, "tcp {private}:5432", &same);
    add(
        Phase::Start,
        Class::FileRead,
        "/etc/nginx/nginx.conf",
        &same,
    );
    for worker in 1..=3 {
        let path = format!("/var/cache/nginx/{worker}/data");
        add(Phase::Run, Class::FileWrite, &path, &same);
    }
    add(Phase::Run, Class::FileRead, "/etc/shadow", &|seen| {
        seen.decide(Decision::Rejected, 1_700_000_100);
    });
    add(Phase::Run, Class::FileRead, "/srv/{x y: z", &|seen| {
        seen.decide(Decision::Accepted, 1_700_000_200);
    });
    add(Phase::Run, Class::Exec, "/tmp/x [upper]", &|seen| {
        seen.marks = seen.marks.union(Marks::NEVER_LEARNT);
    });
    builder.profile
}

const REVIEWED: &str = r"# What a workload does, as Gravlens knows it. Check an edited file with: gravlens baseline show FILE
workload: image nginx
roles:
  - role: root uid0 /usr/sbin/nginx
    start:
      file_read:
        - /etc/nginx/nginx.conf
    run:
      exec:
        - never_learnt: /tmp/x [upper]
      file_read:
        - rejected: /etc/shadow
        - '/srv/\x7bx y: z'
      file_write:
        - /var/cache/nginx/{n}/data
      net_out:
        - tcp {private}:5432
";

const WHOLE: &str = r"# What a workload does, as Gravlens knows it. Check an edited file with: gravlens baseline show FILE
workload: image nginx
roles:
  - role: root uid0 /usr/sbin/nginx
    start:
      file_read:
        - /etc/nginx/nginx.conf
    run:
      exec:
        - never_learnt: /tmp/x [upper]
      file_read:
        - rejected: /etc/shadow
        - accepted: '/srv/\x7bx y: z'
      file_write:
        - /var/cache/nginx/{n}/data
      net_out:
        - tcp {private}:5432
# Belongs to the roles as they are. Without this part the file is a reviewed one: behaviours without a word count as accepted.
evidence:
  of: 'FINGERPRINT'
  watched: since=0 first=1700000000 last=1700000060 instances=77
  nodes:
    - node=000000000000a0de windows=1 seconds=60 starts=1 lossy=0 covered=60 until=1700000060
  versions:
    - made=1690000000 digest=000000000000000000000000000000d1
  seen:
    - first=1700000001 last=1700000001 windows=42 instances=77 versions=1
    - first=1700000001 last=1700000001 windows=42 instances=77 versions=1 marks=never_learnt
    - first=1700000001 last=1700000001 windows=42 instances=77 versions=1 rejected=1700000100
    - first=1700000001 last=1700000001 windows=42 instances=77 versions=1 accepted=1700000200
    - first=1700000001 last=1700000001 windows=42 instances=77 versions=1
    - first=1700000001 last=1700000001 windows=42 instances=77 versions=1
";

#[test]
fn a_person_can_read_it() {
    assert_eq!(without(&small()), REVIEWED);
    let written = with(&small());
    let of = written.split_once("of: '").map(|(_, rest)| &rest[..16]);
    assert_eq!(written, WHOLE.replace("FINGERPRINT", of.unwrap()));
}

#[test]
fn who_keeps_a_file_without_evidence_vouches_for_it() {
    let profile = read_back(REVIEWED);
    let trusts: Vec<_> = profile
        .behaviours()
        .map(|(.., seen)| seen.trust())
        .collect();
    assert_eq!(
        trusts,
        [
            Trust::Accepted,
            Trust::NeverLearnt,
            Trust::Rejected,
            Trust::Accepted,
            Trust::Accepted,
            Trust::Accepted
        ]
    );
    assert_eq!(profile.exposure(), &Exposure::default());
    assert!(with(&profile).contains("    - unseen accepted=0\n"));
    assert_eq!(with(&read_back(&with(&profile))), with(&profile));
}

#[test]
fn a_decision_of_known_time_outranks_one_of_a_reviewed_file() {
    let text = REVIEWED.replace("rejected: /etc/shadow", "/etc/shadow");
    let mut profile = small();
    profile.merge(&read_back(&text));
    assert!(with(&profile).contains("- rejected: /etc/shadow\n"));
}

#[test]
fn nothing_known_is_a_file_too() {
    let empty = Profile::default();
    assert!(without(&empty).ends_with("workload: image nginx\nroles: []\n"));
    for text in [
        with(&empty),
        without(&empty),
        "workload: image nginx\n".to_owned(),
    ] {
        assert_eq!(with(&read_back(&text)), with(&empty));
    }
}

#[test]
fn what_people_write_is_read() {
    let text = r#"
# By hand.
roles:
- start:
  run:
    exec: []
    file_read: [ "/etc//nginx/./nginx.conf", accepted: /a ]
  role: >-
    root uid0
    /usr/sbin/nginx
workload: 'image nginx'
"#;
    assert!(without(&read_back(text)).ends_with(
        "  - role: root uid0 /usr/sbin/nginx\n    run:\n      file_read:\n        - /a\n        - \
         /etc/nginx/nginx.conf\n"
    ));
}

#[test]
fn a_reviewed_file_locks_its_workload() {
    let settings = LearnSettings::default();
    let settled = |mut profile: Profile| {
        for phase in Phase::ALL {
            profile.settle(phase, Flags::default(), &settings);
        }
        let states: BTreeSet<State> = profile.classes().map(|view| view.standing.state).collect();
        Vec::from_iter(states)
    };
    let reviewed = read_back(REVIEWED);
    assert_eq!(settled(reviewed.clone()), [State::Locked]);
    // Whatever it is put together with.
    let mut merged = small();
    assert_ne!(settled(merged.clone()), [State::Locked]);
    merged.merge(&reviewed);
    assert_eq!(settled(merged.clone()), [State::Locked]);
    // Files with evidence are what was watched, which locks nothing.
    assert_ne!(settled(read_back(&with(&merged))), [State::Locked]);
}
