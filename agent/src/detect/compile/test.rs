//! Comparisons: the right side is read as the type of the left one.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::catalogue::{FieldId, Kind, NotEqual, is_known, nearest};
use super::super::event_types::{EventTypes, TypeName, type_name, untraced_names};
use super::super::falco::ast::{ListOperator, Operator, Order, TextOperator, Word};
use super::super::falco::items::Trouble;
use super::super::falco::source::Text;
use super::super::fields::evt::Evt;
use super::super::glob::Glob;
use super::super::ir::{Comparison, PathPrefixes, Test};
use super::super::net::Network;
use super::super::patterns;
use super::super::reach::Reach;
use super::super::report::RefusalKind;
use super::operand::Typed;
use crate::model::Syscall;

/// A test with what it says about event types.
pub(super) struct Tested {
    pub(super) test: Test,
    pub(super) all: bool,
    pub(super) reach: Reach,
    pub(super) remarks: Vec<String>,
}

type Result<T> = std::result::Result<T, Trouble>;

/// A test that says nothing about event types beyond what its field says.
pub(super) fn tested(left: &Typed, test: Test) -> Tested {
    let on = left.info.map_or(EventTypes::ALL, |info| info.on);
    let differs = matches!(
        test,
        Test::NumberNot(_)
            | Test::AddressNot(_)
            | Test::NotEqual(_)
            | Test::Dynamic(Comparison::Text(TextOperator::NotEqual), _)
    );
    let both_ends = left
        .info
        .is_some_and(|info| info.not_equal == NotEqual::All);
    Tested {
        test,
        all: differs && both_ends,
        reach: Reach::field(on),
        remarks: Vec::new(),
    }
}

fn is_event_type(left: &Typed) -> bool {
    is_field(left, Evt::Type)
}

fn is_field(left: &Typed, field: Evt) -> bool {
    left.info.is_some_and(|info| info.id == FieldId::Evt(field))
}

fn refuse<T>(left: &Typed, reason: String, hint: Option<String>) -> Result<T> {
    Err(Trouble {
        place: left.place.clone(),
        kind: RefusalKind::Type,
        reason,
        hint,
    })
}

fn mismatch<T>(left: &Typed, operator: impl std::fmt::Display) -> Result<T> {
    let (name, kind) = (&left.name, left.kind.name());
    if left.list {
        let reason = format!("'{operator}' does not fit '{name}', which is a list");
        let hint = "lists are compared with exists in intersects";
        return refuse(left, reason, Some(hint.to_owned()));
    }
    let hint = match left.kind {
        Kind::Text => {
            "text is compared with = != in contains startswith endswith glob regex pmatch"
        }
        Kind::Number => "numbers are compared with = != < <= > >= in",
        Kind::Bool => "booleans are compared with = true or = false",
        Kind::Address => "addresses are compared with = != in",
    };
    let reason = format!("'{operator}' does not fit '{name}', which is of type {kind}");
    refuse(left, reason, Some(hint.to_owned()))
}

/// Comparison with one value.
pub(super) fn text(
    left: &Typed,
    operator: TextOperator,
    word: &Word,
    text: &Rc<Text>,
) -> Result<Tested> {
    use TextOperator::{Equal, NotEqual};
    if is_event_type(left) && matches!(operator, Equal | NotEqual) {
        let mut tested = event_types(std::slice::from_ref(word), text)?;
        if operator == NotEqual {
            tested.reach = tested.reach.negate();
            if let Test::EventType(types) = &mut tested.test {
                *types = types.complement();
            }
        }
        return Ok(tested);
    }
    if left.list {
        return mismatch(left, Operator::Text(operator, None));
    }
    if is_field(left, Evt::Dir) && matches!(operator, Equal | NotEqual) {
        return Ok(direction(left, operator, word));
    }
    let test = match (left.kind, operator) {
        (Kind::Text, _) => text_test(operator, word, text)?,
        (Kind::Number, Equal) => return Ok(equal_number(left, number(left, word, text)?)),
        (Kind::Number, NotEqual) => Test::NumberNot(number(left, word, text)?),
        (Kind::Bool, Equal) => Test::Bool(boolean(word, text)?),
        (Kind::Bool, NotEqual) => Test::Bool(!boolean(word, text)?),
        (Kind::Address, Equal) => Test::Address([network(word, text)?].into()),
        (Kind::Address, NotEqual) => Test::AddressNot(network(word, text)?),
        _ => return mismatch(left, Operator::Text(operator, None)),
    };
    let mut tested = tested(left, test);
    let field = word.text.trim();
    if field.contains('.') && is_known(field) {
        tested.remarks.push(format!(
            "'{field}' is compared as a text; for the field of that name write val({field})"
        ));
    }
    Ok(tested)
}

