//! What one comparison says about another one of the same field.
//!
//! Only what is certain is said: `false` means "not known".

use super::super::catalogue::{Argument, FieldId, NotEqual, info};
use super::super::eval;
use super::super::falco::ast::Order;
use super::super::fields::dns::Dns;
use super::super::ir::{Leaf, Source, Test};
use super::super::value::Scalar;

/// Wherever the first comparison holds, the second one holds too.
pub(super) fn implies(first: &Leaf, second: &Leaf) -> bool {
    if let (Test::EventType(some), Test::EventType(more)) = (&first.test, &second.test) {
        return some.intersection(*more) == *some;
    }
    if first.shown == second.shown {
        return true;
    }
    if first.shown.field != second.shown.field || first.all || second.all {
        return false;
    }
    match (&first.test, &second.test) {
        // Placeholders that are made to be filled say nothing.
        (Test::Never, _) | (_, Test::Never) => false,
        (_, Test::Exists) => true,
        (first, second) => is_subset(first, second),
    }
}

/// The two comparisons never hold at once.
pub(super) fn exclude(first: &Leaf, second: &Leaf) -> bool {
    if let (Test::EventType(some), Test::EventType(others)) = (&first.test, &second.test) {
        return some.intersection(*others).is_empty();
    }
    // Of several values one can satisfy the first, another one the second.
    if first.shown.field != second.shown.field || !has_one_value(&first.left) {
        return false;
    }
    are_apart(&first.test, &second.test) || are_apart(&second.test, &first.test)
}

fn has_one_value(source: &Source) -> bool {
    let Source::Field { id, argument } = source else {
        // Transformers take one value and give one.
        return matches!(source, Source::Transform(..) | Source::Join { .. });
    };
    let info = info(*id);
    let may_have_several = matches!(id, FieldId::Dns(Dns::Answers | Dns::Cnames));
    let indexed = argument.is_some() || info.name == "proc.args";
    info.not_equal == NotEqual::Any
        && !may_have_several
        && match info.argument {
            Argument::Never => true,
            Argument::OptionalIndex => indexed,
            Argument::OptionalKey | Argument::Required => false,
        }
}

/// Every value that passes the first test passes the second.
fn is_subset(first: &Test, second: &Test) -> bool {
    if let Some(all) = each_value(first, |value| eval::test(second, value)) {
        return all;
    }
    match (first, second) {
        (Test::Prefix(prefix), _) => begun(prefix, second),
        (Test::Suffix(suffix), Test::Suffix(shorter)) => suffix.ends_with(shorter),
        (Test::Suffix(text), _) => contained(text, second),
        (Test::Contains(finder), _) => contained(finder.needle(), second),
        (Test::ContainsFolded(needle), Test::ContainsFolded(part)) => {
            memchr::memmem::find(needle, part).is_some()
        }
        (Test::PathPrefix(prefixes), _) => prefixes
            .plain()
            .is_some_and(|mut plain| plain.all(|path| below(path, second))),
        (Test::Address(networks), Test::Address(wider)) => networks
            .iter()
            .all(|network| wider.iter().any(|other| other.covers(network))),
        (Test::Number(order, bound), Test::Number(wider, limit)) => {
            range(*order, *bound).is_within(range(*wider, *limit))
        }
        (Test::Number(order, bound), Test::NumberNot(other)) => !order.holds(*other, *bound),
        _ => false,
    }
}

/// No value passes both tests.
fn are_apart(first: &Test, second: &Test) -> bool {
    if let Some(none) = each_value(first, |value| !eval::test(second, value)) {
        return none && !matches!(second, Test::Exists | Test::Never | Test::Dynamic(..));
    }
    match (first, second) {
        (Test::Prefix(one), Test::Prefix(other)) => {
            !one.starts_with(other) && !other.starts_with(one)
        }
        (Test::Suffix(one), Test::Suffix(other)) => !one.ends_with(other) && !other.ends_with(one),
        (Test::Address(networks), Test::Address(others)) => networks.iter().all(|network| {
            others
                .iter()
                .all(|other| !network.covers(other) && !other.covers(network))
        }),
        (Test::Number(order, bound), Test::Number(other, limit)) => {
            let (one, other) = (range(*order, *bound), range(*other, *limit));
            one.last < other.first || other.last < one.first
        }
        _ => false,
    }
}

/// Whether the check holds for each value that passes a test; `None` for a test that more values
/// pass than are written.
fn each_value(test: &Test, check: impl Fn(Scalar<'_>) -> bool) -> Option<bool> {
    match test {
        Test::Equal(text) => Some(check(Scalar::Text(text))),
        Test::TextIn(texts) => Some(texts.iter().all(|text| check(Scalar::Text(text)))),
        Test::NumberIn(numbers) => {
            Some(numbers.iter().all(|number| check(Scalar::Number(*number))))
        }
        Test::Bool(flag) => Some(check(Scalar::Bool(*flag))),
        _ => None,
    }
}

/// Texts that begin so pass the test.
fn begun(prefix: &[u8], test: &Test) -> bool {
    match test {
        Test::Prefix(shorter) => prefix.starts_with(shorter),
        // What follows the last slash may go on.
        Test::PathPrefix(set) => memchr::memrchr(b'/', prefix).is_some_and(|slash| {
            slash > 0 && set.plain().is_some() && set.matches(&prefix[..slash])
        }),
        _ => contained(prefix, test),
    }
}

/// Texts that contain this pass the test.
fn contained(text: &[u8], test: &Test) -> bool {
    match test {
        Test::Contains(finder) => finder.find(text).is_some(),
        Test::ContainsFolded(needle) => {
            let folded = text.to_ascii_lowercase();
            memchr::memmem::find(&folded, needle).is_some()
        }
        _ => false,
    }
}

/// A path and everything below it passes the test.
fn below(path: &[u8], test: &Test) -> bool {
    match test {
        Test::PathPrefix(set) => set.plain().is_some() && set.matches(path),
        Test::Prefix(prefix) => path.starts_with(prefix),
        _ => contained(path, test),
    }
}

/// Numbers between two bounds, both included.
#[derive(Clone, Copy)]
struct Range {
    first: i64,
    last: i64,
}

impl Range {
    const fn is_within(self, other: Self) -> bool {
        self.first >= other.first && self.last <= other.last
    }
}

const fn range(order: Order, bound: i64) -> Range {
    let (first, last) = match order {
        Order::Less => (i64::MIN, bound.saturating_sub(1)),
        Order::LessOrEqual => (i64::MIN, bound),
        Order::Greater => (bound.saturating_add(1), i64::MAX),
        Order::GreaterOrEqual => (bound, i64::MAX),
    };
    Range { first, last }
}
