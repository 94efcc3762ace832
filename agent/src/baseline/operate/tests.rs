use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::testing::{NGINX, armed, web};
use super::*;
use crate::baseline::evidence::{Decision, Seen, Trust};
use crate::baseline::file::tests::profiles::profiles;
use crate::baseline::file::{self, Evidence};
use crate::baseline::lock::Lock;
use crate::baseline::state::State;
use crate::baseline::{Class, LearnSettings, Phase, Role};

fn behaviour(class: &str, object: &str) -> Behaviour {
    Behaviour::parse(NGINX, "run", class, object).unwrap()
}

fn learner(profile: Profile) -> Learner {
    Learner::new(LearnSettings::default(), BTreeMap::from([(web(), profile)]))
}

fn yaml(profile: &Profile) -> String {
    profile.to_yaml(&web(), Evidence::With)
}

fn profile(learner: &Learner) -> &Profile {
    &learner.profiles()[&web()]
}

fn changed(learner: &mut Learner) -> Vec<Workload> {
    let changed = learner.changed().into_iter();
    changed.map(|(workload, _)| workload).collect()
}

fn trust(learner: &Learner, behaviour: &Behaviour) -> Option<Trust> {
    examine(profile(learner), None, behaviour).trust()
}

fn states(learner: &Learner) -> BTreeSet<State> {
    let classes = profile(learner).classes();
    classes.map(|view| view.standing.state).collect()
}

#[test]
fn what_is_decided_holds_whether_it_was_known_or_not() {
    for (class, object, before) in [
        ("file_read", "/etc/nginx/nginx.conf", Some(Trust::Learnt)),
        ("file_read", "/srv/late", Some(Trust::Quarantined)),
        ("rare_call", "ptrace", Some(Trust::NeverLearnt)),
        ("file_read", "/srv/never/seen", None),
        ("net_out", "tcp {public}:443", None),
        ("file_write", "/var/cache/{n}", None),
    ] {
        let mut learner = armed();
        let behaviour = behaviour(class, object);
        assert_eq!(trust(&learner, &behaviour), before, "{object}");
        for (decision, expected) in [
            (Decision::Rejected, Trust::Rejected),
            (Decision::Accepted, Trust::Accepted),
            (Decision::Rejected, Trust::Rejected),
        ] {
            // All in one second: the last word counts.
            let decided = learner.decide(&web(), &behaviour, decision, 500_000, false);
            assert_eq!(decided.unwrap().items[0].behaviour, behaviour);
            assert_eq!(trust(&learner, &behaviour), Some(expected), "{object}");
        }
        assert_eq!(changed(&mut learner), [web()]);
        assert_eq!(states(&learner), BTreeSet::from([State::Armed]));
    }
}

#[test]
fn what_is_accepted_of_a_pattern_holds_for_all_that_fits() {
    let mut learner = armed();
    let pattern = behaviour("file_write", "/var/cache/{n}");
    let accept = Decision::Accepted;
    learner.decide(&web(), &pattern, accept, 5, false).unwrap();
    let one = behaviour("file_write", "/var/cache/7");
    let examined = examine(profile(&learner), None, &one);
    assert_eq!(examined.trust(), Some(Trust::Accepted));
    assert_eq!(examined.pattern.as_deref(), Some("/var/cache/{n}"));
    learner
        .decide(&web(), &one, Decision::Rejected, 4, false)
        .unwrap();
    assert_eq!(trust(&learner, &one), Some(Trust::Rejected));
    assert_eq!(trust(&learner, &pattern), Some(Trust::Accepted));
    let unknown = examine(
        profile(&learner),
        None,
        &behaviour("file_write", "/var/cache/x"),
    );
    assert_eq!(unknown.trust(), None);
    assert_eq!(unknown.nearest.unwrap().diverging.as_deref(), Some("x"));
}

