//! Properties that hold for all input.

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;

use super::catalogue::{FieldArg, FieldId, Kind, field};
use super::falco::ast::{
    At, Check, Expr, FieldRef, ListOperator, Modifier, Operand, Operator, Order, Right,
    TextOperator, Transformer, Word,
};
use super::falco::{items, parser};
use super::testing::{loaded, with_condition};
use super::{FieldSource, Outcome, OwnedScalar, RuleFile, Truth, Value, read_samples};
use crate::model::Syscall;

fn word() -> impl Strategy<Value = Word> {
    (
        prop_oneof!["[a-z0-9/_.*-]{1,8}", "[ -~\\n\\té]{0,8}"],
        any::<bool>(),
    )
        .prop_map(|(text, quoted)| {
            let bare = !quoted && super::falco::lexer::reads_as_bare(&text);
            Word {
                quoted: !bare,
                text,
                at: At(0),
            }
        })
}

fn field_ref() -> impl Strategy<Value = FieldRef> {
    let argument = prop::option::of("[ -~]{1,6}");
    ("[a-z]{1,5}\\.[a-z]{1,5}(\\.[a-z][a-z_]{0,3}x)?", argument).prop_map(|(name, argument)| {
        FieldRef {
            name,
            argument,
            at: At(0),
        }
    })
}

fn operand() -> impl Strategy<Value = Operand> {
    let leaf = field_ref().prop_map(Operand::Field);
    leaf.prop_recursive(3, 8, 3, |inner| {
        let transformer = prop::sample::select(Transformer::ALL.to_vec());
        let argument = prop_oneof![
            inner,
            "[ -~]{0,5}".prop_map(|text| Operand::Literal(Word {
                text,
                quoted: true,
                at: At(0)
            })),
        ];
        let selector = prop::option::of("[ -~]{1,3}");
        (transformer, prop::collection::vec(argument, 1..3), selector).prop_map(
            |(transformer, arguments, selector)| Operand::Transform {
                transformer,
                arguments,
                selector: selector.filter(|_| transformer == Transformer::GetOpt),
                at: At(0),
            },
        )
    })
}

fn text_operator() -> impl Strategy<Value = TextOperator> {
    use TextOperator as T;
    prop::sample::select(vec![
        T::Equal,
        T::NotEqual,
        T::Contains,
        T::IContains,
        T::BContains,
        T::StartsWith,
        T::BStartsWith,
        T::EndsWith,
        T::Glob,
        T::IGlob,
        T::Regex,
    ])
}

fn check() -> impl Strategy<Value = Check> {
    let orders = vec![
        Order::Less,
        Order::LessOrEqual,
        Order::Greater,
        Order::GreaterOrEqual,
    ];
    let lists = vec![
        ListOperator::In,
        ListOperator::Intersects,
        ListOperator::Pmatch,
    ];
    let modifiers = vec![Modifier::One, Modifier::Any, Modifier::All];
    let words = || prop::collection::vec(word(), 0..4).prop_map(Right::List);
    let number = any::<i32>().prop_map(|number| {
        Right::Value(Word {
            text: number.to_string(),
            quoted: false,
            at: At(0),
        })
    });
    let right = prop_oneof![
        Just((Operator::Exists, None)),
        (prop::sample::select(orders), number).prop_map(|(o, r)| (Operator::Order(o), Some(r))),
        (text_operator(), word())
            .prop_map(|(o, w)| (Operator::Text(o, None), Some(Right::Value(w)))),
        (text_operator(), operand())
            .prop_map(|(o, r)| (Operator::Text(o, None), Some(Right::Operand(r)))),
        (text_operator(), prop::sample::select(modifiers), words())
            .prop_map(|(o, m, r)| (Operator::Text(o, Some(m)), Some(r))),
        (prop::sample::select(lists), words()).prop_map(|(o, r)| (Operator::List(o), Some(r))),
    ];
    (operand(), right).prop_map(|(left, (operator, right))| Check {
        left,
        operator,
        right,
    })
}

fn expression() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        4 => check().prop_map(Expr::Check),
        1 => "[a-z]{1,6}x".prop_map(|text| Expr::Macro(Word { text, quoted: false, at: At(0) })),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let many = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            many.clone().prop_map(Expr::And),
            many.prop_map(Expr::Or),
            inner.prop_map(|child| Expr::Not(Box::new(child))),
        ]
    })
}