/// Events are numbered from 1: `evt.num=0` is how rule files write "never".
fn equal_number(left: &Typed, number: i64) -> Tested {
    let mut tested = tested(left, Test::NumberIn([number].into()));
    if is_field(left, Evt::Num) && number < 1 {
        tested.reach = Reach::never();
    }
    tested
}

/// There are no events of the other direction: older rule files ask for those at a call's begin.
fn direction(left: &Typed, operator: TextOperator, word: &Word) -> Tested {
    let bytes: Box<[u8]> = word.text.as_bytes().into();
    let holds = (word.text == "<") == (operator == TextOperator::Equal);
    let mut tested = match operator {
        TextOperator::Equal => tested(left, Test::Equal(bytes)),
        _ => tested(left, Test::NotEqual(bytes)),
    };
    if !holds {
        tested.reach = Reach::never();
        let reason = "'evt.dir' is always '<': events are told when the call returns";
        tested.remarks.push(reason.to_owned());
    }
    tested
}

fn text_test(operator: TextOperator, word: &Word, text: &Rc<Text>) -> Result<Test> {
    let bytes: Box<[u8]> = word.text.as_bytes().into();
    Ok(match operator {
        TextOperator::Equal => Test::Equal(bytes),
        TextOperator::NotEqual => Test::NotEqual(bytes),
        TextOperator::Contains => contains(&bytes),
        TextOperator::IContains => Test::ContainsFolded(bytes.to_ascii_lowercase().into()),
        TextOperator::StartsWith => Test::Prefix(bytes),
        TextOperator::EndsWith => Test::Suffix(bytes),
        TextOperator::Glob => Test::Glob(Glob::new(bytes)),
        TextOperator::IGlob => Test::GlobFolded(Glob::new(bytes)),
        TextOperator::BContains => contains(&hexadecimal(word, text)?),
        TextOperator::BStartsWith => Test::Prefix(hexadecimal(word, text)?),
        TextOperator::Regex => Test::Regex(Box::new(regex(word, text)?)),
    })
}

fn contains(needle: &[u8]) -> Test {
    Test::Contains(Box::new(memchr::memmem::Finder::new(needle).into_owned()))
}

fn regex(word: &Word, text: &Rc<Text>) -> Result<regex::bytes::Regex> {
    patterns::compile(&word.text).map_err(|error| {
        let reason = format!("the regular expression cannot be used: {error}");
        Trouble::new(text.place(word.at.0), RefusalKind::Syntax, reason)
    })
}

fn hexadecimal(word: &Word, text: &Rc<Text>) -> Result<Box<[u8]>> {
    let digits = word.text.as_bytes();
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    let bytes: Option<Box<[u8]>> = digits.chunks(2).map(pair).collect();
    let even = digits.len().is_multiple_of(2);
    bytes.filter(|_| even).ok_or_else(|| {
        let reason = format!("'{}' is no sequence of hexadecimal bytes", word.text);
        Trouble::new(text.place(word.at.0), RefusalKind::Type, reason)
            .hint("two digits per byte, as in CAFEBABE")
    })
}

/// Comparison by order.
pub(super) fn order(left: &Typed, order: Order, word: &Word, text: &Rc<Text>) -> Result<Tested> {
    if left.kind != Kind::Number {
        return mismatch(left, order.name());
    }
    Ok(tested(left, Test::Number(order, number(left, word, text)?)))
}

/// Comparison with a list.
pub(super) fn list(
    left: &Typed,
    operator: ListOperator,
    words: &[Word],
    text: &Rc<Text>,
) -> Result<Tested> {
    let fits = match operator {
        ListOperator::Pmatch => left.kind == Kind::Text && !left.list,
        ListOperator::In | ListOperator::Intersects => left.kind != Kind::Bool,
    };
    if !fits {
        return mismatch(left, operator.name());
    }
    if is_event_type(left) && operator != ListOperator::Pmatch {
        return event_types(words, text);
    }
    if words.is_empty() {
        let reach = Reach::never();
        return Ok(Tested {
            reach,
            ..tested(left, Test::Never)
        });
    }
    let bytes = words.iter().map(|word| word.text.as_bytes());
    let test = match (left.kind, operator) {
        (Kind::Text, ListOperator::Pmatch) => Test::PathPrefix(PathPrefixes::new(bytes)),
        (Kind::Text | Kind::Bool, _) => Test::TextIn(bytes.map(Into::into).collect()),
        (Kind::Number, _) => {
            let numbers = words.iter().map(|word| number(left, word, text));
            let mut numbers = numbers.collect::<Result<Vec<_>>>()?;
            numbers.sort_unstable();
            Test::NumberIn(numbers.into())
        }
        (Kind::Address, _) => {
            let networks = words.iter().map(|word| network(word, text));
            Test::Address(networks.collect::<Result<_>>()?)
        }
    };
    Ok(in_list(tested(left, test), left, operator))
}

