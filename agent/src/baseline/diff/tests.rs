use proptest::prelude::*;

use super::*;
use crate::baseline::evidence::{InstanceId, Marks};
use crate::baseline::file::tests::profiles::{Builder, profiles};

const NGINX: &str = "root uid0 /usr/sbin/nginx";

fn profile(behaviours: &[(&str, Class, &str, Option<Decision>)]) -> Profile {
    let mut builder = Builder::default();
    for (role, class, object, decision) in behaviours {
        let mut seen = Seen::default();
        seen.observe(10, InstanceId(1), 0);
        if let Some(decision) = decision {
            seen.decide(*decision, 5);
        }
        builder.add(role, Phase::Run, *class, object, &seen);
    }
    builder.profile
}

#[test]
fn differences_are_lines() {
    let read = |path| (NGINX, Class::FileRead, path, None);
    let rejected = |path| (NGINX, Class::FileRead, path, Some(Decision::Rejected));
    let one = profile(&[
        read("/same"),
        read("/etc/nginx/old.conf"),
        read("/var/cache/7"),
        read("/etc/shadow"),
        read("/log/1"),
        read("/log/2"),
        read("/log/3"),
        read("/tmp/1"),
        ("root user /bin/old", Class::Dns, "a\u{202e}b", None),
    ]);
    let other = profile(&[
        read("/same"),
        read("/var/cache/1"),
        read("/var/cache/2"),
        read("/var/cache/3"),
        rejected("/etc/shadow"),
        read("/log/1"),
        rejected("/tmp/1"),
        rejected("/tmp/2"),
        rejected("/tmp/3"),
        ("root user /bin/sh", Class::Exec, "/bin/ls", None),
        (
            "root user /bin/sh",
            Class::Dns,
            "example.com",
            Some(Decision::Accepted),
        ),
    ]);
    let found = diff(&one, &other);
    assert!(!found.is_empty());
    assert_eq!(
        found.to_string(),
        r#"  root uid0 /usr/sbin/nginx
    run file_read
-     /etc/nginx/old.conf
-     /etc/shadow
+     rejected: /etc/shadow
~     /log/{n} -> /log/1
-     /tmp/1
+     rejected: /tmp/1
+     rejected: /tmp/2
+     rejected: /tmp/3
~     /var/cache/7 -> /var/cache/{n}
- root user /bin/old: 1 behaviour
-   run dns
-     "a\u202eb"
+ root user /bin/sh: 2 behaviours
+   run exec
+     /bin/ls
+   run dns
+     accepted: example.com
"#
    );
}

#[test]
fn a_pattern_for_a_behaviour_is_no_difference() {
    let read = |path| (NGINX, Class::FileRead, path, None);
    let one = profile(&[read("/a/1")]);
    let other = profile(&[read("/a/1"), read("/a/2"), read("/a/3")]);
    for (one, other, line) in [
        (&one, &other, "/a/1 -> /a/{n}"),
        (&other, &one, "/a/{n} -> /a/1"),
    ] {
        let found = diff(one, other);
        assert!(found.is_empty());
        assert!(
            found.to_string().ends_with(&format!("\n~     {line}\n")),
            "{found}"
        );
    }
}

#[test]
fn a_reviewed_file_says_no_more_than_that_it_was_reviewed() {
    use crate::baseline::file::{Evidence, read};
    use crate::baseline::workload::Workload;

    let mut learnt = profile(&[
        (NGINX, Class::FileRead, "/a", None),
        (NGINX, Class::FileRead, "/b", Some(Decision::Rejected)),
        (NGINX, Class::Dns, "example.com", Some(Decision::Accepted)),
    ]);
    let text = learnt.to_yaml(&Workload::from_text("image nginx"), Evidence::Without);
    let (_, reviewed) = read(&text, "f.yaml").unwrap();
    assert_eq!(diff(&reviewed, &learnt), Diff::default());
    // What came too late is to be decided by somebody.
    let behaviours = learnt.roles.values_mut().next().unwrap();
    let objects = behaviours.get_mut(Phase::Run, Class::FileRead).unwrap();
    objects.each_mut(|seen| seen.marks = seen.marks.union(Marks::QUARANTINED));
    assert!(
        diff(&reviewed, &learnt)
            .to_string()
            .ends_with("-     accepted: /a\n+     quarantined: /a\n")
    );
}

/// The changes as the other side sees them.
fn mirrored(found: &Diff) -> Diff {
    let mut found = found.clone();
    for role in &mut found.roles {
        role.only = role.only.map(Side::opposite);
        for (_, _, change) in &mut role.changes {
            *change = match change.clone() {
                Change::Only(side, item) => Change::Only(side.opposite(), item),
                Change::Decided(one, other) => Change::Decided(other, one),
                Change::Covered(one, other) => Change::Covered(other, one),
            };
        }
    }
    found
}

fn lines(found: &Diff) -> BTreeSet<String> {
    let changes = found.roles.iter().flat_map(|role| {
        let changes = role.changes.iter();
        changes.map(move |change| format!("{:?} {:?} {change:?}", role.role, role.only))
    });
    changes.collect()
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(profile in profiles()) {
        prop_assert_eq!(diff(&profile, &profile), Diff::default());
    }

    #[test]
    fn both_directions_tell_the_same(one in profiles(), other in profiles()) {
        let (there, back) = (diff(&one, &other), diff(&other, &one));
        prop_assert_eq!(lines(&there), lines(&mirrored(&back)));
        prop_assert_eq!(there.is_empty(), back.is_empty());
    }

    /// What was merged in is missing nowhere.
    #[test]
    fn a_merge_has_all_of_its_parts(one in profiles(), other in profiles()) {
        let mut merged = one.clone();
        merged.merge(&other);
        for part in [&one, &other] {
            for role in diff(part, &merged).roles {
                let lost = |(.., change): &(_, _, Change)| matches!(change, Change::Only(Side::One, _));
                prop_assert!(!role.changes.iter().any(lost), "{role:?}");
            }
        }
    }
}
