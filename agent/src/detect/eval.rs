//! Evaluation of compiled conditions against an event.

use std::ops::Range;

use super::catalogue::{FieldArg, FieldId};
use super::falco::ast::{ListOperator, TextOperator};
use super::fields::proc::Proc;
use super::fields::{FieldSource, time_part};
use super::getopt::{Options, Wanted};
use super::glob::Glob;
use super::ir::{
    Comparison, Leaf, LeafId, Node, OptionSource, PathPrefixes, Source, Term, Test, Transform,
    Words,
};
use super::patterns::Patterns;
use super::truth::Truth;
use super::value::{OwnedScalar, Scalar, Value, Values, append, show, show_all};

/// Buffers that are reused from event to event, so that evaluation allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    text: Vec<u8>,
    /// Text of the right side, while `text` holds the left one.
    right: Vec<u8>,
    /// Buffers for the arguments of transformers.
    spare: Vec<Vec<u8>>,
    /// Regular expressions that events brought.
    patterns: Patterns,
}

impl Scratch {
    /// Two buffers, the first one empty: for a field's text, and for that in lower case.
    pub(crate) fn for_look_up(&mut self) -> (&mut Vec<u8>, &mut Vec<u8>) {
        self.text.clear();
        (&mut self.text, &mut self.right)
    }
}

/// What the leaves have been found to be for the event at hand. Equal leaves of different rules
/// are one leaf and are evaluated once.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// Generation in which the leaf was evaluated, and the outcome.
    seen: Vec<(u64, Truth)>,
    generation: u64,
}

impl Memo {
    /// Forgets what was found for the previous event.
    pub(crate) fn begin(&mut self, leaves: usize) {
        self.generation += 1;
        if self.seen.len() < leaves {
            self.seen.resize(leaves, (0, Truth::Unknown));
        }
    }

    /// A leaf was found to be this otherwise than by [`leaf`].
    pub(crate) fn remember(&mut self, leaf: LeafId, truth: Truth) {
        self.seen[leaf as usize] = (self.generation, truth);
    }
}

/// Truth of a condition.
pub(crate) fn node(
    node: &Node,
    leaves: &[Leaf],
    event: &impl FieldSource,
    memo: &mut Memo,
    scratch: &mut Scratch,
) -> Truth {
    let mut truth = |child: &Node| self::node(child, leaves, event, memo, scratch);
    match node {
        Node::Leaf(Term { leaf: id, .. }) => {
            let (generation, known) = memo.seen[*id as usize];
            if generation == memo.generation {
                return known;
            }
            let found = leaf(&leaves[*id as usize], event, scratch);
            memo.seen[*id as usize] = (memo.generation, found);
            found
        }
        Node::Not(child) => truth(child).negate(),
        Node::And(children) => decided(children, Truth::False, truth),
        Node::Or(children) => decided(children, Truth::True, truth),
        Node::One(children) => exactly_one(children.iter().map(truth)),
    }
}

/// Evaluates until one operand decides; unknown ones leave the outcome open.
fn decided(children: &[Node], decisive: Truth, mut truth: impl FnMut(&Node) -> Truth) -> Truth {
    let mut outcome = decisive.negate();
    for child in children {
        match truth(child) {
            found if found == decisive => return decisive,
            Truth::Unknown => outcome = Truth::Unknown,
            _ => {}
        }
    }
    outcome
}

/// Exactly one operand holds. Two that hold decide, whatever the unknown ones become.
pub(crate) fn exactly_one(truths: impl Iterator<Item = Truth>) -> Truth {
    let (mut holding, mut unknown) = (0, 0);
    for truth in truths {
        match truth {
            Truth::True => holding += 1,
            Truth::Unknown => unknown += 1,
            Truth::False => {}
        }
    }
    match (holding, unknown) {
        (2.., _) | (0, 0) => Truth::False,
        (1, 0) => Truth::True,
        _ => Truth::Unknown,
    }
}

/// Truth of a comparison.
pub(crate) fn leaf(leaf: &Leaf, event: &impl FieldSource, scratch: &mut Scratch) -> Truth {
    match &leaf.test {
        Test::EventType(types) => return types.contains(event.syscall()).into(),
        Test::Never => return Truth::False,
        _ => {}
    }
    let Scratch {
        text,
        right,
        spare,
        patterns,
    } = scratch;
    text.clear();
    let value = read(&leaf.left, event, text, spare);
    if let (Test::Dynamic(comparison, source), Value::One(_) | Value::Many(_)) =
        (&leaf.test, &value)
    {
        right.clear();
        // The right side needs spare buffers of its own: the left one may still borrow these.
        let other = read(source, event, right, &mut Vec::new());
        return dynamic(value, *comparison, other, leaf.all, patterns);
    }
    decide(value, leaf.all, |scalar| test(&leaf.test, scalar))
}

