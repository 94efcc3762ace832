//! Every text comes back, also for readers that tell numbers and words from texts.

use proptest::prelude::*;
use saphyr::{LoadableYamlNode as _, Yaml};

use super::super::quote::push_scalar;
use super::profiles::texts;

fn quoted(text: &str) -> String {
    let mut out = String::new();
    push_scalar(&mut out, text);
    out
}

#[test]
fn quotes_stand_only_where_they_are_needed() {
    for (text, expected) in [
        ("/usr/lib/libc.so.{n}", "/usr/lib/libc.so.{n}"),
        ("tcp {private}:5432", "tcp {private}:5432"),
        (
            "root user /bin/a > /bin/b [upper]",
            "root user /bin/a > /bin/b [upper]",
        ),
        (r"/a\x20b", r"/a\x20b"),
        ("{any}", "'{any}'"),
        ("it's", "it's"),
        ("-c 'x'", "'-c ''x'''"),
        ("a: b", "'a: b'"),
        ("No", "'No'"),
        ("12", "'12'"),
        ("", "''"),
        ("a\nb\u{202e}\u{1f600}\"", "\"a\\nb\\u202e\\U0001f600\\\"\""),
    ] {
        assert_eq!(quoted(text), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_text_comes_back(text in texts()) {
        let out = quoted(&text);
        prop_assert!(out.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        for yaml in [format!("k:\n  - {out}\n"), format!("k:\n  - word: {out}\n")] {
            let documents = Yaml::load_from_str(&yaml).unwrap();
            let item = &documents[0]["k"][0];
            let found = item.as_str().or_else(|| item["word"].as_str());
            prop_assert_eq!(found, Some(&text[..]), "{}", yaml);
        }
    }
}
