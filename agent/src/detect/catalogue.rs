//! The fields of Falco: those that can be read here, and the names that cannot, with the reason.

mod listing;
mod markdown;
pub(crate) mod unsupported;

pub use listing::{FieldListing, NoSuchField, field_list, field_list_text};
pub use markdown::fields_markdown;

use super::event_types::EventTypes;
use super::fields::argument::Argument as CallArgument;
use super::fields::container::Container;
use super::fields::dns::Dns;
use super::fields::evt::Evt;
use super::fields::fd::Fd;
use super::fields::paths::Fs;
use super::fields::proc::Proc;
use super::fields::sigma::Sigma;
use super::fields::thread::Thread;
use super::fields::user::User;
use super::fields::{argument, container, dns, evt, fd, paths, proc, sigma, thread, user};

/// A field that can be read, by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the field family of that name")]
pub enum FieldId {
    Evt(Evt),
    Argument(CallArgument),
    Proc(Proc),
    Fd(Fd),
    Container(Container),
    Dns(Dns),
    User(User),
    Thread(Thread),
    Fs(Fs),
    Sigma(Sigma),
}

/// Argument of a field: what stands between the brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FieldArg {
    /// A position: `proc.aname[2]`.
    Index(u32),
    /// A key or a pattern: `container.mount.dest[/proc*]`.
    Text(Box<str>),
}

/// Type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    Text,
    /// Number; times and durations are nanoseconds.
    Number,
    /// `true` or `false`.
    Bool,
    /// Network address, compared with addresses and networks.
    Address,
}

impl Kind {
    /// Word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Bool => "boolean",
            Self::Address => "address",
        }
    }
}

/// Whether a field takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// None.
    Never,
    /// A position, or nothing for all values.
    OptionalIndex,
    /// A position or a key, or nothing for all values.
    OptionalKey,
    /// A position or a key.
    Required,
}

/// How a comparison treats a field of several values when the operator is `!=`. All other
/// operators hold when one value satisfies them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotEqual {
    /// One value must differ (ancestors).
    Any,
    /// All values must differ (the two ends of a socket).
    All,
}

/// A field that can be read.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// What the readers match on.
    pub id: FieldId,
    /// Falco's name.
    pub name: &'static str,
    /// Type of its values.
    pub kind: Kind,
    /// Argument.
    pub argument: Argument,
    /// Meaning of `!=` over several values.
    pub not_equal: NotEqual,
    /// Unknown until the container runtime has answered.
    pub needs_metadata: bool,
    /// It has few values, so that a comparison with one says little.
    pub few_values: bool,
    /// Event types that can have a value.
    pub on: EventTypes,
    /// What it is, for people.
    pub description: &'static str,
    /// What a rule author must know before relying on it.
    pub limit: Option<&'static str>,
}

/// A row of a family's table, before it is tied to its id.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    name: &'static str,
    kind: Kind,
    argument: Argument,
    not_equal: NotEqual,
    needs_metadata: bool,
    few_values: bool,
    on: EventTypes,
    description: &'static str,
    limit: Option<&'static str>,
}

/// A text field.
pub(crate) const fn text(name: &'static str, description: &'static str) -> Field {
    Field::new(name, Kind::Text, description)
}

/// A numeric field.
pub(crate) const fn number(name: &'static str, description: &'static str) -> Field {
    Field::new(name, Kind::Number, description)
}

/// A boolean field.
pub(crate) const fn flag(name: &'static str, description: &'static str) -> Field {
    Field::new(name, Kind::Bool, description)
}

/// A network address.
pub(crate) const fn address(name: &'static str, description: &'static str) -> Field {
    Field::new(name, Kind::Address, description)
}

impl Field {
    const fn new(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self {
            name,
            kind,
            argument: Argument::Never,
            not_equal: NotEqual::Any,
            needs_metadata: false,
            few_values: false,
            on: EventTypes::ALL,
            description,
            limit: None,
        }
    }

    pub(crate) const fn on(mut self, types: EventTypes) -> Self {
        self.on = types;
        self
    }

    pub(crate) const fn indexed(mut self) -> Self {
        self.argument = Argument::OptionalIndex;
        self
    }

    pub(crate) const fn maybe_keyed(mut self) -> Self {
        self.argument = Argument::OptionalKey;
        self
    }