/// A missing value passes no test; of several values one must pass, or all.
fn decide<'a>(value: Value<'a>, all: bool, mut passes: impl FnMut(Scalar<'a>) -> bool) -> Truth {
    match value {
        Value::Missing => Truth::False,
        Value::Unknown => Truth::Unknown,
        Value::One(scalar) => passes(scalar).into(),
        Value::Many(mut values) if all => {
            let mut some = false;
            let every = values.all(|scalar| {
                some = true;
                passes(scalar)
            });
            (some && every).into()
        }
        Value::Many(mut values) => values.any(passes).into(),
    }
}

pub(super) fn test(test: &Test, scalar: Scalar<'_>) -> bool {
    match (test, scalar) {
        (Test::Exists, _) => true,
        (Test::Number(order, right), Scalar::Number(left)) => order.holds(left, *right),
        (Test::NumberIn(numbers), Scalar::Number(number)) => numbers.binary_search(&number).is_ok(),
        (Test::NumberNot(right), Scalar::Number(left)) => left != *right,
        (Test::Bool(right), Scalar::Bool(left)) => left == *right,
        (Test::Address(networks), Scalar::Address(address)) => {
            networks.iter().any(|network| network.contains(address))
        }
        (Test::AddressNot(network), Scalar::Address(address)) => !network.contains(address),
        (_, Scalar::Text(text)) => test_text(test, text),
        _ => false,
    }
}

fn test_text(test: &Test, text: &[u8]) -> bool {
    match test {
        Test::Equal(right) => *text == **right,
        Test::NotEqual(right) => *text != **right,
        Test::TextIn(set) => set.contains(text),
        Test::Prefix(prefix) => text.starts_with(prefix),
        Test::Suffix(suffix) => text.ends_with(suffix),
        Test::Contains(finder) => finder.find(text).is_some(),
        Test::ContainsFolded(needle) => contains_folded(text, needle),
        Test::EqualFolded(right) => text.eq_ignore_ascii_case(right),
        Test::PrefixFolded(prefix) => text
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
        Test::SuffixFolded(suffix) => text
            .len()
            .checked_sub(suffix.len())
            .is_some_and(|start| text[start..].eq_ignore_ascii_case(suffix)),
        Test::Glob(glob) => glob.matches(text),
        Test::GlobFolded(glob) => glob.matches_folded(text),
        Test::Regex(regex) => regex.is_match(text),
        Test::PathPrefix(prefixes) => prefixes.matches(text),
        _ => false,
    }
}

fn contains_folded(text: &[u8], needle: &[u8]) -> bool {
    find_folded(text, needle).is_some()
}

fn find_folded(text: &[u8], needle: &[u8]) -> Option<usize> {
    let Some(&first) = needle.first() else {
        return Some(0);
    };
    let starts = text.len().saturating_sub(needle.len() - 1);
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(lower, upper, &text[..starts])
        .find(|&start| text[start..start + needle.len()].eq_ignore_ascii_case(needle))
}

fn dynamic(
    left: Value<'_>,
    comparison: Comparison,
    right: Value<'_>,
    all: bool,
    patterns: &mut Patterns,
) -> Truth {
    let mut holds = |left: Scalar<'_>, right: Scalar<'_>| match (comparison, left, right) {
        (Comparison::Text(TextOperator::Regex), Scalar::Text(left), Scalar::Text(right)) => {
            patterns.matches(right, left)
        }
        _ => compare(left, comparison, right),
    };
    // Only of a text that differs all values count; a list holds what it holds.
    let every = all && comparison == Comparison::Text(TextOperator::NotEqual);
    match right {
        Value::Missing => Truth::False,
        Value::Unknown => Truth::Unknown,
        Value::One(right) => decide(left, all, |left| holds(left, right)),
        Value::Many(rights) => decide(left, all, |left| {
            let mut rights = rights.clone();
            if every {
                rights.all(|right| holds(left, right))
            } else {
                rights.any(|right| holds(left, right))
            }
        }),
    }
}

