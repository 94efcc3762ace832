//! A second evaluator, as simple as can be: it walks the condition as written, with no index, no
//! shared comparisons and no types but those of the values. What it says is what must come out.

use std::net::IpAddr;

use super::catalogue::{FieldArg, FieldId, FieldInfo, NotEqual, field};
use super::compile::test::parse_number;
use super::falco::ast::{
    Check, FieldRef, ListOperator, Modifier, Operand, Operator, Order, Right, TextOperator,
    Transformer, Word,
};
use super::falco::resolve::Resolved;
use super::fields::FieldSource;
use super::fields::evt::Evt;
use super::truth::Truth;
use super::value::{OwnedScalar, Value};

/// Truth of a condition.
pub(super) fn truth(condition: &Resolved, event: &impl FieldSource) -> Truth {
    match condition {
        Resolved::Not(child) => truth(child, event).negate(),
        Resolved::And(children) => all(children.iter().map(|child| truth(child, event))),
        Resolved::Or(children) => any(children.iter().map(|child| truth(child, event))),
        Resolved::Check(check, _) => self::check(check, event),
    }
}

fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    let truths: Vec<_> = truths.collect();
    if truths.contains(&Truth::True) {
        Truth::True
    } else if truths.contains(&Truth::Unknown) {
        Truth::Unknown
    } else {
        Truth::False
    }
}

fn all(truths: impl Iterator<Item = Truth>) -> Truth {
    any(truths.map(Truth::negate)).negate()
}

/// Values of one side.
enum Side {
    Missing,
    Unknown,
    Values(Vec<OwnedScalar>),
}

fn check(check: &Check, event: &impl FieldSource) -> Truth {
    // Whether something is in an empty list does not depend on it.
    if let (Operator::List(_), Some(Right::List(words))) = (check.operator, &check.right)
        && words.is_empty()
    {
        return Truth::False;
    }
    let left = match side(&check.left, event) {
        Side::Missing => return Truth::False,
        Side::Unknown => return Truth::Unknown,
        Side::Values(values) => values,
    };
    let differs = matches!(check.operator, Operator::Text(TextOperator::NotEqual, _));
    let every = differs && info(&check.left).is_some_and(|info| info.not_equal == NotEqual::All);
    let is_type = info(&check.left).is_some_and(|info| info.id == FieldId::Evt(Evt::Type));
    let holds = |passes: &dyn Fn(&OwnedScalar) -> bool| -> bool {
        if every {
            !left.is_empty() && left.iter().all(passes)
        } else {
            left.iter().any(passes)
        }
    };
    match (check.operator, &check.right) {
        (Operator::Exists, _) => holds(&|_| true).into(),
        (Operator::Text(operator, None), Some(Right::Value(word))) => {
            holds(&|value| text(value, operator, &named(word, is_type))).into()
        }
        (Operator::Text(operator, Some(modifier)), Some(Right::List(words))) => {
            let count = words
                .iter()
                .filter(|word| holds(&|value| text(value, operator, word)))
                .count();
            match modifier {
                Modifier::One => count == 1,
                Modifier::Any => count > 0,
                Modifier::All => count == words.len(),
            }
            .into()
        }
        (Operator::Order(order), Some(Right::Value(word))) => {
            let right = parse_number(&word.text).unwrap();
            holds(&|value| ordered(value, order, right)).into()
        }
        (Operator::List(operator), Some(Right::List(words))) => holds(&|value| {
            words
                .iter()
                .any(|word| listed(value, operator, &named(word, is_type)))
        })
        .into(),
        (operator, Some(Right::Operand(right))) => match side(right, event) {
            Side::Missing => Truth::False,
            Side::Unknown => Truth::Unknown,
            Side::Values(rights) => holds(&|value| {
                let mut passes = rights.iter().map(|right| pair(value, operator, right));
                if every {
                    passes.all(|it| it)
                } else {
                    passes.any(|it| it)
                }
            })
            .into(),
        },
        (operator, right) => panic!("{operator:?} {right:?}"),
    }
}

/// The word under the name of the event that stands for it.
fn named(word: &Word, is_type: bool) -> Word {
    let mut word = word.clone();
    if is_type && ["fork", "vfork", "clone3"].contains(&word.text.as_str()) {
        word.text = "clone".to_owned();
    }
    word
}