#[test]
fn the_patch_is_what_a_reviewed_file_needs() {
    let mut learner = armed();
    let accept = |learner: &mut Learner, class, object| {
        let behaviour = behaviour(class, object);
        learner
            .decide(&web(), &behaviour, Decision::Accepted, 5, false)
            .unwrap()
    };
    let patch = accept(&mut learner, "file_read", "/srv/late").patch();
    assert!(
        patch.ends_with(
            "workload: image web\nroles:\n  - role: root uid0 /usr/sbin/nginx\n    run:\n      \
             file_read:\n        - /srv/late\n"
        ),
        "{patch}"
    );
    let rejected = behaviour("dns", "late.example");
    let rejected = learner.decide(&web(), &rejected, Decision::Rejected, 5, false);
    let rejected = rejected.unwrap().patch();
    assert!(
        rejected.ends_with("      dns:\n        - rejected: late.example\n"),
        "{rejected}"
    );
    // Merged with the file of the workload, it is in the file.
    let reviewed = "workload: image web\nroles:\n- role: other\n  run: {dns: [a.example]}\n";
    let (_, mut file) = file::read(reviewed, "f.yaml").unwrap();
    for patch in [&patch, &rejected] {
        file.merge(&file::read(patch, "patch.yaml").unwrap().1);
    }
    let whole = file.to_yaml(&web(), Evidence::Without);
    for line in [
        "- role: other",
        "- /srv/late",
        "- rejected: late.example",
        "- a.example",
    ] {
        assert!(whole.contains(line), "{whole}");
    }
}

#[test]
fn a_drift_that_is_accepted_begins_anew() {
    let mut learner = armed();
    let decided = learner
        .decide_quarantined(&web(), Decision::Accepted, 500_000)
        .unwrap();
    let objects: Vec<_> = decided
        .items
        .iter()
        .map(|item| &*item.behaviour.object)
        .collect();
    assert_eq!(objects, ["/srv/late", "late.example"]);
    assert_eq!(
        (decided.restarted, decided.never_learnt),
        (Some(500_000), 1)
    );
    assert_eq!(profile(&learner).exposure().since(), 500_000);
    assert_eq!(states(&learner), BTreeSet::from([State::Learning]));
    let late = behaviour("file_read", "/srv/late");
    assert_eq!(trust(&learner, &late), Some(Trust::Accepted));
    let ptrace = behaviour("rare_call", "ptrace");
    assert_eq!(trust(&learner, &ptrace), Some(Trust::NeverLearnt));
    let nothing = learner.decide_quarantined(&web(), Decision::Accepted, 500_001);
    assert!(matches!(nothing, Err(OperateError::NothingWaits { .. })));
}

#[test]
fn an_attack_that_is_rejected_as_a_whole_undoes_no_arming() {
    let mut learner = armed();
    let decided = learner
        .decide_quarantined(&web(), Decision::Rejected, 500_000)
        .unwrap();
    assert_eq!((decided.items.len(), decided.restarted), (2, None));
    assert_eq!(states(&learner), BTreeSet::from([State::Armed]));
    assert_eq!(
        trust(&learner, &behaviour("dns", "late.example")),
        Some(Trust::Rejected)
    );
}

