use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::evidence::{Decision, InstanceId};
use super::*;

fn files() -> Objects {
    Objects::of(Class::FileRead)
}

fn segments(path: &str) -> Segments {
    Segments::parse(path).unwrap()
}

fn learn(objects: &mut Objects, path: &str) {
    let path = segments(path);
    let seen = objects.entry(Found::Path(&path)).unwrap();
    seen.observe(7, InstanceId(1), 0);
}

fn quarantine(objects: &mut Objects, path: &str) {
    let path = segments(path);
    let seen = objects.entry_apart(Found::Path(&path)).unwrap();
    seen.observe(9, InstanceId(2), 0);
    seen.marks = Marks::QUARANTINED;
}

fn decide(objects: &mut Objects, path: &str, decision: Decision) {
    let mut seen = Seen::default();
    seen.decide(decision, 3);
    objects.put(Found::Path(&segments(path)), &seen);
}

fn trust(objects: &Objects, path: &str) -> Option<Trust> {
    objects.get(Found::Path(&segments(path))).map(Seen::trust)
}

fn listed(objects: &Objects) -> Vec<(String, Trust)> {
    let patterns = objects.patterns().into_iter();
    patterns.map(|(text, seen)| (text, seen.trust())).collect()
}

#[test]
fn what_came_too_late_makes_no_pattern_with_what_is_learnt() {
    let mut objects = files();
    learn(&mut objects, "/var/x/1");
    learn(&mut objects, "/var/x/2");
    quarantine(&mut objects, "/var/x/3");
    assert_eq!(trust(&objects, "/var/x/1"), Some(Trust::Learnt));
    assert_eq!(trust(&objects, "/var/x/3"), Some(Trust::Quarantined));
    assert_eq!(trust(&objects, "/var/x/4"), None);
    // It stays apart when it comes again, and also when the others become a pattern.
    learn(&mut objects, "/var/x/3");
    assert_eq!(trust(&objects, "/var/x/4"), None);
    learn(&mut objects, "/var/x/4");
    assert_eq!(trust(&objects, "/var/x/6"), Some(Trust::Learnt));
    assert_eq!(
        listed(&objects),
        [
            ("/var/x/3".to_owned(), Trust::Quarantined),
            ("/var/x/{n}".to_owned(), Trust::Learnt),
        ]
    );
    objects.coarsen(1);
    assert_eq!(trust(&objects, "/var/x/3"), Some(Trust::Quarantined));
    assert_eq!(trust(&objects, "/var/y"), Some(Trust::Learnt));
}

#[test]
fn what_has_become_ordinary_is_learnt() {
    let mut objects = files();
    learn(&mut objects, "/var/x/1");
    learn(&mut objects, "/var/x/2");
    quarantine(&mut objects, "/var/x/3");
    assert!(objects.release(Found::Path(&segments("/var/x/3"))));
    assert_eq!(listed(&objects), [("/var/x/{n}".to_owned(), Trust::Learnt)]);
    assert_eq!(objects.fixed_bytes(), files().fixed_bytes());
    assert!(!objects.release(Found::Path(&segments("/var/x/3"))));
    decide(&mut objects, "/var/x/4", Decision::Rejected);
    assert!(!objects.release(Found::Path(&segments("/var/x/4"))));
    assert_eq!(trust(&objects, "/var/x/4"), Some(Trust::Rejected));

    let mut texts = Objects::of(Class::Dns);
    let seen = texts.entry_apart(Found::Text("a.example")).unwrap();
    seen.marks = Marks::QUARANTINED.union(Marks::OWN);
    assert!(texts.release(Found::Text("a.example")));
    let seen = texts.get(Found::Text("a.example")).unwrap();
    assert_eq!((seen.trust(), seen.marks), (Trust::Learnt, Marks::OWN));
}

#[test]
fn a_decision_covers_what_it_says_and_the_more_exact_one_holds() {
    let mut objects = files();
    decide(&mut objects, "/srv/{n}/a.html", Decision::Accepted);
    decide(&mut objects, "/srv/7/a.html", Decision::Rejected);
    decide(&mut objects, "/srv/{any}.log", Decision::Accepted);
    decide(&mut objects, "/srv/7/a.log", Decision::Rejected);
    for (path, expected) in [
        ("/srv/1/a.html", Some(Trust::Accepted)),
        ("/srv/7/a.html", Some(Trust::Rejected)),
        ("/srv/{n}/a.html", Some(Trust::Accepted)),
        ("/srv/7/b.html", None),
        ("/srv/1/a.log", Some(Trust::Accepted)),
        ("/srv/7/a.log", Some(Trust::Rejected)),
        // The exact one leads nowhere.
        ("/srv/7/b.log", Some(Trust::Accepted)),
        ("/srv/.ssh/b.log", None),
    ] {
        assert_eq!(trust(&objects, path), expected, "{path}");
    }
    assert_eq!(listed(&objects).len(), 4);
    assert_eq!(
        objects.pattern_of("/srv/7/b.log").as_deref(),
        Some("/srv/{any}.log")
    );
    assert_eq!(
        objects.pattern_of("/srv/5/a.html").as_deref(),
        Some("/srv/{n}/a.html")
    );
    // Three values that were decided on are no pattern.
    for number in 1..=5 {
        decide(&mut objects, &format!("/opt/{number}"), Decision::Accepted);
    }
    assert_eq!(trust(&objects, "/opt/6"), None);
}

