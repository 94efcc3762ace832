//! Detections of Sigma rules become the tree that Falco's conditions become too.

use std::net::IpAddr;
use std::rc::Rc;

use super::super::catalogue::{FieldArg, FieldInfo, Kind, field};
use super::super::falco::ast::TextOperator;
use super::super::falco::items::Trouble;
use super::super::falco::resolve::{self, Definitions};
use super::super::falco::source::{Place, Text};
use super::super::ir::{self, Node, Shown, Source, Test, Transform};
use super::super::net::Network;
use super::super::reach::Reach;
use super::super::report::RefusalKind;
use super::super::sigma::condition::{self, Condition};
use super::super::sigma::fields::{Found, Mapping, look_up, record_type};
use super::super::sigma::logsource;
use super::super::sigma::modifiers::{Comparison, Modifiers};
use super::super::sigma::pattern::{self, Pattern};
use super::super::sigma::search::{Detection, FieldSearch, Search, SearchValue};
use super::Compiler;
use super::operand::Typed;
use super::test::{parse_number, tested};

type Compiled = Result<(Node, Reach), Trouble>;

/// Comparisons that a rule may have once its values are encoded and its quantities written out.
const SIZE: usize = 50_000;

/// Compiles rules of one log source.
pub(crate) struct SigmaCompiler<'a> {
    compiler: &'a mut Compiler,
    source: logsource::Source,
    /// Comparisons so far.
    size: usize,
}

/// A field to compare.
#[derive(Clone, Debug)]
struct Left {
    typed: Typed,
    /// The field is true where the catalogue's is false.
    opposite: bool,
    /// Only parts of the moment can be compared.
    moment: bool,
}

impl<'a> SigmaCompiler<'a> {
    pub(crate) fn new(compiler: &'a mut Compiler, source: logsource::Source) -> Self {
        // There are no macros here.
        compiler.macros = Rc::default();
        Self {
            compiler,
            source,
            size: 0,
        }
    }