    pub(crate) const fn keyed(mut self) -> Self {
        self.argument = Argument::Required;
        self
    }

    pub(crate) const fn either_end(mut self) -> Self {
        self.not_equal = NotEqual::All;
        self
    }

    pub(crate) const fn of_few(mut self) -> Self {
        self.few_values = true;
        self
    }

    pub(crate) const fn of_runtime(mut self) -> Self {
        self.needs_metadata = true;
        self
    }

    pub(crate) const fn limit(mut self, limit: &'static str) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) const fn id(self, id: FieldId) -> FieldInfo {
        FieldInfo {
            id,
            name: self.name,
            kind: self.kind,
            argument: self.argument,
            not_equal: self.not_equal,
            needs_metadata: self.needs_metadata,
            few_values: self.few_values,
            on: self.on,
            description: self.description,
            limit: self.limit,
        }
    }
}

/// Declares a family: an enum that the reader matches on, and the table that names its fields.
macro_rules! family {
    ($family:ident { $($variant:ident = $row:expr;)* }) => {
        /// Fields of the family.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $family { $($variant,)* }

        pub(crate) const FIELDS: &[$crate::detect::catalogue::FieldInfo] = &[
            $($row.id($crate::detect::catalogue::FieldId::$family($family::$variant)),)*
        ];
    };
}
pub(crate) use family;

/// All fields that can be read, family by family.
pub fn fields() -> impl Iterator<Item = &'static FieldInfo> {
    [
        evt::FIELDS,
        argument::FIELDS,
        proc::FIELDS,
        fd::FIELDS,
        container::FIELDS,
        dns::FIELDS,
        user::FIELDS,
        thread::FIELDS,
        paths::FIELDS,
        sigma::FIELDS,
    ]
    .into_iter()
    .flatten()
}

/// The field that a reader knows by this id.
pub(crate) fn info(id: FieldId) -> &'static FieldInfo {
    fields()
        .find(|info| info.id == id)
        .expect("every id stands in its family's table")
}

/// The field of that name, if it can be read.
pub fn field(name: &str) -> Option<&'static FieldInfo> {
    fields().find(|info| info.name == name)
}

/// The name is one of Falco's, supported or not.
pub fn is_known(name: &str) -> bool {
    known_names().any(|known| known == name)
}

/// What is known of a field name.
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    /// It can be read.
    Supported(&'static FieldInfo),
    /// Falco has it, this agent does not; the reason is for people.
    Unsupported(String),
    /// Falco has no such field; the nearest name, if one is near.
    NoSuchField(Option<&'static str>),
}

/// Looks a field name up.
pub(crate) fn look_up(name: &str) -> Lookup {
    if let Some(info) = field(name) {
        return Lookup::Supported(info);
    }
    if let Some(reason) = unsupported::reason(name) {
        return Lookup::Unsupported(reason.to_owned());
    }
    if let Some(argument) = name
        .strip_prefix("evt.arg.")
        .or_else(|| name.strip_prefix("evt.rawarg."))
    {
        return Lookup::Unsupported(format!(
            "no traced event type captures an argument called '{argument}'"
        ));
    }
    Lookup::NoSuchField(nearest(name, known_names()))
}

/// Every field name that is known, supported or not.
pub(crate) fn known_names() -> impl Iterator<Item = &'static str> {
    fields()
        .map(|info| info.name)
        .chain(unsupported::names().map(|(name, _)| name))
}

/// The candidate that differs least from the name, if it differs by at most a third of its length.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = name.len() / 3;
    candidates
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in bytes.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_stands_once() {
        let mut seen = HashSet::new();
        for name in known_names() {
            assert!(seen.insert(name), "{name} stands twice");
        }
    }

    #[test]
    fn a_typo_is_told_from_a_field_that_is_not_supported() {
        assert!(matches!(look_up("proc.name"), Lookup::Supported(_)));
        assert!(matches!(look_up("proc.fdusage"), Lookup::Unsupported(_)));
        assert!(matches!(look_up("evt.arg.ret"), Lookup::Unsupported(_)));
        let Lookup::NoSuchField(Some("proc.cmdline")) = look_up("proc.cmdlin") else {
            panic!("proc.cmdlin is a typo of proc.cmdline");
        };
        assert!(matches!(look_up("zzz.qqq"), Lookup::NoSuchField(None)));
    }
}
