//! The index finds what a look at every rule finds, and what the naive evaluator says is so.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::catalogue::{FieldArg, FieldId, FieldInfo, Kind, NotEqual};
use super::super::compile::test::parse_number;
use super::super::falco::resolve::Resolved;
use super::super::fields::FieldSource;
use super::super::fields::evt::Evt;
use super::super::load::conditions;
use super::super::net::Network;
use super::super::testing::corpora;
use super::super::value::{OwnedScalar, Value, Values};
use super::super::{
    EventTypes, LoadOptions, Outcome, RuleFile, RuleIndex, RuleSet, Truth, bundled, load, naive,
    read_paths,
};
use crate::fuzzing::Chance;
use crate::model::Syscall;

type Key = (FieldId, Option<FieldArg>);

/// Rules with what is needed to make events for them.
struct Rules {
    set: RuleSet,
    /// The condition of each rule of the set.
    conditions: Vec<Resolved>,
    /// The fields that some rule reads, with the values that it compares them with.
    fields: Vec<(&'static FieldInfo, Option<FieldArg>, Vec<OwnedScalar>)>,
}

impl Rules {
    fn new(files: &[RuleFile]) -> Self {
        let loaded = load(files, &LoadOptions::default());
        assert!(
            loaded.report.refused.is_empty(),
            "{}",
            loaded.report.to_text()
        );
        let mut by_name: HashMap<_, _> = conditions(files).into_iter().collect();
        let conditions: Vec<_> = loaded
            .set
            .rules()
            .map(|rule| by_name.remove(&rule.info.name).unwrap())
            .collect();
        let mut fields: Vec<(&'static FieldInfo, Option<FieldArg>, Vec<OwnedScalar>)> = Vec::new();
        for condition in &conditions {
            naive::words(condition, &mut |reference, word| {
                let (info, argument) = naive::resolved(reference);
                let known = fields
                    .iter()
                    .position(|(it, other, _)| it.id == info.id && *other == argument);
                let position = known.unwrap_or_else(|| {
                    fields.push((info, argument, Vec::new()));
                    fields.len() - 1
                });
                fields[position].2.extend(values(info.kind, word));
            });
        }
        Self {
            set: loaded.set,
            conditions,
            fields,
        }
    }
}

/// Values at and around the word that a field is compared with.
fn values(kind: Kind, word: &str) -> Vec<OwnedScalar> {
    let text = |text: String| OwnedScalar::Text(text.into_bytes().into());
    match kind {
        Kind::Text => {
            let mut plain = word.replace('*', "x").replace('?', "y");
            for (range, one) in [("[a-z]", "m"), ("[0-9]", "7")] {
                plain = plain.replace(range, one);
            }
            vec![
                text(word.to_owned()),
                text(plain.clone()),
                text(format!("{plain}/x")),
                text(format!("/x{plain}")),
                text(format!("{plain}x")),
                text(format!("x {plain} y")),
                text(word.to_uppercase()),
            ]
        }
        Kind::Number => parse_number(word)
            .into_iter()
            .flat_map(|number| [number, number.saturating_add(1)])
            .map(OwnedScalar::Number)
            .collect(),
        Kind::Bool => [false, true].map(OwnedScalar::Bool).into(),
        Kind::Address => {
            let address = word.split('/').next().unwrap();
            let known = Network::parse(word).and_then(|_| address.parse().ok());
            known.into_iter().map(OwnedScalar::Address).collect()
        }
    }
}

/// An event with values as they are drawn.
struct Drawn {
    syscall: Syscall,
    values: HashMap<Key, DrawnValue>,
}

enum DrawnValue {
    Unknown,
    Some(Vec<OwnedScalar>),
}

impl FieldSource for Drawn {
    fn syscall(&self) -> Syscall {
        self.syscall
    }

    fn get<'a>(
        &'a self,
        field: FieldId,
        argument: Option<&'a FieldArg>,
        _scratch: &'a mut Vec<u8>,
    ) -> Value<'a> {
        match field {
            FieldId::Evt(Evt::Type) => return Value::text(self.syscall.name().as_bytes()),
            FieldId::Evt(Evt::Num) => return Value::number(1),
            _ => {}
        }
        match self.values.get(&(field, argument.cloned())) {
            None => Value::Missing,
            Some(DrawnValue::Unknown) => Value::Unknown,
            Some(DrawnValue::Some(values)) => match &values[..] {
                [value] => Value::One(value.borrow()),
                values => Value::Many(Values::Owned(values)),
            },
        }
    }
}