    /// Compiles a rule: its events, its detection and the detections of its filters must hold.
    pub(crate) fn rule<'d>(
        &mut self,
        detection: &'d Detection,
        filters: impl Iterator<Item = &'d Detection>,
        logsource: &Place,
    ) -> Compiled {
        let events = self.falco(self.source.guard(), logsource)?;
        let mut parts = vec![events, self.detection(detection)?];
        for filter in filters {
            parts.push(self.detection(filter)?);
        }
        Ok(all(parts))
    }

    /// Compiles a filter alone, to find out what is wrong with it.
    pub(crate) fn detection(&mut self, detection: &Detection) -> Compiled {
        let names: Vec<&str> = detection
            .searches
            .iter()
            .map(|(name, _)| name.value.as_str())
            .collect();
        let mut alternatives = Vec::new();
        for text in &detection.conditions {
            let condition = condition::parse(text, &names)?;
            alternatives.push(self.condition(&condition, detection, text)?);
        }
        Ok(any(alternatives))
    }

    /// The value of a field for a correlation.
    pub(crate) fn value(&mut self, name: &Text) -> Result<Source, Trouble> {
        Ok(self.left(&name.value, &name.start())?.typed.source)
    }

    /// A condition in Falco's language, for what stands there.
    fn falco(&mut self, condition: &str, place: &Place) -> Compiled {
        let text = Rc::new(Text::made_for(condition, place));
        let expression = resolve::parse(&text)?;
        let expanded = resolve::expand(&expression, &text, &Definitions::default())?;
        let remarks = std::mem::take(&mut self.compiler.remarks);
        let compiled = self.compiler.condition(&expanded.condition);
        self.compiler.remarks = remarks;
        compiled
    }

    fn condition(&mut self, condition: &Condition, detection: &Detection, text: &Text) -> Compiled {
        let mut each = |conditions: &[Condition]| -> Result<Vec<_>, Trouble> {
            let compiled = conditions.iter();
            compiled
                .map(|condition| self.condition(condition, detection, text))
                .collect()
        };
        match condition {
            Condition::And(children) => Ok(all(each(children)?)),
            Condition::Or(children) => Ok(any(each(children)?)),
            Condition::Not(child) => Ok(not(self.condition(child, detection, text)?)),
            &Condition::Search(position) => self.search(&detection.searches[position].1),
            Condition::Of(count, positions) => {
                let mut parts = Vec::new();
                for &position in positions {
                    parts.push(self.search(&detection.searches[position].1)?);
                }
                let ways = ways(*count, parts.len());
                self.grow(ways.saturating_mul(*count), || text.start())?;
                Ok(at_least(*count, &parts))
            }
        }
    }

    fn search(&mut self, search: &Search) -> Compiled {
        let mut each = |searches: &[Search]| -> Result<Vec<_>, Trouble> {
            searches.iter().map(|search| self.search(search)).collect()
        };
        match search {
            Search::All(searches) => Ok(all(each(searches)?)),
            Search::Any(searches) => Ok(any(each(searches)?)),
            Search::Field(search) => self.field(search),
        }
    }

    fn field(&mut self, search: &FieldSearch) -> Compiled {
        let modifiers = &search.modifiers;
        let place = search.key.start();
        if let Found::Mapped(Mapping::RecordType) = look_up(&search.field, self.source) {
            return self.record_type(search);
        }
        let left = self.left(&search.field, &place)?;
        if left.moment && !matches!(modifiers.comparison, Comparison::Part(_)) {
            let reason = format!("of '{}' only parts can be compared", search.field);
            return Err(Trouble::new(place, RefusalKind::Type, reason)
                .hint("as in 'UtcTime|hour: 3'; also minute, day, week, month and year"));
        }
        let mut parts = Vec::new();
        for value in &search.values {
            parts.push(self.compare(&left, search, value)?);
        }
        let found = if modifiers.all {
            all(parts)
        } else {
            any(parts)
        };
        if modifiers.negated {
            return Ok(all(vec![self.exists(&left)?, not(found)]));
        }
        Ok(found)
    }

    fn record_type(&mut self, search: &FieldSearch) -> Compiled {
        let place = search.key.start();
        if search.modifiers.comparison != Comparison::Equal {
            let reason = "of 'type' only whole names can be compared";
            return Err(Trouble::new(place, RefusalKind::UnsupportedFeature, reason));
        }
        let mut parts = Vec::new();
        for value in &search.values {
            let SearchValue::Text(name) = value else {
                let reason = "every record of auditd has a type";
                return Err(Trouble::new(place, RefusalKind::Type, reason));
            };
            let Some(condition) = record_type(&name.value) else {
                let reason = format!(
                    "not supported here: no events stand for records of type '{}'",
                    name.value
                );
                return Err(Trouble::new(name.start(), RefusalKind::LogSource, reason)
                    .hint("EXECVE and PATH have events"));
            };
            parts.push(self.falco(condition, &name.start())?);
        }
        let found = any(parts);
        Ok(if search.modifiers.negated {
            not(found)
        } else {
            found
        })
    }

    /// Looks a field up: Sigma's name, or one of the catalogue, which has a dot.
    fn left(&self, name: &str, place: &Place) -> Result<Left, Trouble> {
        let refuse = |kind, reason: String| Trouble::new(place.clone(), kind, reason);
        let left = |info: &'static FieldInfo, argument| Left {
            typed: Typed {
                source: Source::Field {
                    id: info.id,
                    argument,
                },
                kind: info.kind,
                info: Some(info),
                list: false,
                place: place.clone(),
                name: name.to_owned(),
            },
            opposite: false,
            moment: false,
        };
        let known = |name| field(name).expect("a test looks every mapped field up");
        if name.contains('.') {
            let info = field(name).filter(|info| {
                use super::super::catalogue::Argument;
                info.argument != Argument::Required
            });
            return info.map(|info| left(info, None)).ok_or_else(|| {
                refuse(
                    RefusalKind::NoSuchField,
                    format!("there is no field '{name}'"),
                )
                .hint("a name with a dot must be one that 'gravlens rules fields' lists")
            });
        }
        match look_up(name, self.source) {
            Found::Mapped(Mapping::Field(here)) => Ok(left(known(here), None)),
            Found::Mapped(Mapping::Argument(index)) => {
                Ok(left(known("proc.args"), Some(FieldArg::Index(index))))
            }
            Found::Mapped(Mapping::Opposite(here)) => Ok(Left {
                opposite: true,
                ..left(known(here), None)
            }),
            Found::Mapped(Mapping::Moment(here)) => Ok(Left {
                moment: true,
                ..left(known(here), None)
            }),
            Found::Mapped(Mapping::RecordType) => Err(refuse(
                RefusalKind::Type,
                "'type' of a record can only be compared in a search".to_owned(),
            )),
            Found::Unsupported(reason) => Err(refuse(
                RefusalKind::UnsupportedField,
                format!("field '{name}' is not supported here: {reason}"),
            )),
            Found::Unheard(near) => {
                let trouble = refuse(
                    RefusalKind::NoSuchField,
                    format!("there is no field '{name}' in {}", self.source.name()),
                );
                Err(match near {
                    Some(near) => trouble.hint(format!("did you mean '{near}'?")),
                    None => trouble.hint("docs/rules.md lists the fields of each log source"),
                })
            }
        }
    }

    fn compare(&mut self, left: &Left, search: &FieldSearch, value: &SearchValue) -> Compiled {
        let modifiers = &search.modifiers;
        let text = match value {
            SearchValue::Text(text) => text,
            SearchValue::Null if modifiers.comparison == Comparison::Equal => {
                return Ok(not(self.exists(left)?));
            }
            SearchValue::Null => {
                let reason = format!("'{}' needs a value", search.key.value);
                return Err(Trouble::new(search.key.start(), RefusalKind::Type, reason));
            }
        };
        let refuse = |reason: String| Trouble::new(text.start(), RefusalKind::Type, reason);
        if modifiers.field_reference {
            return self.other_field(left, modifiers, text);
        }
        match modifiers.comparison {
            Comparison::Exists => match boolean(&text.value) {
                Some(true) => self.exists(left),
                Some(false) => Ok(not(self.exists(left)?)),
                None => Err(refuse(format!(
                    "'{}' is neither true nor false",
                    text.value
                ))),
            },
            Comparison::Order(order) => {
                self.require(left, Kind::Number, modifiers, text)?;
                let number = number(text)?;
                self.add(
                    left.typed.clone(),
                    modifiers,
                    &text.value,
                    Test::Number(order, number),
                )
            }
            Comparison::Part(part) => {
                if !left.moment {
                    let reason = format!("'{}' is no moment; 'UtcTime' is one", search.field);
                    return Err(Trouble::new(search.key.start(), RefusalKind::Type, reason));
                }
                let number = number(text)?;
                let mut typed = left.typed.clone();
                typed.source = Source::Transform(Transform::Part(part), Box::new(typed.source));
                self.add(
                    typed,
                    modifiers,
                    &text.value,
                    Test::NumberIn([number].into()),
                )
            }
            Comparison::Cidr => {
                self.require(left, Kind::Address, modifiers, text)?;
                let network = Network::parse(&text.value).ok_or_else(|| {
                    refuse(format!("'{}' is no network", text.value))
                        .hint("as in 10.0.0.0/8 or fd00::/8")
                })?;
                let test = Test::Address([network].into());
                self.add(left.typed.clone(), modifiers, &text.value, test)
            }
            Comparison::Regex => {
                let test = pattern::regex(&text.value, modifiers.flags)
                    .map_err(|reason| Trouble::new(text.start(), RefusalKind::Syntax, reason))?;
                self.add(as_text(&left.typed), modifiers, &text.value, test)
            }
            Comparison::Equal
            | Comparison::Contains
            | Comparison::StartsWith
            | Comparison::EndsWith => self.compare_text(left, modifiers, text),
        }
    }

    fn compare_text(&mut self, left: &Left, modifiers: &Modifiers, text: &Text) -> Compiled {
        let pattern = Pattern::parse(&text.value);
        let encoded = modifiers.wide.is_some() || modifiers.base64.is_some();
        if modifiers.comparison == Comparison::Equal
            && !encoded
            && let Some(plain) = pattern.plain()
        {
            let plain = String::from_utf8_lossy(plain).into_owned();
            if let Some(test) = typed_test(left, &plain, text)? {
                return self.add(left.typed.clone(), modifiers, &text.value, test);
            }
        }
        let place = || text.start();
        let variants = pattern
            .encoded(modifiers)
            .map_err(|reason| Trouble::new(place(), RefusalKind::Type, reason))?;
        self.grow(variants.len(), place)?;
        // What is found in base64 is found anywhere in it.
        let comparison = match (modifiers.base64, modifiers.comparison) {
            (Some(super::super::sigma::modifiers::Base64::Offset), _) => Comparison::Contains,
            (_, comparison) => comparison,
        };
        let count = variants.len();
        let mut parts = Vec::new();
        for (number, variant) in (1..).zip(variants) {
            let operand = match count {
                1 => text.value.clone(),
                _ => format!("{} ({number} of {count})", text.value),
            };
            let test = variant
                .test(comparison, modifiers.cased)
                .map_err(|reason| Trouble::new(place(), RefusalKind::Syntax, reason))?;
            parts.push(self.add(as_text(&left.typed), modifiers, &operand, test)?);
        }
        Ok(any(parts))
    }

    /// Comparison with another field of the event.
    fn other_field(&mut self, left: &Left, modifiers: &Modifiers, text: &Text) -> Compiled {
        let right = self.left(&text.value, &text.start())?;
        let operator = match modifiers.comparison {
            Comparison::Contains => TextOperator::Contains,
            Comparison::StartsWith => TextOperator::StartsWith,
            Comparison::EndsWith => TextOperator::EndsWith,
            _ => TextOperator::Equal,
        };
        let same = left.typed.kind == right.typed.kind && left.typed.kind != Kind::Text;
        let fold = |typed: &Typed| {
            let mut typed = as_text(typed);
            if !modifiers.cased {
                typed.source = Source::Transform(Transform::ToLower, Box::new(typed.source));
            }
            typed
        };
        let (typed, source) = match operator {
            TextOperator::Equal if same && left.opposite == right.opposite => {
                (left.typed.clone(), right.typed.source)
            }
            _ => (fold(&left.typed), fold(&right.typed).source),
        };
        let test = Test::Dynamic(ir::Comparison::Text(operator), source);
        self.add(typed, modifiers, &text.value, test)
    }

    fn exists(&mut self, left: &Left) -> Compiled {
        let shown = Shown {
            field: left.typed.name.clone(),
            operator: "exists".to_owned(),
            operand: String::new(),
        };
        self.leaf(left.typed.clone(), shown, Test::Exists)
    }

    fn add(&mut self, left: Typed, modifiers: &Modifiers, operand: &str, test: Test) -> Compiled {
        let operator = match modifiers.written.as_str() {
            "" => "=",
            written => written,
        };
        // Falco's comparisons of the same field heed the case: they are others.
        let bar = if left.name.contains('.') { "|" } else { "" };
        let shown = Shown {
            field: left.name.clone(),
            operator: format!("{bar}{operator}"),
            operand: operand.to_owned(),
        };
        self.leaf(left, shown, test)
    }

    fn leaf(&mut self, left: Typed, shown: Shown, test: Test) -> Compiled {
        let place = left.place.clone();
        self.grow(1, || place)?;
        self.compiler
            .leaf(left, shown, |left| Ok(tested(left, test)))
    }

    fn grow(&mut self, by: usize, place: impl FnOnce() -> Place) -> Result<(), Trouble> {
        self.size = self.size.saturating_add(by);
        if self.size > SIZE {
            let reason = format!("the rule has more than {SIZE} comparisons");
            return Err(Trouble::new(place(), RefusalKind::TooLarge, reason));
        }
        Ok(())
    }

    fn require(
        &self,
        left: &Left,
        kind: Kind,
        modifiers: &Modifiers,
        text: &Text,
    ) -> Result<(), Trouble> {
        if left.typed.kind == kind {
            return Ok(());
        }
        let (name, found) = (&left.typed.name, left.typed.kind.name());
        let reason = format!(
            "'{}' does not fit '{name}', which is of type {found}",
            modifiers.written
        );
        Err(Trouble::new(text.start(), RefusalKind::Type, reason))
    }
}