#[test]
fn what_is_apart_has_a_bound() {
    let mut objects = files();
    for number in 0..10_000 {
        let path = segments(&format!("/tmp/{number}"));
        if let Some(seen) = objects.entry_apart(Found::Path(&path)) {
            seen.marks = Marks::QUARANTINED;
        }
    }
    assert!(objects.len() > 50, "{}", objects.len());
    assert!(objects.fixed_bytes() < 33 << 10);
    let first = segments("/tmp/0");
    assert!(objects.entry_apart(Found::Path(&first)).is_some());

    let mut texts = Objects::of(Class::Dns);
    let long = "x".repeat(1_000);
    for number in 0..10_000 {
        texts.entry_apart(Found::Text(&format!("{number}{long}")));
    }
    assert!(!texts.has_room() && texts.len() < 40);
}

/// Behaviours of few paths, so that they meet, learnt or not.
fn objects() -> impl Strategy<Value = Objects> {
    const NAMES: [&str; 13] = [
        "1", "2", "3", "4", "{n}", "a", "a1", "a2", "a3", "a{n}", ".ssh", "x.log", "{uuid}",
    ];
    const ENDS: [&str; 3] = ["", "/{any}", "/{any}.log"];
    let path = (vec(select(&NAMES[..]), 1..4), select(&ENDS[..]))
        .prop_map(|(names, end)| format!("/{}{end}", names.join("/")))
        .prop_filter_map("no pattern", |text| Segments::parse(&text).ok());
    let seen = (0..9_u64, 0..8_u8).prop_map(|(time, kind)| {
        let mut seen = Seen::default();
        seen.observe(time, InstanceId(time), 0);
        match kind {
            0 => seen.decide(Decision::Accepted, time),
            1 => seen.decide(Decision::Rejected, time),
            2 => seen.marks = Marks::QUARANTINED,
            3 => seen.marks = Marks::NEVER_LEARNT,
            _ => {}
        }
        seen
    });
    let coarse = prop::option::weighted(0.2, 0..3_usize);
    (vec((path, seen), 0..12), coarse).prop_map(|(all, coarse)| {
        let mut objects = files();
        for (path, seen) in &all {
            objects.put(Found::Path(path), seen);
        }
        if let Some(depth) = coarse {
            objects.coarsen(depth);
        }
        objects
    })
}

fn whole(objects: &Objects) -> (Vec<(String, Seen)>, [usize; 3]) {
    let patterns = objects.patterns().into_iter();
    let patterns = patterns.map(|(text, seen)| (text, *seen)).collect();
    let size = [objects.len(), objects.path_bytes(), objects.fixed_bytes()];
    (patterns, size)
}

fn merged(one: &Objects, other: &Objects) -> Objects {
    let mut all = one.clone();
    all.merge(other);
    all
}

proptest! {
    #[test]
    fn merging_is_a_join(a in objects(), b in objects(), c in objects()) {
        let ab = merged(&a, &b);
        prop_assert_eq!(whole(&ab), whole(&merged(&b, &a)));
        let abc = merged(&ab, &c);
        prop_assert_eq!(whole(&abc), whole(&merged(&a, &merged(&b, &c))));
        prop_assert_eq!(whole(&merged(&abc, &b)), whole(&abc));
        prop_assert_eq!(whole(&merged(&a, &a)), whole(&a));
    }

    #[test]
    fn what_is_listed_is_all_there_is(objects in objects()) {
        let mut again = files();
        for (text, seen) in objects.patterns() {
            again.put(Found::Path(&segments(&text)), seen);
        }
        prop_assert_eq!(whole(&again), whole(&objects));
    }

    #[test]
    fn who_is_apart_is_found_by_its_own_text(objects in objects()) {
        for (text, seen) in objects.patterns() {
            if seen.trust() == Trust::Learnt {
                prop_assert!(trust(&objects, &text).is_some(), "{}", text);
            } else {
                prop_assert_eq!(trust(&objects, &text), Some(seen.trust()), "{}", text);
                let pattern = objects.pattern_of(&text);
                prop_assert_eq!(pattern.as_ref(), Some(&text));
            }
        }
    }

    #[test]
    fn what_is_apart_changes_nothing_that_is_learnt(objects in objects()) {
        let mut alone = files();
        for (text, seen) in objects.patterns() {
            if seen.trust() == Trust::Learnt {
                alone.put(Found::Path(&segments(&text)), seen);
            }
        }
        let learnt = listed(&objects).into_iter();
        let learnt: Vec<_> = learnt.filter(|(_, trust)| *trust == Trust::Learnt).collect();
        prop_assert_eq!(listed(&alone), learnt);
    }
}
