//! Conditions as written, and how they are printed.

use std::fmt;

/// Byte offset in the condition. Two trees are equal wherever they were written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct At(pub(crate) usize);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Check(Check),
    Macro(Word),
}

/// A comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    pub(crate) left: Operand,
    pub(crate) operator: Operator,
    /// `None` for `exists`.
    pub(crate) right: Option<Right>,
}

/// A word or a string with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// Written in quotes: never the name of a list.
    pub(crate) quoted: bool,
    pub(crate) at: At,
}

/// A field with what stands in its brackets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldRef {
    pub(crate) name: String,
    pub(crate) argument: Option<String>,
    pub(crate) at: At,
}

/// Something that has a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Field(FieldRef),
    Transform {
        transformer: Transformer,
        arguments: Vec<Operand>,
        /// What stands in brackets behind it, as in `getopt(proc.args, "e:")[e]`.
        selector: Option<String>,
        at: At,
    },
    /// A string or number, as an argument of a transformer.
    Literal(Word),
    /// A list, as an argument of a transformer.
    List(Vec<Operand>),
}

/// Right side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Right {
    Value(Word),
    List(Vec<Word>),
    /// `val(field)` or a transformer.
    Operand(Operand),
}

/// Functions of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transformer {
    ToLower,
    ToUpper,
    B64,
    Basename,
    Len,
    Join,
    Concat,
    GetOpt,
}

impl Transformer {
    pub(crate) const ALL: [Self; 8] = [
        Self::ToLower,
        Self::ToUpper,
        Self::B64,
        Self::Basename,
        Self::Len,
        Self::Join,
        Self::Concat,
        Self::GetOpt,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ToLower => "tolower",
            Self::ToUpper => "toupper",
            Self::B64 => "b64",
            Self::Basename => "basename",
            Self::Len => "len",
            Self::Join => "join",
            Self::Concat => "concat",
            Self::GetOpt => "getopt",
        }
    }
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Exists,
    Order(Order),
    Text(TextOperator, Option<Modifier>),
    List(ListOperator),
}

/// Comparison of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    pub(crate) fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// Comparison with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TextOperator {
    Equal,
    NotEqual,
    Contains,
    IContains,
    BContains,
    StartsWith,
    BStartsWith,
    EndsWith,
    Glob,
    IGlob,
    Regex,
}

impl TextOperator {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Contains => "contains",
            Self::IContains => "icontains",
            Self::BContains => "bcontains",
            Self::StartsWith => "startswith",
            Self::BStartsWith => "bstartswith",
            Self::EndsWith => "endswith",
            Self::Glob => "glob",
            Self::IGlob => "iglob",
            Self::Regex => "regex",
        }
    }
}

/// Comparison with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ListOperator {
    In,
    Intersects,
    Pmatch,
}

impl ListOperator {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Intersects => "intersects",
            Self::Pmatch => "pmatch",
        }
    }
}

/// How many values of a list must satisfy a comparison with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Modifier {
    /// Exactly one.
    One,
    /// At least one.
    Any,
    /// All.
    All,
}

impl Modifier {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::One => "oneof",
            Self::Any => "anyof",
            Self::All => "allof",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("exists"),
            Self::Order(order) => f.write_str(order.name()),
            Self::List(list) => f.write_str(list.name()),
            Self::Text(text, None) => f.write_str(text.name()),
            Self::Text(text, Some(modifier)) => write!(f, "{} {}", text.name(), modifier.name()),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(children) => separated(f, children, " or ", |f, child| match child {
                Self::Or(_) => write!(f, "({child})"),
                _ => write!(f, "{child}"),
            }),
            Self::And(children) => separated(f, children, " and ", |f, child| match child {
                Self::Or(_) | Self::And(_) => write!(f, "({child})"),
                _ => write!(f, "{child}"),
            }),
            // `not not` would be read as no negation at all: nested ones keep their brackets.
            Self::Not(child) => write!(f, "not ({child})"),
            Self::Check(check) => write!(f, "{check}"),
            Self::Macro(name) => f.write_str(&name.text),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.left, self.operator)?;
        match &self.right {
            None => Ok(()),
            // A number stands without quotes after an order operator.
            Some(Right::Value(word)) if matches!(self.operator, Operator::Order(_)) => {
                write!(f, " {}", word.text)
            }
            Some(Right::Value(word)) => write!(f, " {word}"),
            Some(Right::List(words)) => {
                f.write_str(" (")?;
                separated(f, words, ", ", |f, word| write!(f, "{word}"))?;
                f.write_str(")")
            }
            Some(Right::Operand(Operand::Field(field))) => write!(f, " val({field})"),
            Some(Right::Operand(operand)) => write!(f, " {operand}"),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => write!(f, "{field}"),
            Self::Literal(word) if word.quoted => write_quoted(f, &word.text),
            Self::Literal(word) => f.write_str(&word.text),
            Self::Transform {
                transformer,
                arguments,
                selector,
                ..
            } => {
                write!(f, "{}(", transformer.name())?;
                separated(f, arguments, ", ", |f, argument| write!(f, "{argument}"))?;
                f.write_str(")")?;
                write_in_brackets(f, selector.as_deref())
            }
            Self::List(items) => {
                f.write_str("(")?;
                separated(f, items, ", ", |f, item| write!(f, "{item}"))?;
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        write_in_brackets(f, self.argument.as_deref())
    }
}

fn write_in_brackets(f: &mut fmt::Formatter<'_>, argument: Option<&str>) -> fmt::Result {
    let Some(argument) = argument else {
        return Ok(());
    };
    f.write_str("[")?;
    if !argument.is_empty() && argument.chars().all(super::lexer::is_bare_argument) {
        f.write_str(argument)?;
    } else {
        write_quoted(f, argument)?;
    }
    f.write_str("]")
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.quoted && super::lexer::reads_as_bare(&self.text) {
            f.write_str(&self.text)
        } else {
            write_quoted(f, &self.text)
        }
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '\u{8}' => f.write_str("\\b"),
            '\u{c}' => f.write_str("\\f"),
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '\t' => f.write_str("\\t"),
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            other => write!(f, "{other}"),
        }?;
    }
    f.write_str("\"")
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    separator: &str,
    mut write: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            f.write_str(separator)?;
        }
        write(f, item)?;
    }
    Ok(())
}