/// The test of a field that is no text against a whole value.
fn typed_test(left: &Left, plain: &str, text: &Text) -> Result<Option<Test>, Trouble> {
    let refuse = |reason: String| Trouble::new(text.start(), RefusalKind::Type, reason);
    let name = &left.typed.name;
    Ok(match left.typed.kind {
        Kind::Text => None,
        Kind::Number => Some(Test::NumberIn([number(text)?].into())),
        Kind::Bool => match boolean(plain) {
            Some(flag) => Some(Test::Bool(flag != left.opposite)),
            None => return Err(refuse(format!("'{plain}' is neither true nor false"))),
        },
        Kind::Address => {
            let network = plain
                .parse::<IpAddr>()
                .ok()
                .and_then(|_| Network::parse(plain));
            let network = network
                .ok_or_else(|| refuse(format!("'{plain}' is no address, and '{name}' is one")))?;
            Some(Test::Address([network].into()))
        }
    })
}

fn number(text: &Text) -> Result<i64, Trouble> {
    parse_number(text.value.trim()).ok_or_else(|| {
        let reason = format!("'{}' is no whole number", text.value);
        Trouble::new(text.start(), RefusalKind::Type, reason)
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// The field as text, whatever it is.
fn as_text(typed: &Typed) -> Typed {
    let mut typed = typed.clone();
    if typed.kind != Kind::Text {
        typed.source = Source::Join {
            separator: Box::default(),
            parts: [typed.source].into(),
        };
        typed.kind = Kind::Text;
    }
    typed
}

fn all(parts: Vec<(Node, Reach)>) -> (Node, Reach) {
    join(parts, Node::And, Reach::and)
}

fn any(parts: Vec<(Node, Reach)>) -> (Node, Reach) {
    join(parts, Node::Or, Reach::or)
}

fn join(
    mut parts: Vec<(Node, Reach)>,
    node: fn(Box<[Node]>) -> Node,
    reach: fn(Reach, Reach) -> Reach,
) -> (Node, Reach) {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let (nodes, reaches): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let reach = reaches.into_iter().reduce(reach);
    (node(nodes.into()), reach.unwrap_or_else(Reach::never))
}

fn not((node, reach): (Node, Reach)) -> (Node, Reach) {
    (Node::Not(Box::new(node)), reach.negate())
}

/// At least so many of the parts hold: the first does and one less of the rest, or the rest alone.
fn at_least(count: usize, parts: &[(Node, Reach)]) -> (Node, Reach) {
    if count == parts.len() {
        return all(parts.to_vec());
    }
    if count == 1 {
        return any(parts.to_vec());
    }
    let (first, rest) = parts.split_first().expect("more parts than must hold");
    let with = all(vec![first.clone(), at_least(count - 1, rest)]);
    any(vec![with, at_least(count, rest)])
}

/// Ways to choose some of the parts.
fn ways(count: usize, of: usize) -> usize {
    let mut ways = 1_u128;
    for step in 0..count.min(of - count) {
        ways = ways.saturating_mul((of - step) as u128) / (step as u128 + 1);
        if ways > SIZE as u128 {
            return usize::MAX;
        }
    }
    usize::try_from(ways).unwrap_or(usize::MAX)
}