#[test]
fn names_that_mean_nothing_are_refused() {
    let mut learner = armed();
    let dns = behaviour("dns", "a.example");
    let mut decide = |workload: &str, behaviour: &Behaviour, new_role| {
        let workload = Workload::from_text(workload);
        let decided = learner.decide(&workload, behaviour, Decision::Accepted, 5, new_role);
        decided
            .map(|_| ())
            .map_err(|error| (error.kind(), error.to_string()))
    };
    let (kind, why) = decide("web", &dns, true).unwrap_err();
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(why, "no workload 'web' is known; did you mean 'image web'?");
    let of = |role: &str| Behaviour {
        role: Role::from_text(role),
        ..dns.clone()
    };
    let (kind, why) = decide("image web", &of("root uid0 /usr/sbin/ngnix"), false).unwrap_err();
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(
        why.ends_with("did you mean 'root uid0 /usr/sbin/nginx'?"),
        "{why}"
    );
    decide("image web", &of("root uid0 /usr/sbin/ngnix"), true).unwrap();
    for role in [
        "nginx",
        "root",
        "root /usr/sbin/nginx",
        "root uid0  /a",
        "outsider uid0 \u{e9}",
    ] {
        let (kind, why) = decide("image web", &of(role), true).unwrap_err();
        assert_eq!(kind, ErrorKind::Invalid, "{role}");
        assert!(why.contains("write who acts"), "{why}");
    }
    assert!(learner.profiles().len() == 1, "asking makes no workload");
    let parse = |phase: &str, class: &str, object: &str| {
        let error = Behaviour::parse(NGINX, phase, class, object).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    };
    assert_eq!(
        parse("go", "dns", "a"),
        "'go' is no phase: write start, run"
    );
    let class = parse("run", "file_raed", "a");
    assert_eq!(class, "'file_raed' is no class; did you mean 'file_read'?");
    assert!(parse("run", "dns", "").ends_with("it is empty"));
    let long = "a".repeat(5_000);
    assert!(parse("run", "dns", &long).ends_with("more than 4096 bytes"));
    assert!(parse("run", "file_read", "/srv/{x").contains("cannot be an object of file_read"));
}

/// Its reviewed file accepts some and rejects another.
fn reviewed() -> (Learner, Profile) {
    let text = "workload: image web\nroles:\n- role: root uid0 /usr/sbin/nginx\n  run: {dns: [a.example, \
                rejected: late.example], file_read: [/etc/nginx/nginx.conf, '/srv/{n}']}\n";
    let (_, file) = file::read(text, "f.yaml").unwrap();
    let mut learner = armed();
    learner.review(BTreeMap::from([(web(), file.clone())]));
    (learner, file)
}

#[test]
fn no_decision_contradicts_a_reviewed_file() {
    let (mut learner, file) = reviewed();
    assert_eq!(states(&learner), BTreeSet::from([State::Locked]));
    let mut decide =
        |object, decision| learner.decide(&web(), &behaviour("dns", object), decision, 5, false);
    for (object, decision, says) in [
        ("a.example", Decision::Rejected, "says accepted"),
        ("late.example", Decision::Accepted, "says rejected"),
    ] {
        let error = decide(object, decision).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Precondition);
        assert!(error.to_string().contains(says), "{error}");
    }
    // What it says already needs no word; of what it does not have there is none.
    let same = decide("a.example", Decision::Accepted).unwrap();
    assert!(same.reviewed && same.by_file);
    let other = decide("c.example", Decision::Accepted).unwrap();
    assert!(other.reviewed && !other.by_file);
    let look = |object| examine(profile(&learner), Some(&file), &behaviour("dns", object));
    let (of_file, own) = (look("a.example"), look("c.example"));
    assert_eq!(
        (of_file.trust(), of_file.by_file),
        (Some(Trust::Accepted), true)
    );
    assert_eq!((own.trust(), own.by_file), (Some(Trust::Accepted), false));
    // Of what is in quarantine the file has decided of one.
    let all = learner
        .decide_quarantined(&web(), Decision::Accepted, 6)
        .unwrap();
    let objects: Vec<_> = all
        .items
        .iter()
        .map(|item| &*item.behaviour.object)
        .collect();
    assert_eq!(objects, ["/srv/late"]);
    let unlocked = learner
        .lock(&web(), Scope::default(), false, 5)
        .unwrap_err();
    assert!(matches!(unlocked, OperateError::LockedByFile { .. }));
}