fn draw(rules: &Rules, seed: u64) -> Drawn {
    let mut random = Chance::new(seed);
    let types: Vec<Syscall> = rules.set.event_types().iter().collect();
    // Rules that hold for no event are judged on some event all the same.
    let syscall = match types.as_slice() {
        [] => Syscall::Execve,
        types => *random.pick(types),
    };
    let mut values = HashMap::new();
    for (info, argument, choices) in &rules.fields {
        let key = (info.id, argument.clone());
        if !info.on.intersection(EventTypes::of(&[syscall])).is_empty() && !choices.is_empty() {
            let value = match random.below(12) {
                0 => continue,
                1 => DrawnValue::Unknown,
                2 if info.not_equal == NotEqual::All => DrawnValue::Some(vec![
                    random.pick(choices).clone(),
                    random.pick(choices).clone(),
                ]),
                _ => DrawnValue::Some(vec![random.pick(choices).clone()]),
            };
            values.insert(key, value);
        }
    }
    Drawn { syscall, values }
}

/// Compares the three for one event; whether any rule did not fail.
fn compare(rules: &Rules, seed: u64, outcome: &mut Outcome) -> bool {
    let event = draw(rules, seed);
    rules.set.evaluate(&event, outcome);
    for (position, condition) in (0..).zip(&rules.conditions) {
        let rule = RuleIndex(position);
        let told = &rules.set.rule(rule).info.name;
        let found = match (
            outcome.matched.contains(&rule),
            outcome.undecided.contains(&rule),
        ) {
            (true, false) => Truth::True,
            (false, true) => Truth::Unknown,
            (false, false) => Truth::False,
            (true, true) => panic!("'{told}' is both"),
        };
        assert_eq!(found, rules.set.decide(rule, &event), "{told}, seed {seed}");
        if rules.set.rule(rule).enabled {
            let naive = naive::truth(condition, &event);
            assert_eq!(found, naive, "{told}, seed {seed}");
        }
    }
    !outcome.matched.is_empty() || !outcome.undecided.is_empty()
}

fn compare_all(files: &[RuleFile], cases: u64) {
    let rules = Rules::new(files);
    let mut outcome = Outcome::default();
    let met = (0..cases)
        .filter(|seed| compare(&rules, *seed, &mut outcome))
        .count();
    assert!(
        met as u64 > cases / 100,
        "{met} of {cases} events concern a rule"
    );
}

#[test]
fn the_bundled_rules_say_what_the_naive_evaluator_says() {
    compare_all(&bundled(), 1_000);
}

#[test]
fn falcos_rules_say_what_the_naive_evaluator_says() {
    let files = read_paths(&[corpora("falco/falco_rules.yaml").unwrap()]).unwrap();
    compare_all(&files, 2_000);
}

/// Comparisons of every kind that the index knows, and of some that it does not.
fn comparison() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![
        "proc.name",
        "fd.name",
        "proc.cmdline",
        "container.name",
    ]);
    let word = prop::sample::select(vec!["/a", "/a/b", "ab", "b", "/", "B"]);
    let operator = prop::sample::select(vec![
        "=",
        "!=",
        "startswith",
        "endswith",
        "contains",
        "icontains",
        "glob",
        "iglob",
    ]);
    let pair = |list: &'static str| {
        (text.clone(), word.clone(), word.clone())
            .prop_map(move |(field, a, b)| format!("{field} {list} ({a}, {b})"))
    };
    prop_oneof![
        4 => (text.clone(), operator, word.clone())
            .prop_map(|(field, operator, word)| format!("{field} {operator} \"{word}\"")),
        1 => (text.clone(), word.clone()).prop_map(|(field, word)| format!("{field} glob \"*{word}?*\"")),
        1 => pair("in"),
        1 => pair("pmatch"),
        1 => pair("contains oneof"),
        1 => pair("startswith anyof"),
        1 => text.clone().prop_map(|field| format!("{field} exists")),
        1 => text.clone().prop_map(|field| format!("{field} in ()")),
        1 => text.prop_map(|field| format!("{field} = val(proc.name)")),
        1 => prop::sample::select(vec![
            "user.uid = 0", "user.uid != 0", "fd.num >= 3", "fd.num in (1, 2)", "evt.is_open_write = true",
            "evt.is_open_write = false", "evt.num = 0", "evt.type = openat", "evt.type != openat",
            "evt.type in (execve, connect)", "fd.ip = 10.0.0.0/8", "fd.sip in (10.1.0.0/16, 10.1.1.1)",
            "fd.ip != 10.0.0.1", "fd.port = 80", "fd.port != 80", "tolower(proc.name) = ab",
        ]).prop_map(str::to_owned),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    comparison().prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_index_finds_what_a_look_at_every_rule_finds(
        conditions in prop::collection::vec(condition(), 1..80),
        seed: u64,
    ) {
        let mut text = String::new();
        for (number, condition) in conditions.iter().enumerate() {
            text += &format!(
                "- rule: r{number}\n  desc: d\n  output: o\n  priority: INFO\n  condition: '{condition}'\n"
            );
        }
        let rules = Rules::new(&[RuleFile { path: "drawn.yaml".to_owned(), text }]);
        let mut outcome = Outcome::default();
        for number in 0..40 {
            compare(&rules, seed.wrapping_add(number), &mut outcome);
        }
    }
}
