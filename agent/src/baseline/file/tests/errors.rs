//! Messages name the place, what is wrong and what to write instead.

use super::*;

fn error(text: &str) -> String {
    match read(text, "f.yaml") {
        Ok(_) => panic!("it was read:\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// The message for a file with one thing replaced.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    error(&text.replacen(from, to, 1))
}

#[test]
fn of_the_reviewed_part() {
    for (from, to, expected) in [
        (
            "roles:",
            "rols:",
            "3:1: 'rols' means nothing here; did you mean 'roles'?",
        ),
        (
            "    run:",
            "    runs:",
            "8:5: 'runs' means nothing here; did you mean 'run'?",
        ),
        (
            "      file_write:",
            "      file_wriet:",
            "14:7: 'file_wriet' means nothing here; did you mean 'file_write'?",
        ),
        (
            "- role:",
            "- name:",
            "4:5: 'name' means nothing here: write role, start, run",
        ),
        (
            "rejected:",
            "rejcted:",
            "12:11: 'rejcted' means nothing here; did you mean 'rejected'?",
        ),
        (
            "- tcp {private}:5432",
            "- tcp a: b",
            "17:11: a text with ': ' in it, or ':' at its end, needs quotes",
        ),
        (
            "/etc/nginx/nginx.conf",
            "/root/.ssh/id_{n}",
            "7:11: '/root/.ssh/id_{n}' cannot be a pattern: never generalised: ",
        ),
        (
            "/etc/nginx/nginx.conf",
            "/etc/{x}",
            "7:11: '/etc/{x}' cannot be a pattern: braces around something that is no type",
        ),
        (
            "/etc/nginx/nginx.conf",
            "/etc/\u{e9}",
            "7:11: '/etc/\u{e9}' cannot be a pattern: bytes beyond printable ASCII, braces and \
             backslashes are written as \\xNN",
        ),
        (
            "- /etc/nginx/nginx.conf",
            "-",
            "7:10: a behaviour has to be a text in one piece, not nothing (an empty text is \"\")",
        ),
        (
            "- /etc/nginx/nginx.conf",
            "/etc/nginx/nginx.conf",
            "7:9: 'file_read' has to be a list of '- ' lines, not a text",
        ),
        (
            "workload: image nginx\n",
            "",
            "2:1: no 'workload': write 'workload: NAME', as 'gravlens baseline simulate' names it",
        ),
        ("image nginx", "''", "2:11: the workload needs a name"),
        (
            "root uid0 /usr/sbin/nginx",
            "[a]",
            "4:11: 'role' has to be a text in one piece, not a list",
        ),
        (
            "role: root uid0 /usr/sbin/nginx",
            "start:",
            "5:5: 'start' stands at line 4 already",
        ),
        ("image nginx", "*x", "2:11: this is no valid YAML: "),
        (
            "image nginx",
            "&x image",
            "2:11: anchors and aliases have no place here: write the value itself",
        ),
        ("image nginx", "!x image", "2:11: tags have no place here"),
        (
            "roles:",
            "---\nroles:",
            "3:1: a second document: write one file for each workload",
        ),
    ] {
        let found = changed(REVIEWED, from, to);
        let expected = format!("f.yaml:{expected}");
        assert!(found.starts_with(&expected), "{found}\n{expected}");
    }
}

#[test]
fn of_what_stands_there_twice() {
    let twice = "- /etc/nginx/nginx.conf\n        - /etc//nginx/nginx.conf";
    assert_eq!(
        changed(REVIEWED, "- /etc/nginx/nginx.conf", twice),
        "f.yaml:8:11: '/etc/nginx/nginx.conf' stands in this list already"
    );
    assert_eq!(
        error(&format!("{REVIEWED}  - role: root uid0 /usr/sbin/nginx\n")),
        "f.yaml:18:11: this role stands at line 4 already: write both in one"
    );
    assert_eq!(
        changed(
            REVIEWED,
            "rejected: /etc/shadow",
            "{rejected: /a, accepted: /b}"
        ),
        "f.yaml:12:26: a second word: each behaviour has an item of its own"
    );
}

#[test]
fn of_the_evidence() {
    let whole = with(&small());
    let other = "the evidence is that of other roles than those of this file: take the \
                 part 'evidence' out, and what is in the file counts as reviewed";
    for (from, to) in [
        ("        - /etc/nginx/nginx.conf\n", ""),
        ("/etc/nginx/nginx.conf", "/etc/nginx/other.conf"),
        ("rejected: /etc", "accepted: /etc"),
        (
            "    - first=1700000001 last=1700000001 windows=42 instances=77 versions=1\n",
            "",
        ),
    ] {
        let line = 19 - from.matches('\n').count() + to.matches('\n').count();
        let line = if from.contains("first=") { 19 } else { line };
        assert_eq!(
            changed(&whole, from, to),
            format!("f.yaml:{line}:1: {other}")
        );
    }
    for (from, to, expected) in [
        (
            "since=0",
            "since=x",
            "21:12: 'since=x' has to be a number below 2^64",
        ),
        ("since=0 ", "", "21:12: 'since=NUMBER' is missing"),
        (
            "since=0",
            "since=0 sinc=1",
            "21:12: 'sinc' means nothing here",
        ),
        (
            "since=0",
            "since=0 since=1",
            "21:12: 'since' stands there twice",
        ),
        (
            "since=0",
            "since=1700000001",
            "21:12: 'first' is before 'since'",
        ),
        ("seconds=60 ", "", "23:7: 'seconds=NUMBER' is missing"),
        ("digest=0", "digest=g", "25:7: 'digest=g"),
        (
            "versions=1",
            "versions=3",
            "27:7: 'versions' has a bit for none of the list of versions",
        ),
        (
            "windows=42",
            "windows=1,2,3,4",
            "27:7: 'windows' has more than 3 ids",
        ),
        (
            "first=1700000001",
            "first=1800000000",
            "27:7: 'last' is before 'first'",
        ),
        (
            "marks=never_learnt",
            "marks=never",
            "28:7: 'never' is no mark",
        ),
        (
            "rejected=1700000100",
            "accepted=1700000100",
            "12:21: this is rejected here and accepted by its evidence at line 29: take the part \
             'evidence' out",
        ),
        (
            "  of: ",
            "  off: ",
            "20:3: 'off' means nothing here; did you mean 'of'?",
        ),
    ] {
        let found = changed(&whole, from, to);
        let expected = format!("f.yaml:{expected}");
        assert!(found.starts_with(&expected), "{found}\n{expected}");
    }
}

#[test]
fn of_files_that_are_none() {
    for text in ["", "# nothing\n", "---\n", "- a\n", "text\n", "\u{feff}"] {
        let found = error(text);
        assert!(found.starts_with("f.yaml:"), "{text:?} {found}");
    }
    let found = read_bytes(b"workload: a\nroles: \xff", "f.yaml").unwrap_err();
    let expected = "f.yaml:2:8: this is no UTF-8: write bytes beyond ASCII as \\xNN";
    assert_eq!(found.to_string(), expected);
    let found = error(&" ".repeat(MAX_BYTES + 1));
    assert_eq!(found, "f.yaml: has more than 16 MiB");
}

#[test]
fn of_more_behaviours_than_are_read() {
    let mut text = "workload: a\nroles:\n  - role: r\n    run:\n      dns:\n".to_owned();
    for number in 0..=MAX_BEHAVIOURS {
        text.push_str(&format!("      - a{number}\n"));
    }
    let found = error(&text);
    assert_eq!(found, "f.yaml:200006:9: more than 200000 behaviours");
}