#[test]
fn what_counts_is_the_file_and_what_it_does_not_have() {
    let (mut learner, file) = reviewed();
    let shown = |learner: &Learner| {
        let all = profile(learner).under(&file);
        let shown = all.behaviours().map(|(.., object, seen)| {
            let by_file = seen
                .decision()
                .is_some_and(|(_, time)| time == file::UNDATED);
            (object, seen.trust(), by_file)
        });
        shown.collect::<Vec<_>>()
    };
    let of = |object: &str, trust, by_file| (object.to_owned(), trust, by_file);
    let mut expected = vec![
        of("/etc/nginx/nginx.conf", Trust::Accepted, true),
        of("/srv/late", Trust::Quarantined, false),
        of("/srv/{n}", Trust::Accepted, true),
        of("a.example", Trust::Accepted, true),
        of("late.example", Trust::Rejected, true),
        of("ptrace", Trust::NeverLearnt, false),
    ];
    assert_eq!(shown(&learner), expected);
    let late = behaviour("file_read", "/srv/late");
    learner
        .decide(&web(), &late, Decision::Rejected, 5, false)
        .unwrap();
    expected[1] = of("/srv/late", Trust::Rejected, false);
    assert_eq!(shown(&learner), expected);
}

#[test]
fn a_workload_that_only_a_file_is_about_is_known_too() {
    let (_, file) = reviewed();
    let mut learner = Learner::new(LearnSettings::default(), BTreeMap::new());
    learner.review(BTreeMap::from([(web(), file)]));
    assert_eq!(learner.workloads(), [web()]);
    let summary = learner.summary(&web(), 0).unwrap();
    assert!(summary.reviewed && summary.behaviours == 0);
    let locked = |class: &ClassSummary| class.state == State::Locked;
    assert!(summary.classes.iter().all(locked));
    let other = behaviour("dns", "c.example");
    learner
        .decide(&web(), &other, Decision::Accepted, 5, false)
        .unwrap();
    assert!(profile(&learner).is_reviewed());
    assert_eq!(states(&learner), BTreeSet::from([State::Locked]));
}

#[test]
fn a_lock_holds_until_it_is_taken_away() {
    let mut learner = armed();
    let scope = Scope::parse("run", "file_read").unwrap();
    let locked = learner.lock(&web(), scope, true, 7).unwrap();
    let moved: Vec<_> = locked
        .iter()
        .map(|of| (of.phase, of.class, of.before, of.now))
        .collect();
    let expected = (Phase::Run, Class::FileRead, State::Armed, State::Locked);
    assert_eq!(moved, [expected]);
    assert_eq!(changed(&mut learner), [web()]);
    let summary = learner.summary(&web(), 400_000).unwrap();
    let class = summary.class(Phase::Run, Class::FileRead).unwrap();
    assert_eq!(
        (class.state, class.lock),
        (State::Locked, Lock::new(true, 7))
    );
    assert_eq!((class.behaviours, class.quarantined), (2, 1));
    assert_eq!(
        states(&learner),
        BTreeSet::from([State::Armed, State::Locked])
    );
    // It is kept with the profile, and by whoever merges it.
    let (_, read) = file::read(&yaml(profile(&learner)), "f.yaml").unwrap();
    assert_eq!(read.locks(), profile(&learner).locks());
    let mut other = armed();
    other.take_in(&web(), read).unwrap();
    assert!(states(&other).contains(&State::Locked));
    // Of the same second or a clock that is behind, the last word is the last.
    let unlocked = learner.lock(&web(), Scope::default(), false, 3).unwrap();
    assert_eq!(unlocked.len(), 2 * Class::ALL.len());
    assert_eq!(states(&learner), BTreeSet::from([State::Armed]));
    assert!(Scope::parse("runs", "").is_err() && Scope::parse("", "files").is_err());
}

