//! Conditions, rule files and Sigma files in `tests/corpora`: whole, or wrong in one way each. Fuzzing
//! begins with them. What it finds is added to them as `found-...`.

use std::collections::BTreeMap;

use super::super::LoadReport;
use super::super::testing::loaded;
use super::fuzz;
use crate::fuzzing;

/// Name, loaded rules, and what is refused: its line and its kind.
type Expected = (&'static str, usize, &'static [&'static str]);

const CONDITIONS: &[Expected] = &[
    ("addresses", 1, &[]),
    ("arguments", 1, &[]),
    ("bad-address", 0, &["3 type"]),
    ("bad-argument", 0, &["3 type"]),
    ("bad-bytes", 0, &["3 type"]),
    ("bad-escape", 0, &["3 syntax"]),
    ("bad-number", 0, &["3 syntax"]),
    ("bad-regex", 0, &["3 syntax"]),
    ("bad-transformer", 0, &["3 syntax"]),
    ("bytes", 1, &[]),
    ("chain-without-operand", 0, &["3 syntax"]),
    ("deep", 1, &[]),
    ("empty", 0, &["3 syntax"]),
    ("empty-quantity", 0, &["3 syntax"]),
    ("joined", 1, &[]),
    ("large-regex", 0, &["3 syntax"]),
    ("lists", 1, &[]),
    ("many-nots", 1, &[]),
    ("missing-argument", 0, &["3 unsupported_field"]),
    ("negated", 1, &[]),
    ("never", 1, &[]),
    ("no-list", 1, &[]),
    ("no-such-event", 0, &["3 no_such_event"]),
    ("no-such-field", 0, &["3 no_such_field"]),
    ("no-value", 0, &["3 syntax"]),
    ("not-ascii", 1, &[]),
    ("only-macro", 0, &["3 undefined"]),
    ("open-bracket", 0, &["3 syntax"]),
    ("open-list", 0, &["3 syntax"]),
    ("open-string", 0, &["3 syntax"]),
    ("operator-of-another-type", 0, &["3 type"]),
    ("operators", 1, &[]),
    ("options", 1, &[]),
    ("quantified", 1, &[]),
    ("quotes", 1, &[]),
    ("right-field", 1, &[]),
    ("right-transformer", 1, &[]),
    ("too-deep", 0, &["3 syntax"]),
    ("transformers", 1, &[]),
    ("unknown-metadata", 1, &[]),
    ("unsupported-field", 0, &["3 unsupported_field"]),
    ("untraced-event", 0, &["3 untraced_event"]),
    ("val-on-the-left", 0, &["3 syntax"]),
    ("wrong-type", 0, &["3 type"]),
];
const RULES: &[Expected] = &[
    ("anchors.yaml", 1, &[]),
    (
        "bad-correlation.yaml",
        0,
        &["8 item", "15 unsupported_feature", "21 too_large"],
    ),
    ("bad-exceptions.yaml", 0, &["7 item", "19 item"]),
    ("bad-output.yaml", 0, &["4 no_such_field"]),
    ("bad-override.yaml", 1, &["8 item", "9 item", "12 item"]),
    ("block-scalars.yaml", 1, &[]),
    ("broken-documents.yaml", 2, &["9 yaml"]),
    ("broken-item.yaml", 2, &["7 yaml"]),
    ("byte-order-mark.yaml", 1, &[]),
    ("carriage-returns.yaml", 1, &[]),
    ("comments.yaml", 0, &[]),
    ("correlation.yaml", 2, &[]),
    ("deep.yaml", 0, &["1 yaml"]),
    ("empty.yaml", 0, &[]),
    ("exceptions.yaml", 2, &[]),
    ("laughs.yaml", 0, &["8 yaml"]),
    ("lists-in-a-circle.yaml", 0, &["7 undefined"]),
    ("lists-multiply.yaml", 0, &["23 too_large"]),
    ("macro-of-itself.yaml", 0, &["2 undefined"]),
    ("macro-that-comes-later.yaml", 1, &[]),
    ("macros-multiply.yaml", 0, &["4 too_large"]),
    (
        "missing-keys.yaml",
        0,
        &["1 item", "2 item", "3 item", "4 item"],
    ),
    ("newer-engine.yaml", 1, &[]),
    ("overrides.yaml", 1, &[]),
    ("tabs.yaml", 0, &["1 yaml"]),
    ("tags.yaml", 1, &[]),
    ("unknown-keys.yaml", 1, &["7 item"]),
    ("whole.yaml", 1, &[]),
    (
        "wrong-types.yaml",
        0,
        &[
            "1 item", "6 item", "8 item", "10 item", "11 item", "12 item", "13 item",
        ],
    ),
];
const SIGMA: &[Expected] = &[
    ("auditd.yml", 1, &[]),
    ("bad-condition.yml", 0, &["5 syntax"]),
    ("bad-level.yml", 0, &["2 item"]),
    ("bad-order-of-modifiers.yml", 0, &["4 syntax"]),
    ("bad-timespan.yml", 0, &["2 item"]),
    ("bad-values.yml", 0, &["9 item"]),
    ("circle.yml", 0, &["2 undefined", "5 undefined"]),
    ("correlations.yml", 6, &[]),
    ("deep-condition.yml", 0, &["5 syntax"]),
    ("expand.yml", 0, &["4 unsupported_feature"]),
    ("fields-of-gravlens.yml", 1, &[]),
    ("file-event.yml", 1, &[]),
    ("filters.yml", 1, &[]),
    ("keywords.yml", 0, &["4 unsupported_feature"]),
    ("many-events.yml", 1, &["9 too_large"]),
    (
        "missing-parts.yml",
        0,
        &["2 item", "4 item", "9 item", "13 item"],
    ),
    ("modifiers.yml", 1, &[]),
    ("network.yml", 1, &[]),
    ("no-search-of-that-name.yml", 0, &["5 undefined"]),
    ("old-aggregation.yml", 0, &["6 unsupported_feature"]),
    ("one-title-twice.yml", 1, &["7 item"]),
    ("other-log-source.yml", 0, &["2 log_source"]),
    ("quantities-multiply.yml", 0, &["24 too_large"]),
    ("quantities.yml", 1, &[]),
    ("undefined-search.yml", 0, &["5 undefined"]),
    ("unknown-field.yml", 0, &["4 no_such_field"]),
    ("unknown-modifier.yml", 0, &["4 syntax"]),
    ("whole.yml", 1, &[]),
    ("wildcards.yml", 1, &[]),
    ("with-falco.yml", 3, &[]),
];

fn refused(report: &LoadReport) -> Vec<String> {
    let refused = report.refused.iter();
    refused
        .map(|refusal| {
            let kind = serde_json::to_value(refusal.kind).unwrap();
            format!("{} {}", refusal.line, kind.as_str().unwrap())
        })
        .collect()
}

/// Holds every seed against the table, and tries all out as fuzzing does.
fn hold(corpus: &str, table: &[Expected], as_file: fn(&str) -> String, try_out: fn(&[u8]) -> bool) {
    let mut expected: BTreeMap<&str, _> = table
        .iter()
        .map(|(name, loaded, refused)| (*name, (loaded, refused)))
        .collect();
    assert_eq!(expected.len(), table.len(), "a name stands there twice");
    for (name, bytes) in fuzzing::seeds(corpus) {
        let whole = try_out(&bytes);
        if name.starts_with("found-") {
            continue;
        }
        let (rules, refusals) = expected
            .remove(&*name)
            .unwrap_or_else(|| panic!("{name} is not in the table"));
        let report = loaded(&as_file(&String::from_utf8(bytes).unwrap())).report;
        let told = report.to_text();
        assert_eq!(report.loaded, *rules, "{name}: {told}");
        assert_eq!(refused(&report), *refusals, "{name}: {told}");
        assert_eq!(whole, *rules > 0 && refusals.is_empty(), "{name}");
    }
    assert!(expected.is_empty(), "not stored: {expected:?}");
}

#[test]
fn every_seed_of_conditions_loads_as_it_should() {
    hold(
        "conditions",
        CONDITIONS,
        fuzz::with_condition,
        fuzz::try_condition,
    );
}

#[test]
fn every_seed_of_rule_files_loads_as_it_should() {
    hold("rules", RULES, str::to_owned, fuzz::try_file);
}

#[test]
fn every_seed_of_sigma_loads_as_it_should() {
    hold("sigma", SIGMA, str::to_owned, fuzz::try_file);
}