/// A list is in another when all of its values are.
fn in_list(tested: Tested, left: &Typed, operator: ListOperator) -> Tested {
    Tested {
        all: tested.all || left.list && operator == ListOperator::In,
        ..tested
    }
}

/// Comparison with another value of the event.
pub(super) fn dynamic(left: &Typed, comparison: Comparison, right: Typed) -> Result<Tested> {
    let both = |kind| left.kind == kind && right.kind == kind;
    let lists_fit = match comparison {
        Comparison::List(ListOperator::In | ListOperator::Intersects) => true,
        _ => !left.list && !right.list,
    };
    let fits = lists_fit
        && match comparison {
            Comparison::Order(_) => both(Kind::Number),
            Comparison::Text(TextOperator::Equal | TextOperator::NotEqual)
            | Comparison::List(ListOperator::In | ListOperator::Intersects) => {
                left.kind == right.kind
            }
            Comparison::Text(_) | Comparison::List(ListOperator::Pmatch) => both(Kind::Text),
        };
    if !fits {
        let (left_kind, right_kind) = (left.kind.name(), right.kind.name());
        let (left_name, right_name) = (&left.name, &right.name);
        let reason = format!(
            "'{left_name}' ({left_kind}) and '{right_name}' ({right_kind}) cannot be compared so"
        );
        return refuse(left, reason, None);
    }
    let tested = tested(left, Test::Dynamic(comparison, right.source));
    Ok(match comparison {
        Comparison::List(operator) => in_list(tested, left, operator),
        _ => tested,
    })
}

/// A test of the event's type: names that are not traced are kept for the report.
fn event_types(words: &[Word], text: &Rc<Text>) -> Result<Tested> {
    let mut traced = EventTypes::NONE;
    let mut untraced = BTreeSet::new();
    let mut remarks = Vec::new();
    for word in words {
        match type_name(&word.text) {
            TypeName::Traced(syscall) => traced = traced.union(EventTypes::of(&[syscall])),
            TypeName::Alias(syscall) => {
                traced = traced.union(EventTypes::of(&[syscall]));
                let (name, general) = (&word.text, syscall.name());
                remarks.push(format!(
                    "'{name}' is reported as '{general}', and so are the calls like it"
                ));
            }
            TypeName::Untraced => {
                untraced.insert(word.text.clone());
            }
            TypeName::Unheard => return Err(no_such_event(word, text)),
        }
    }
    Ok(Tested {
        test: Test::EventType(traced),
        all: false,
        reach: Reach::types(traced, untraced),
        remarks,
    })
}

fn no_such_event(word: &Word, text: &Rc<Text>) -> Trouble {
    let known = Syscall::ALL.iter().map(|syscall| syscall.name());
    let near = nearest(&word.text, known.chain(untraced_names()));
    let reason = format!("there is no event type '{}'", word.text);
    let trouble = Trouble::new(text.place(word.at.0), RefusalKind::NoSuchEvent, reason);
    match near {
        Some(near) => trouble.hint(format!("did you mean '{near}'?")),
        None => trouble,
    }
}

fn number(left: &Typed, word: &Word, text: &Rc<Text>) -> Result<i64> {
    parse_number(&word.text).ok_or_else(|| {
        let reason = format!("'{}' is no number, and '{}' is one", word.text, left.name);
        Trouble::new(text.place(word.at.0), RefusalKind::Type, reason)
    })
}

/// Decimal, hexadecimal, or decimal with a fraction or exponent that comes out whole.
pub(in super::super) fn parse_number(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok();
    }
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let float: f64 = text.parse().ok()?;
    let whole = float.trunc();
    let fits = whole.abs() < 9.0e18 && whole.to_bits() == float.to_bits();
    fits.then_some(whole as i64)
}

fn boolean(word: &Word, text: &Rc<Text>) -> Result<bool> {
    match word.text.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(Trouble::new(
            text.place(word.at.0),
            RefusalKind::Type,
            format!("'{other}' is neither true nor false"),
        )),
    }
}

fn network(word: &Word, text: &Rc<Text>) -> Result<Network> {
    Network::parse(&word.text).ok_or_else(|| {
        let reason = format!("'{}' is no address and no network", word.text);
        Trouble::new(text.place(word.at.0), RefusalKind::Type, reason)
            .hint("as in 10.1.2.3, 10.0.0.0/8 or fd00::/8")
    })
}
