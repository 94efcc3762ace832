//! Files that nobody wrote.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::fuzzing::{Chance, text};

const WORDS: &[&str] = &[
    "workload",
    "roles",
    "role",
    "start",
    "run",
    "evidence",
    "seen",
    "versions",
    "nodes",
    "of",
    "file_read",
    "exec",
    "accepted",
    "rejected",
    "unseen",
    "first=1",
    "last=2",
    "gap=9",
    "windows=1,2",
    "made=1",
    "digest=0",
    "node=1",
    "- ",
    ": ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "&a",
    "*a",
    "!!str",
    "|",
    ">",
    "---",
    "...",
    "{n}",
    "{any}",
    "/etc/shadow",
    "\\x00",
    "~",
    "%",
    "\t",
    "? ",
];

static FILES: LazyLock<[String; 2]> = LazyLock::new(|| [with(&small()), without(&small())]);

/// What is read can be written, and read again.
fn check(bytes: &[u8]) {
    if let Ok((workload, profile)) = read_bytes(bytes, "f.yaml") {
        for evidence in [Evidence::With, Evidence::Without] {
            let text = profile.to_yaml(&workload, evidence);
            let (same, again) =
                read(&text, "f.yaml").unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(same, workload);
            assert_eq!(again.to_yaml(&workload, evidence), text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_bytes_have_an_answer(bytes in vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn changed_files_have_an_answer(seed in any::<u64>(), which in 0..2_usize) {
        let mut chance = Chance::new(seed);
        let text = text::change(&FILES[which], &FILES[1 - which], WORDS, &mut chance);
        check(text.as_bytes());
    }

    #[test]
    fn changed_bytes_have_an_answer(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = FILES[0].clone().into_bytes();
        *at.get_mut(&mut bytes) = byte;
        check(&bytes);
    }
}

#[test]
fn what_nests_or_repeats_is_refused() {
    for text in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        "{a: ".repeat(10_000),
        "workload: &a [x, x]\nroles: [*a, *a, *a]\n".to_owned(),
    ] {
        assert!(read(&text, "f.yaml").is_err());
    }
}
