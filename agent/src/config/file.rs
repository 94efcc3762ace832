//! The file, and where in it something is wrong.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{self, SETTINGS, Setting};
use super::value::Raw;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `gravlens.toml:3:10`, `GRAVLENS_LOG_LEVEL`, `--set log.level`.
    pub place: String,
    /// What, and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// The configuration cannot be used. All that is wrong is listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// A value in the file.
pub(super) struct Found {
    pub(super) setting: &'static Setting,
    pub(super) raw: Raw,
    pub(super) place: Place,
}

/// A place in the file, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Reads the settings of a file. Unknown names are problems.
pub(super) fn parse(file: &Path, text: &str) -> (Vec<Found>, Vec<Problem>) {
    let mut walk = Walk {
        file,
        text,
        found: Vec::new(),
        problems: Vec::new(),
    };
    match DeTable::parse(text) {
        Ok(table) => walk.table("", table.get_ref()),
        Err(error) => {
            let place = walk.place(&error.span().unwrap_or(0..0));
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            walk.problem(&place, message);
        }
    }
    (walk.found, walk.problems)
}

struct Walk<'a> {
    file: &'a Path,
    text: &'a str,
    found: Vec<Found>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            match (value.get_ref(), settings::find(&key)) {
                (_, Some(setting)) => self.value(setting, value),
                (DeValue::Table(inner), None) if is_section(&key) => self.table(&key, inner),
                (_, None) if is_section(&key) => {
                    let place = self.place(&value.span());
                    self.problem(&place, format!("`{key}` is a section: write [{key}]"));
                }
                (_, None) => {
                    let place = self.place(&name.span());
                    self.problem(&place, unknown(prefix, &key));
                }
            }
        }
    }

    fn value(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>) {
        let place = self.place(&value.span());
        self.found.push(Found {
            setting,
            raw: raw(value.get_ref()),
            place,
        });
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn problem(&mut self, place: &Place, message: String) {
        self.problems.push(Problem {
            place: place.to_string(),
            message,
        });
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("a number that is too large"), Raw::Integer),
        DeValue::Boolean(value) => Raw::Bool(*value),
        DeValue::Array(values) => values
            .iter()
            .map(|value| value.get_ref().as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map_or(
                Raw::Other("a list with something else than text"),
                Raw::List,
            ),
        DeValue::Float(_) => Raw::Other("a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

fn is_section(key: &str) -> bool {
    SETTINGS.iter().any(|setting| {
        setting
            .key
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// Says that a name is unknown and what could stand there.
fn unknown(prefix: &str, key: &str) -> String {
    let mut allowed: Vec<_> = SETTINGS
        .iter()
        .filter_map(|setting| match prefix {
            "" => Some(setting.key),
            _ => setting.key.strip_prefix(prefix)?.strip_prefix('.'),
        })
        .map(|rest| rest.split('.').next().unwrap_or(rest))
        .collect();
    allowed.sort_unstable();
    allowed.dedup();
    format!(
        "unknown setting `{key}`; allowed here: {}",
        allowed.join(", ")
    )
}
