//! Public rule files, unmodified, are loaded as far as today's sensor allows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gravlens::detect::{self, LoadOptions, Loaded, RefusalKind};

/// The folder of third-party rule files, which are no part of this repository.
fn corpora() -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora");
    let path = std::env::var_os("GRAVLENS_CORPORA").map_or_else(|| beside.into(), PathBuf::from);
    assert!(
        path.is_dir(),
        "this test needs the public rule files, and {} is no directory: set GRAVLENS_CORPORA to \
         the folder that holds falco/falco_rules.yaml and falco_fields.tsv",
        path.display()
    );
    path
}

fn falco_rules() -> Loaded {
    let files = detect::read_paths(&[corpora().join("falco/falco_rules.yaml")])
        .expect("the rule file can be read");
    detect::load(&files, &LoadOptions::default())
}

#[test]
fn falcos_stable_rules_load_but_for_known_gaps() {
    let Loaded { set, report } = falco_rules();
    let refused: BTreeMap<_, _> = report
        .refused
        .iter()
        .map(|refusal| (refusal.rule.clone().unwrap_or_default(), refusal.kind))
        .collect();
    let expected = [
        (
            "Contact K8S API Server From Container",
            RefusalKind::UnsupportedField,
        ),
        (
            "Create Hardlink Over Sensitive Files",
            RefusalKind::UntracedEvent,
        ),
        (
            "Create Symlink Over Sensitive Files",
            RefusalKind::UntracedEvent,
        ),
        (
            "Linux Kernel Module Injection Detected",
            RefusalKind::UntracedEvent,
        ),
        ("PTRACE anti-debug attempt", RefusalKind::UntracedEvent),
        ("PTRACE attached to process", RefusalKind::UntracedEvent),
        (
            "Packet socket created in container",
            RefusalKind::UntracedEvent,
        ),
        (
            "Redirect STDOUT/STDIN to Network Connection in Container",
            RefusalKind::UntracedEvent,
        ),
    ];
    let expected = expected.map(|(rule, kind)| (rule.to_owned(), kind));
    assert_eq!(refused, BTreeMap::from(expected), "{}", report.to_text());
    assert_eq!(set.rules().len() + refused.len(), 25);
}

#[test]
fn every_field_name_of_falco_is_known() {
    let table =
        std::fs::read_to_string(corpora().join("falco_fields.tsv")).expect("the table can be read");
    let unknown: Vec<_> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next())
        .filter(|name| !detect::catalogue::is_known(name))
        .collect();
    assert!(unknown.is_empty(), "unknown field names: {unknown:?}");
}