#[test]
fn a_summary_says_how_a_workload_stands() {
    let learner = armed();
    let summary = learner.summary(&web(), 400_000).unwrap();
    assert_eq!(
        (summary.behaviours, summary.quarantined, summary.instances),
        (4, 2, 0)
    );
    assert_eq!(
        (summary.totals.starts, summary.last, summary.since),
        (3, 400_000, 0)
    );
    assert!(!summary.flags.stale && !summary.reviewed && summary.bytes > 0);
    assert_eq!(summary.classes.len(), 2 * Class::ALL.len());
    let later = learner.summary(&web(), 400_000 + 31 * 86_400).unwrap();
    assert!(later.flags.stale);
    let unknown = learner.summary(&Workload::from_text("x"), 0);
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_is_taken_in_counts_at_once() {
    let mut learner = learner(Profile::default());
    assert_eq!(states(&learner), BTreeSet::from([State::Cold]));
    let mut other = profile(&armed()).clone();
    prepare(&mut other, &LearnSettings::default());
    let taken = learner.take_in(&web(), other.clone()).unwrap();
    let expected = TakenIn {
        before: Some(0),
        now: 4,
    };
    assert_eq!(taken, expected);
    assert_eq!(states(&learner), BTreeSet::from([State::Armed]));
    let new = Workload::from_text("image new");
    assert_eq!(learner.take_in(&new, other).unwrap().before, None);
    assert_eq!(changed(&mut learner), [new, web()]);
}

/// A behaviour of one of the profiles, or one that neither has.
fn pick(one: &Profile, other: &Profile, at: Index) -> Behaviour {
    let known = one.behaviours().chain(other.behaviours());
    let mut all: Vec<Behaviour> = known
        .map(|(role, phase, class, object, _)| Behaviour {
            role: role.clone(),
            phase,
            class,
            object,
        })
        .filter(|behaviour| !behaviour.object.is_empty())
        .collect();
    all.push(behaviour("file_read", "/a/5"));
    all.swap_remove(at.index(all.len()))
}

/// The latest word that either has heard of that behaviour, or of any class.
fn latest(one: &Profile, other: &Profile, what: &Behaviour) -> u64 {
    let is_it = |(role, phase, class, object, _): &(&Role, Phase, Class, String, &Seen)| {
        (*role, *phase, *class, object) == (&what.role, what.phase, what.class, &what.object)
    };
    let known = one.behaviours().chain(other.behaviours()).filter(is_it);
    let decided = known.filter_map(|(.., seen)| seen.decision());
    let locks = [one.locks(), other.locks()].into_iter().flat_map(|locks| {
        let times = locks.iter().filter_map(|(.., lock)| lock.time());
        times.collect::<Vec<_>>()
    });
    let times = decided.map(|(_, time)| time).chain(locks);
    times.max().unwrap_or(0)
}

fn merged(one: &Profile, other: &Profile) -> Profile {
    let mut all = one.clone();
    all.merge(other);
    all
}

proptest! {
    #[test]
    fn decisions_and_locks_merge_in_any_order(
        one in profiles(),
        other in profiles(),
        at in any::<Index>(),
        accepted in any::<bool>(),
    ) {
        let what = pick(&one, &other, at);
        let time = latest(&one, &other, &what).saturating_add(1);
        prop_assume!(time < u64::MAX);
        let decision = if accepted { Decision::Accepted } else { Decision::Rejected };
        let known = |profile: &Profile| profile.roles.contains_key(&what.role);
        prop_assume!(known(&one) || what.role.text() == NGINX);
        let scope = Scope { phase: Some(what.phase), class: None };
        let operate = |profile: &Profile| {
            let mut learner = learner(profile.clone());
            learner.decide(&web(), &what, decision, time, true).unwrap();
            learner.lock(&web(), scope, accepted, time).unwrap();
            self::profile(&learner).clone()
        };
        let before = operate(&merged(&one, &other));
        let after = merged(&operate(&one), &other);
        prop_assert_eq!(yaml(&before), yaml(&after));
        prop_assert_eq!(yaml(&merged(&other, &operate(&one))), yaml(&after));
        // Nothing that was known is lost, and who has heard of it hears nothing new.
        prop_assert_eq!(yaml(&merged(&before, &one)), yaml(&before));
        let expected = if accepted { Trust::Accepted } else { Trust::Rejected };
        prop_assert_eq!(examine(&before, None, &what).trust(), Some(expected));
    }

    #[test]
    fn taking_in_is_merging(one in profiles(), other in profiles()) {
        let mut learner = learner(one.clone());
        learner.take_in(&web(), other.clone()).unwrap();
        prop_assert_eq!(yaml(profile(&learner)), yaml(&merged(&one, &other)));
    }
}