fn compare(left: Scalar<'_>, comparison: Comparison, right: Scalar<'_>) -> bool {
    match (comparison, left, right) {
        (Comparison::Order(order), Scalar::Number(left), Scalar::Number(right)) => {
            order.holds(left, right)
        }
        (
            Comparison::Text(TextOperator::Equal)
            | Comparison::List(ListOperator::In | ListOperator::Intersects),
            left,
            right,
        ) => left == right,
        (Comparison::Text(TextOperator::NotEqual), left, right) => left != right,
        (Comparison::Text(operator), Scalar::Text(left), Scalar::Text(right)) => {
            compare_text(left, operator, right)
        }
        (Comparison::List(ListOperator::Pmatch), Scalar::Text(left), Scalar::Text(right)) => {
            PathPrefixes::new(std::iter::once(right)).matches(left)
        }
        _ => false,
    }
}

fn compare_text(left: &[u8], operator: TextOperator, right: &[u8]) -> bool {
    match operator {
        TextOperator::Equal => left == right,
        TextOperator::NotEqual => left != right,
        // A field gives its bytes as they are, not in hexadecimal.
        TextOperator::Contains | TextOperator::BContains => {
            memchr::memmem::find(left, right).is_some()
        }
        TextOperator::IContains => contains_folded(left, right),
        TextOperator::StartsWith | TextOperator::BStartsWith => left.starts_with(right),
        TextOperator::EndsWith => left.ends_with(right),
        TextOperator::Glob => Glob::new(right).matches(left),
        TextOperator::IGlob => Glob::new(right).matches_folded(left),
        // Compiled and remembered by the caller.
        TextOperator::Regex => false,
    }
}

/// Reads a source. Text that must be computed is put into `scratch`.
fn read<'a>(
    source: &'a Source,
    event: &'a impl FieldSource,
    scratch: &'a mut Vec<u8>,
    spare: &mut Vec<Vec<u8>>,
) -> Value<'a> {
    match source {
        Source::Field { id, argument } => event.get(*id, argument.as_ref(), scratch),
        Source::Constant(value) => Value::One(OwnedScalar::borrow(value)),
        Source::Absent => Value::Missing,
        Source::Transform(transform, inner) => {
            let mut buffer = spare.pop().unwrap_or_default();
            buffer.clear();
            let outcome = match read(inner, event, &mut buffer, spare) {
                Value::One(Scalar::Text(text)) => transformed(*transform, text, scratch),
                Value::One(Scalar::Number(number)) => match transform {
                    Transform::Part(part) => Outcome::Number(time_part(*part, number)),
                    _ => Outcome::Missing,
                },
                Value::Unknown => Outcome::Unknown,
                _ => Outcome::Missing,
            };
            spare.push(buffer);
            outcome.value(scratch)
        }
        Source::Join { separator, parts } => {
            let mut buffer = spare.pop().unwrap_or_default();
            let outcome = joined(separator, parts, event, scratch, &mut buffer, spare);
            spare.push(buffer);
            outcome.value(scratch)
        }
        Source::Options(source) => {
            let mut letters = spare.pop().unwrap_or_default();
            let mut buffer = spare.pop().unwrap_or_default();
            let outcome = options(source, event, scratch, &mut letters, &mut buffer, spare);
            spare.push(letters);
            spare.push(buffer);
            outcome.value(scratch)
        }
    }
}

/// What a transformer gave; its text is in the scratch buffer.
enum Outcome {
    Missing,
    Unknown,
    Number(usize),
    Text,
    /// Texts with a zero behind each.
    Texts,
}

impl Outcome {
    fn value(self, scratch: &[u8]) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Unknown => Value::Unknown,
            Self::Number(number) => Value::number(number),
            Self::Text => Value::text(scratch),
            Self::Texts => Value::Many(Values::Terminated(scratch)),
        }
    }
}

fn transformed(transform: Transform, text: &[u8], out: &mut Vec<u8>) -> Outcome {
    match transform {
        Transform::Len => return Outcome::Number(text.len()),
        Transform::Part(_) => return Outcome::Missing,
        Transform::ToLower => out.extend(text.iter().map(u8::to_ascii_lowercase)),
        Transform::ToUpper => out.extend(text.iter().map(u8::to_ascii_uppercase)),
        Transform::Basename => {
            let start = memchr::memrchr(b'/', text).map_or(0, |slash| slash + 1);
            out.extend_from_slice(&text[start..]);
        }
        Transform::DecodeBase64 => {
            if !decode_base64(text, out) {
                return Outcome::Missing;
            }
        }
    }
    Outcome::Text
}

/// Standard alphabet, padding optional.
fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    let digits = text.trim_ascii();
    let end = digits
        .iter()
        .rposition(|&byte| byte != b'=')
        .map_or(0, |last| last + 1);
    let (mut bits, mut width) = (0_u32, 0);
    for &byte in &digits[..end] {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return false,
        };
        bits = bits << 6 | u32::from(value);
        width += 6;
        if width >= 8 {
            width -= 8;
            out.push((bits >> width) as u8);
        }
    }
    // A single digit at the end holds less than a byte.
    digits.len() - end <= 2 && end % 4 != 1
}

