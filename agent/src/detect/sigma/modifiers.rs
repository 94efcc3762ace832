//! Modifiers of a field: `CommandLine|contains|all`.

use super::super::catalogue::nearest;
use super::super::falco::ast::Order;
use super::super::falco::items::Trouble;
use super::super::falco::source::Text;
use super::super::ir::TimePart;
use super::super::report::RefusalKind;

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Contains,
    StartsWith,
    EndsWith,
    Regex,
    Cidr,
    Exists,
    Order(Order),
    Part(TimePart),
}

/// UTF-16 with the byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wide {
    LittleEndian,
    BigEndian,
    /// Little-endian after a mark that says so.
    Marked,
}

/// A value in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base64 {
    Whole,
    /// Anywhere in something else that was encoded.
    Offset,
}

/// The modifiers of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Modifiers {
    pub(crate) comparison: Comparison,
    /// All values must be found, not just one.
    pub(crate) all: bool,
    pub(crate) cased: bool,
    /// The comparison must fail, on a field that exists.
    pub(crate) negated: bool,
    pub(crate) wide: Option<Wide>,
    pub(crate) base64: Option<Base64>,
    pub(crate) windash: bool,
    /// The value names another field.
    pub(crate) field_reference: bool,
    /// Flags of the regular expression: letters of either case, lines, dot for everything.
    pub(crate) flags: [bool; 3],
    /// As written, joined by bars.
    pub(crate) written: String,
}

/// Every modifier.
const NAMES: &[&str] = &[
    "contains",
    "startswith",
    "endswith",
    "all",
    "re",
    "i",
    "m",
    "s",
    "cidr",
    "exists",
    "cased",
    "neq",
    "windash",
    "base64",
    "base64offset",
    "utf16",
    "utf16le",
    "utf16be",
    "wide",
    "lt",
    "lte",
    "gt",
    "gte",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
    "expand",
    "fieldref",
];

impl Modifiers {
    /// Field and modifiers of a key.
    pub(super) fn of_key(key: &Text) -> Result<(String, Self), Trouble> {
        let mut words = key.value.split('|');
        let field = words.next().unwrap_or_default().trim().to_owned();
        let mut modifiers = Self {
            comparison: Comparison::Equal,
            all: false,
            cased: false,
            negated: false,
            wide: None,
            base64: None,
            windash: false,
            field_reference: false,
            flags: [false; 3],
            written: String::new(),
        };
        let mut at = field.len() + 1;
        for word in words {
            modifiers.add(word.trim()).map_err(|(kind, reason, hint)| {
                let trouble = Trouble::new(key.place(at), kind, reason);
                match hint {
                    Some(hint) => trouble.hint(hint),
                    None => trouble,
                }
            })?;
            at += word.len() + 1;
        }
        modifiers.check().map_err(|reason| {
            Trouble::new(
                key.start(),
                RefusalKind::Syntax,
                format!("'{}': {reason}", key.value),
            )
        })?;
        Ok((field, modifiers))
    }

    fn add(&mut self, word: &str) -> Result<(), (RefusalKind, String, Option<String>)> {
        if !self.written.is_empty() {
            self.written.push('|');
        }
        self.written.push_str(word);
        let comparison = match word.to_lowercase().as_str() {
            "contains" => Comparison::Contains,
            "startswith" => Comparison::StartsWith,
            "endswith" => Comparison::EndsWith,
            "re" => Comparison::Regex,
            "cidr" => Comparison::Cidr,
            "exists" => Comparison::Exists,
            "lt" => Comparison::Order(Order::Less),
            "lte" => Comparison::Order(Order::LessOrEqual),
            "gt" => Comparison::Order(Order::Greater),
            "gte" => Comparison::Order(Order::GreaterOrEqual),
            "minute" => Comparison::Part(TimePart::Minute),
            "hour" => Comparison::Part(TimePart::Hour),
            "day" => Comparison::Part(TimePart::Day),
            "week" => Comparison::Part(TimePart::Week),
            "month" => Comparison::Part(TimePart::Month),
            "year" => Comparison::Part(TimePart::Year),
            other => return self.add_flag(other),
        };
        if self.comparison != Comparison::Equal {
            let reason = format!("'{word}' does not go together with a comparison before it");
            return Err((RefusalKind::Syntax, reason, None));
        }
        self.comparison = comparison;
        Ok(())
    }

    fn add_flag(&mut self, word: &str) -> Result<(), (RefusalKind, String, Option<String>)> {
        let twice = |first: bool| {
            let reason = format!("'{word}' does not go together with an encoding before it");
            if first {
                Ok(())
            } else {
                Err((RefusalKind::Syntax, reason, None))
            }
        };
        match word {
            "all" => self.all = true,
            "cased" => self.cased = true,
            "neq" => self.negated = true,
            "windash" => self.windash = true,
            "fieldref" => self.field_reference = true,
            "i" | "ignorecase" => self.flags[0] = true,
            "m" | "multiline" => self.flags[1] = true,
            "s" | "dotall" => self.flags[2] = true,
            "wide" | "utf16le" | "utf16be" | "utf16" => {
                twice(self.wide.is_none() && self.base64.is_none())?;
                self.wide = Some(match word {
                    "utf16be" => Wide::BigEndian,
                    "utf16" => Wide::Marked,
                    _ => Wide::LittleEndian,
                });
            }
            "base64" | "base64offset" => {
                twice(self.base64.is_none())?;
                self.base64 = Some(match word {
                    "base64" => Base64::Whole,
                    _ => Base64::Offset,
                });
            }
            "expand" => {
                let reason = "'expand' is not supported here: the values of placeholders stand in \
                              a processing pipeline, and rules are loaded without one";
                let hint = "write the values into the rule".to_owned();
                return Err((
                    RefusalKind::UnsupportedFeature,
                    reason.to_owned(),
                    Some(hint),
                ));
            }
            other => {
                let reason = format!("there is no modifier '{other}'");
                let near = nearest(other, NAMES.iter().copied());
                let hint = near.map(|near| format!("did you mean '{near}'?"));
                return Err((RefusalKind::Syntax, reason, hint));
            }
        }
        Ok(())
    }

    /// What does not go together.
    fn check(&self) -> Result<(), &'static str> {
        let of_text = matches!(
            self.comparison,
            Comparison::Equal
                | Comparison::Contains
                | Comparison::StartsWith
                | Comparison::EndsWith
        );
        let encoded = self.wide.is_some() || self.base64.is_some() || self.windash;
        if encoded && (!of_text || self.field_reference) {
            return Err("encodings and 'windash' go with comparisons of text only");
        }
        if self.flags.contains(&true) && self.comparison != Comparison::Regex {
            return Err("'i', 'm' and 's' go with 're' only");
        }
        if self.field_reference && !of_text {
            return Err("'fieldref' goes with contains, startswith and endswith only");
        }
        if self.cased && !of_text && self.comparison != Comparison::Regex {
            return Err("'cased' goes with comparisons of text only");
        }
        if self.negated && self.comparison == Comparison::Exists {
            return Err("'neq' does not go with 'exists'");
        }
        Ok(())
    }
}
