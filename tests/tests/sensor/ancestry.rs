//! Who started whom stays known, whoever is the parent later.

use std::fs;

use anyhow::Result;
use integration_test::expectation::Expectation;
use integration_test::facts::Facts;
use integration_test::offence::{Offence, Told};

use crate::Test;
use crate::bench::{Bench, began, entered};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("ancestry::a_child_of_a_zombie_keeps_it", zombie),
    ("ancestry::a_daemon_keeps_its_ancestors", daemon),
    (
        "ancestry::a_sibling_by_clone_has_the_cloners_image",
        sibling,
    ),
    (
        "ancestry::a_nested_pid_namespace_has_its_own_numbers",
        namespaces,
    ),
    ("ancestry::groups_and_sessions_have_leaders", groups),
    (
        "ancestry::a_pid_that_is_used_again_is_another_process",
        reuse,
    ),
];

fn offence(case: &str) -> Result<Offence> {
    Ok(Offence::offender("family")?.arg(case))
}

fn child_opens() -> Expectation {
    Expectation::opened("/etc/hostname")
}

fn zombie(bench: &Bench) -> Result<()> {
    orphan(bench, "zombie")
}

fn daemon(bench: &Bench) -> Result<()> {
    orphan(bench, "daemon")
}

fn orphan(bench: &Bench, case: &str) -> Result<()> {
    let offence = offence(case)?;
    bench.expect(&offence, |told| {
        let (middle, last) = (told.value("middle")?, told.value("last")?);
        let line = format!("{middle},{}", told.pid);
        Ok(vec![
            Expectation::forked().is("pid", middle).is("ppid", told.pid),
            Expectation::forked()
                .is("pid", last)
                .is("ppid", middle)
                .list_from("ancestors", &line),
            Expectation::executed("/bin/true", &["true", "of", case])
                .is("pid", last)
                .list_from("ancestors", &line),
            Expectation::exited(0).is("pid", middle),
            Expectation::exited(0)
                .is("pid", last)
                .list_from("ancestors", line),
            Expectation::exited(0).is("pid", told.pid),
        ])
    })
}

fn sibling(bench: &Bench) -> Result<()> {
    let offence = offence("sibling")?;
    let program = offence.path().display().to_string();
    bench.expect(&offence, |told| {
        let (maker, sibling) = (told.value("maker")?, told.value("sibling")?);
        let image = [program.as_str(), "sibling_maker"];
        let of_maker = |expectation: Expectation| {
            let args = image.join(" ");
            expectation
                .is("pid", sibling)
                .is("ppid", told.pid)
                .is("args", args)
        };
        Ok(vec![
            Expectation::forked().is("pid", maker).is("ppid", told.pid),
            Expectation::executed(&program, &image).is("pid", maker),
            of_maker(Expectation::forked()),
            of_maker(child_opens()),
            of_maker(Expectation::exited(0)),
            Expectation::exited(0).is("pid", maker),
            Expectation::exited(0).is("pid", told.pid),
        ])
    })
}

fn namespaces(bench: &Bench) -> Result<()> {
    bench.expect(&offence("namespaces")?, |told| {
        let outer = told.value("outer")?;
        let line = format!("{outer},{}", told.pid);
        // The group and the session are those outside.
        let inner = |expectation: Expectation| {
            expectation
                .is("vpid", 1)
                .is("vpgid", 0)
                .is("sid", 0)
                .is("leads_group", false)
                .is("ppid", outer)
                .list_from("ancestors", &line)
        };
        let middle = |expectation: Expectation| {
            expectation
                .is("vpid", 1)
                .is("pid", outer)
                .is("ppid", told.pid)
        };
        Ok(vec![
            middle(Expectation::forked()),
            inner(Expectation::forked()),
            inner(child_opens()),
            inner(Expectation::exited(0)),
            middle(Expectation::exited(0)),
            Expectation::exited(0)
                .is("pid", told.pid)
                .is("vpid", told.pid),
        ])
    })
}

fn groups(bench: &Bench) -> Result<()> {
    bench.expect(&offence("groups")?, |told| {
        let (session, group) = (told.value("session")?, told.value("group")?);
        let (own_group, own_session) = (told.value("own_group")?, told.value("own_session")?);
        let executed = |word: &str, group: &str, session: &str| {
            Expectation::executed("/bin/true", &["true", word])
                .is("vpgid", group)
                .is("sid", session)
        };
        Ok(vec![
            Expectation::forked()
                .is("vpgid", own_group)
                .is("sid", own_session)
                .is("leads_group", false)
                .times(3),
            executed("session", session, session)
                .is("leads_group", true)
                .is("leads_session", true),
            executed("group", group, own_session)
                .is("leads_group", true)
                .is("leads_session", false),
            executed("member", own_group, own_session)
                .is("leads_group", false)
                .is("leads_session", false),
            Expectation::exited(0).times(4),
        ])
    })
}

/// On a busy machine somebody else may take the pid first: tried a few times.
fn reuse(bench: &Bench) -> Result<()> {
    let offence = offence("reuse")?;
    let mut last = bench.seen(&offence)?;
    for _ in 0..5 {
        if was_reused(&last.0)? {
            break;
        }
        last = bench.seen(&offence)?;
    }
    let (told, seen) = last;
    judge_reuse(bench, &offence, &told, &seen)
}

fn was_reused(told: &Told) -> Result<bool> {
    Ok(told.value("second")? == told.value("first")?)
}

fn judge_reuse(bench: &Bench, offence: &Offence, told: &Told, seen: &[Facts]) -> Result<()> {
    let words = offence.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let program = fs::canonicalize("/bin/true")?;
    let pid = told.value("first")?;
    let first = |expectation: Expectation| expectation.is("pid", pid).is("args", "true first");
    let second = |expectation: Expectation| {
        let own = expectation.is("pid", pid).is("args", words.join(" "));
        own.is("exe", offence.path().display())
    };
    let mut expected = vec![
        entered(told.pid),
        began(&words, told.pid),
        Expectation::forked().is("pid", pid),
        Expectation::executed("/bin/true", &["true", "first"])
            .is("pid", pid)
            .is("exe", program.display()),
        first(Expectation::exited(0)),
    ];
    if was_reused(told)? {
        expected.push(second(Expectation::forked()));
        expected.push(second(child_opens()));
        expected.push(second(Expectation::exited(0)));
    }
    expected.push(Expectation::exited(0).is("pid", told.pid));
    bench.judge(offence, &expected, seen)
}