fn side(operand: &Operand, event: &impl FieldSource) -> Side {
    match operand {
        Operand::Field(reference) => {
            let (info, argument) = resolved(reference);
            let mut scratch = Vec::new();
            match event.get(info.id, argument.as_ref(), &mut scratch) {
                Value::Missing => Side::Missing,
                Value::Unknown => Side::Unknown,
                Value::One(scalar) => Side::Values(vec![scalar.into()]),
                Value::Many(values) => Side::Values(values.map(Into::into).collect()),
            }
        }
        Operand::Literal(word) => {
            Side::Values(vec![OwnedScalar::Text(word.text.as_bytes().into())])
        }
        Operand::Transform {
            transformer,
            arguments,
            ..
        } => transformed(*transformer, arguments, event),
        Operand::List(_) => panic!("a list is an argument"),
    }
}

fn transformed(transformer: Transformer, arguments: &[Operand], event: &impl FieldSource) -> Side {
    let mut texts = Vec::new();
    let mut unknown = false;
    let flat = arguments.iter().flat_map(|argument| match argument {
        Operand::List(items) => items.iter().collect::<Vec<_>>(),
        other => vec![other],
    });
    for argument in flat {
        match side(argument, event) {
            Side::Missing => return Side::Missing,
            Side::Unknown => unknown = true,
            Side::Values(values) => match &values[..] {
                [OwnedScalar::Text(text)] => texts.push(text.to_vec()),
                other => panic!("{other:?}"),
            },
        }
    }
    if unknown {
        return Side::Unknown;
    }
    let joined = |separator: &[u8], texts: &[Vec<u8>]| texts.join(separator);
    let text = match transformer {
        Transformer::Len => return Side::Values(vec![OwnedScalar::Number(texts[0].len() as i64)]),
        Transformer::ToLower => texts[0].to_ascii_lowercase(),
        Transformer::ToUpper => texts[0].to_ascii_uppercase(),
        Transformer::Basename => {
            let mut parts = texts[0].rsplit(|byte| *byte == b'/');
            parts.next().unwrap_or_default().to_vec()
        }
        Transformer::Concat => joined(b"", &texts),
        Transformer::Join => joined(&texts[0], &texts[1..]),
        Transformer::B64 | Transformer::GetOpt => panic!("no rule of the tests uses it"),
    };
    Side::Values(vec![OwnedScalar::Text(text.into())])
}

fn info(operand: &Operand) -> Option<&'static FieldInfo> {
    match operand {
        Operand::Field(reference) => Some(resolved(reference).0),
        _ => None,
    }
}

/// The field that is meant, with what stands in its brackets.
pub(super) fn resolved(reference: &FieldRef) -> (&'static FieldInfo, Option<FieldArg>) {
    let FieldRef { name, argument, .. } = reference;
    if let ("evt.arg" | "evt.rawarg", Some(argument)) = (name.as_str(), argument) {
        return (field(&format!("{name}.{argument}")).unwrap(), None);
    }
    let argument = argument.as_ref().map(|argument| match argument.parse() {
        Ok(index) => FieldArg::Index(index),
        Err(_) => FieldArg::Text(argument.as_str().into()),
    });
    let info = field(name).unwrap_or_else(|| panic!("no field {name}"));
    (info, argument)
}

fn text(value: &OwnedScalar, operator: TextOperator, word: &Word) -> bool {
    let right = word.text.as_bytes();
    match (value, operator) {
        (OwnedScalar::Text(left), TextOperator::Regex) => {
            let pattern = format!("^(?:{})$", word.text);
            regex::bytes::Regex::new(&pattern).unwrap().is_match(left)
        }
        (OwnedScalar::Text(left), TextOperator::BContains | TextOperator::BStartsWith) => {
            let bytes: Vec<u8> = (0..right.len() / 2)
                .map(|at| u8::from_str_radix(&word.text[at * 2..][..2], 16).unwrap())
                .collect();
            match operator {
                TextOperator::BContains => contains(left, &bytes),
                _ => left.starts_with(&bytes),
            }
        }
        (OwnedScalar::Text(left), _) => texts(left, operator, right),
        (_, TextOperator::NotEqual) => !equals(value, &word.text),
        (_, TextOperator::Equal) => equals(value, &word.text),
        other => panic!("{other:?}"),
    }
}

fn equals(value: &OwnedScalar, word: &str) -> bool {
    match value {
        OwnedScalar::Text(text) => **text == *word.as_bytes(),
        OwnedScalar::Number(number) => parse_number(word) == Some(*number),
        OwnedScalar::Bool(flag) => word == flag.to_string(),
        OwnedScalar::Address(address) => in_network(*address, word),
    }
}

fn in_network(address: IpAddr, word: &str) -> bool {
    let (network, length) = match word.split_once('/') {
        Some((network, length)) => (network, length.parse().unwrap()),
        None => (word, 128),
    };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => format!("{:032b}", u32::from(address)),
        IpAddr::V6(address) => format!("{:0128b}", u128::from(address)),
    };
    let (left, right) = (bits(address), bits(network.parse().unwrap()));
    let length = right.len().min(length);
    left.len() == right.len() && left[..length] == right[..length]
}