proptest! {
    #[test]
    fn the_parser_never_panics(text in "(?s).{0,120}") {
        let _ = parser::parse(&text);
    }

    #[test]
    fn the_parser_never_panics_on_near_misses(
        text in "(not |not\\(|\\(|\\)|a\\.b|\\[|\\]|=|in|and |or |'|\"|\\\\|,|val\\(|len\\(|0x1|-| |\\n){0,40}"
    ) {
        let _ = parser::parse(&text);
    }

    #[test]
    fn what_is_printed_is_read_as_the_same(expression in expression()) {
        let printed = expression.to_string();
        let read = parser::parse(&printed);
        prop_assert_eq!(read.as_ref(), Ok(&expression), "{}", printed);
    }

    #[test]
    fn loading_never_panics(text in "(?s).{0,200}") {
        let _ = items::read(&Arc::from("f"), &text);
        let _ = read_samples(&RuleFile { path: "f".to_owned(), text });
    }

    #[test]
    fn loading_never_panics_on_near_misses(
        text in "(- |rule: |macro: |list: |items: |condition: |output: |desc: |priority: |exceptions: |values: |fields: |override: |append: true|\\n|\\n  |\\[|\\]|\\{|\\}|x|a\\.b = 1|proc\\.name|%proc\\.name|WARNING|>|\\||\"|'|&a |\\*a|: |#|\\t){0,60}"
    ) {
        let _ = loaded(&text);
    }

    #[test]
    fn a_condition_never_breaks_loading(condition in "(?s).{0,80}") {
        let _ = with_condition(&condition);
    }
}

/// A source whose three fields have the values it is given.
struct Fake {
    values: [Option<OwnedScalar>; 3],
    unknown: [Cell<bool>; 3],
}

const NAMES: [&str; 3] = ["container.name", "container.image", "container.image.tag"];

impl FieldSource for Fake {
    fn syscall(&self) -> Syscall {
        Syscall::Execve
    }

    fn get<'a>(
        &'a self,
        id: FieldId,
        _argument: Option<&'a FieldArg>,
        _scratch: &'a mut Vec<u8>,
    ) -> Value<'a> {
        let Some(position) = NAMES.iter().position(|name| field(name).unwrap().id == id) else {
            return Value::Missing;
        };
        if self.unknown[position].get() {
            return Value::Unknown;
        }
        Value::optional(self.values[position].as_ref().map(OwnedScalar::borrow))
    }
}

fn small_condition() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec!["a", "b", "ab"]);
    let name = prop::sample::select(NAMES.to_vec());
    let check = (name.clone(), value, 0..9_u8).prop_map(|(name, value, form)| match form {
        0 => format!("{name} = {value}"),
        1 => format!("{name} != {value}"),
        2 => format!("{name} exists"),
        3 => format!("{name} in ({value}, x)"),
        4 => format!("{name} startswith {value}"),
        5 => format!("toupper({name}) = {}", value.to_uppercase()),
        6 => format!("{name} = val(container.image)"),
        7 => format!("{name} contains oneof (a, b)"),
        _ => format!("concat({name}, container.name) endswith {value}"),
    });
    check.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_decision_stays_whatever_the_unknown_becomes(
        condition in small_condition(),
        values in prop::array::uniform3(prop::option::of(prop::sample::select(vec!["a", "b", "ab", ""]))),
        unknown in prop::array::uniform3(any::<bool>()),
    ) {
        let set = with_condition(&condition).set;
        let rule = super::RuleIndex(0);
        prop_assert_eq!(set.rules().len(), 1, "{}", condition);
        let values = values.map(|value| value.map(|text| OwnedScalar::Text(text.as_bytes().into())));
        let fake = Fake { values, unknown: unknown.map(Cell::new) };
        let before = set.decide(rule, &fake);
        let mut outcome = Outcome::default();
        set.evaluate(&fake, &mut outcome);
        prop_assert_eq!(outcome.matched.len() == 1, before == Truth::True);
        prop_assert_eq!(outcome.undecided.len() == 1, before == Truth::Unknown);
        for cell in &fake.unknown {
            cell.set(false);
        }
        let after = set.decide(rule, &fake);
        prop_assert_ne!(after, Truth::Unknown);
        if before != Truth::Unknown {
            prop_assert_eq!(before, after, "{}", condition);
        }
    }
}

#[test]
fn the_fake_fields_exist() {
    for name in NAMES {
        assert_eq!(field(name).unwrap().kind, Kind::Text);
    }
}