fn joined(
    separator: &[u8],
    parts: &[Source],
    event: &impl FieldSource,
    out: &mut Vec<u8>,
    buffer: &mut Vec<u8>,
    spare: &mut Vec<Vec<u8>>,
) -> Outcome {
    let mut unknown = false;
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            out.extend_from_slice(separator);
        }
        buffer.clear();
        match read(part, event, buffer, spare) {
            Value::One(scalar) => append_scalar(scalar, out),
            Value::Many(values) => {
                for (position, scalar) in values.enumerate() {
                    if position > 0 {
                        out.extend_from_slice(separator);
                    }
                    append_scalar(scalar, out);
                }
            }
            Value::Unknown => unknown = true,
            Value::Missing => return Outcome::Missing,
        }
    }
    if unknown {
        Outcome::Unknown
    } else {
        Outcome::Text
    }
}

fn append_scalar(scalar: Scalar<'_>, out: &mut Vec<u8>) {
    use std::io::Write as _;
    let written = match scalar {
        Scalar::Text(text) => {
            out.extend_from_slice(text);
            Ok(())
        }
        Scalar::Number(number) => write!(out, "{number}"),
        Scalar::Bool(flag) => write!(out, "{flag}"),
        Scalar::Address(address) => write!(out, "{address}"),
    };
    written.expect("writing to memory cannot fail");
}

/// The options among words; missing where there are none.
fn options(
    source: &OptionSource,
    event: &impl FieldSource,
    out: &mut Vec<u8>,
    letters: &mut Vec<u8>,
    buffer: &mut Vec<u8>,
    spare: &mut Vec<Vec<u8>>,
) -> Outcome {
    letters.clear();
    buffer.clear();
    match read(&source.letters, event, buffer, spare) {
        Value::One(Scalar::Text(text)) => letters.extend_from_slice(text),
        Value::Unknown => return Outcome::Unknown,
        _ => return Outcome::Missing,
    }
    let mut options = Options::new(letters, source.wanted, out);
    for position in 0.. {
        buffer.clear();
        let argument = FieldArg::Index(position);
        let word = match &source.words {
            Words::Arguments => event.get(FieldId::Proc(Proc::Args), Some(&argument), buffer),
            Words::Each(sources) => match sources.get(position as usize) {
                Some(source) => read(source, event, buffer, spare),
                None => break,
            },
        };
        match word {
            Value::One(Scalar::Text(word)) => {
                if options.word(word).is_break() {
                    break;
                }
            }
            Value::Unknown => return Outcome::Unknown,
            _ => break,
        }
    }
    if !options.finish() {
        return Outcome::Missing;
    }
    match source.wanted {
        Wanted::All => Outcome::Texts,
        Wanted::Last(_) => {
            // One text, without the zero behind it.
            out.pop();
            Outcome::Text
        }
    }
}

/// Which bytes of the event's text meet a comparison that says where it looks.
pub(crate) fn met_at(leaf: &Leaf, event: &impl FieldSource) -> Option<Range<usize>> {
    let (mut text, mut spare) = (Vec::new(), Vec::new());
    let Value::One(Scalar::Text(text)) = read(&leaf.left, event, &mut text, &mut spare) else {
        return None;
    };
    let part = |start: usize, length: usize| Some(start..start + length);
    match &leaf.test {
        Test::Prefix(prefix) => part(0, prefix.len()),
        Test::Suffix(suffix) => part(text.len().checked_sub(suffix.len())?, suffix.len()),
        Test::Contains(finder) => part(finder.find(text)?, finder.needle().len()),
        Test::PrefixFolded(prefix) => part(0, prefix.len()),
        Test::SuffixFolded(suffix) => part(text.len().checked_sub(suffix.len())?, suffix.len()),
        Test::ContainsFolded(needle) => part(find_folded(text, needle)?, needle.len()),
        _ => None,
    }
}

/// A value for people; `None` when it is missing.
pub(crate) fn shown(source: &Source, event: &impl FieldSource) -> Option<String> {
    let (mut text, mut spare) = (Vec::new(), Vec::new());
    let mut out = String::new();
    match read(source, event, &mut text, &mut spare) {
        Value::Missing => return None,
        Value::Unknown => append(&mut out, format_args!("<unknown>")),
        Value::One(scalar) => show(scalar, &mut out),
        Value::Many(values) => {
            show_all(values, &mut out);
            if out.is_empty() {
                return None;
            }
        }
    }
    Some(out)
}