fn texts(left: &[u8], operator: TextOperator, right: &[u8]) -> bool {
    let lower = |text: &[u8]| text.to_ascii_lowercase();
    match operator {
        TextOperator::Equal => left == right,
        TextOperator::NotEqual => left != right,
        TextOperator::Contains => contains(left, right),
        TextOperator::IContains => contains(&lower(left), &lower(right)),
        TextOperator::StartsWith => left.starts_with(right),
        TextOperator::EndsWith => left.ends_with(right),
        TextOperator::Glob => glob(right, left),
        TextOperator::IGlob => glob(&lower(right), &lower(left)),
        other => panic!("{other:?}"),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    (0..=text.len()).any(|at| text[at..].starts_with(part))
}

/// `*`, `?` and ranges such as `[a-z]`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'[', [first, b'-', last, b']', rest @ ..])) => text
            .split_first()
            .is_some_and(|(byte, text)| (first..=last).contains(&byte) && glob(rest, text)),
        Some((b'*', rest)) => (0..=text.len()).any(|taken| glob(rest, &text[taken..])),
        Some((first, rest)) => text
            .split_first()
            .is_some_and(|(byte, text)| (first == byte || *first == b'?') && glob(rest, text)),
    }
}

fn ordered(value: &OwnedScalar, order: Order, right: i64) -> bool {
    match value {
        OwnedScalar::Number(left) => order.holds(*left, right),
        other => panic!("{other:?}"),
    }
}

fn listed(value: &OwnedScalar, operator: ListOperator, word: &Word) -> bool {
    match (operator, value) {
        (ListOperator::Pmatch, OwnedScalar::Text(path)) => below(path, word.text.as_bytes()),
        _ => equals(value, &word.text),
    }
}

/// The path is one that the pattern matches, or lies below one.
fn below(path: &[u8], pattern: &[u8]) -> bool {
    let mut pattern = pattern;
    while let Some((b'/', rest)) = pattern.split_last() {
        pattern = rest;
    }
    let slashes = |text: &[u8]| text.iter().filter(|byte| **byte == b'/').count();
    (0..=path.len())
        .filter(|end| *end == 0 || *end == path.len() || path[*end] == b'/')
        .any(|end| slashes(&path[..end]) == slashes(pattern) && glob(pattern, &path[..end]))
}

fn pair(left: &OwnedScalar, operator: Operator, right: &OwnedScalar) -> bool {
    match (left, operator, right) {
        (_, Operator::Text(TextOperator::NotEqual, _), _) => left != right,
        (
            _,
            Operator::Text(TextOperator::Equal, _)
            | Operator::List(ListOperator::In | ListOperator::Intersects),
            _,
        ) => left == right,
        (OwnedScalar::Text(left), Operator::Text(operator, _), OwnedScalar::Text(right)) => {
            texts(left, operator, right)
        }
        (OwnedScalar::Number(left), Operator::Order(order), OwnedScalar::Number(right)) => {
            order.holds(*left, *right)
        }
        (OwnedScalar::Text(left), Operator::List(_), OwnedScalar::Text(right)) => {
            below(left, right)
        }
        other => panic!("{other:?}"),
    }
}

/// Words of a condition, by the field that is compared with them; what generated events are made of.
pub(super) fn words<'a>(condition: &'a Resolved, each: &mut impl FnMut(&'a FieldRef, &'a str)) {
    match condition {
        Resolved::Not(child) => words(child, each),
        Resolved::And(children) | Resolved::Or(children) => {
            for child in children {
                words(child, each);
            }
        }
        Resolved::Check(check, _) => words_of(&check.left, check.right.as_ref(), each),
    }
}

fn words_of<'a>(
    left: &'a Operand,
    right: Option<&'a Right>,
    each: &mut impl FnMut(&'a FieldRef, &'a str),
) {
    match left {
        Operand::Field(reference) => match right {
            Some(Right::Value(word)) => each(reference, &word.text),
            Some(Right::List(words)) => {
                for word in words {
                    each(reference, &word.text);
                }
            }
            Some(Right::Operand(right)) => {
                each(reference, "x");
                words_of(right, None, each);
            }
            None => each(reference, "x"),
        },
        Operand::Transform { arguments, .. } => {
            for argument in arguments {
                words_of(argument, right, each);
            }
        }
        Operand::List(items) => {
            for item in items {
                words_of(item, right, each);
            }
        }
        Operand::Literal(_) => {}
    }
}
