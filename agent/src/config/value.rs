//! Values of settings: their kinds, their checks, their form in TOML.

use std::fmt;
use std::net::SocketAddr;

use reqwest::Url;
use tracing_subscriber::EnvFilter;

/// What a setting takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A filter for the agent's own log.
    LogFilter,
    /// A path; empty means none where the setting says so.
    Path {
        /// The empty path is allowed.
        optional: bool,
    },
    /// A list of paths.
    Paths,
    /// An address with a port; empty means none.
    Address,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// Bytes: a number, or text such as `16MiB`.
    Size {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// Bytes that a kernel ring buffer may have: a power of two, in whole pages.
    RingSize {
        /// Most.
        max: u64,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// A URL with one of these schemes, or empty.
    Url(&'static [&'static str]),
    /// A name as NATS has them; one of a subject may have dots, one of a stream may be empty.
    NatsName {
        /// It is a subject's.
        subject: bool,
    },
}

/// A checked value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Paths(Vec<String>),
    Bool(bool),
    Number(u64),
}

/// A value as a source has it, before the check.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    /// TOML string.
    Text(String),
    /// TOML integer.
    Integer(i64),
    /// TOML boolean.
    Bool(bool),
    /// TOML array of strings.
    List(Vec<String>),
    /// Environment or flag: text that stands for whatever the setting takes.
    Untyped(String),
    /// Anything else of TOML; the word says what.
    Other(&'static str),
}

fn is_nats_name(name: &str, subject: bool) -> bool {
    let word = |word: &str| {
        word.bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"*>/\\".contains(&byte))
    };
    if subject {
        return name.split('.').all(|part| !part.is_empty() && word(part));
    }
    !name.contains('.') && word(name)
}

/// A password in it would be seen by whoever sees the configuration.
fn check_url(text: &str, schemes: &[&str]) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is no URL: {error}"))?;
    if !schemes.contains(&url.scheme()) {
        let allowed = schemes.join(" or ");
        return Err(format!("{text:?} has another scheme than {allowed}"));
    }
    if !url.has_host() {
        return Err(format!("{text:?} names no host"));
    }
    if url.username() != "" || url.password().is_some() {
        return Err("the URL has a name or a password in it: put secrets into a file".to_owned());
    }
    Ok(text.to_owned())
}

/// Page size; the supported architectures differ, so the kernel is asked.
fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

impl Kind {
    /// Checks a value.
    pub(super) fn check(self, raw: Raw) -> Result<Value, String> {
        let raw = self.typed(raw);
        match (self, raw) {
            (Self::LogFilter, Raw::Text(filter)) => match EnvFilter::builder().parse(&filter) {
                Ok(_) => Ok(Value::Text(filter)),
                Err(error) => Err(format!("{filter:?} is no filter: {error}")),
            },
            (Self::Path { optional }, Raw::Text(path)) => {
                if path.is_empty() && !optional {
                    return Err("the path is empty".to_owned());
                }
                Ok(Value::Text(path))
            }
            (Self::Paths, Raw::List(paths)) if paths.iter().all(|path| !path.is_empty()) => {
                Ok(Value::Paths(paths))
            }
            (Self::Address, Raw::Text(address))
                if address.is_empty() || address.parse::<SocketAddr>().is_ok() =>
            {
                Ok(Value::Text(address))
            }
            (Self::Bool, Raw::Bool(value)) => Ok(Value::Bool(value)),
            (Self::Integer { min, max }, Raw::Integer(number)) => in_range(number, min, max),
            (Self::Size { min, max }, raw) => self.size(&raw, min, max),
            (Self::RingSize { max }, raw) => self.ring_size(&raw, max),
            (Self::Word(words), Raw::Text(word)) if words.contains(&word.as_str()) => {
                Ok(Value::Text(word))
            }
            (Self::Url(_), Raw::Text(url)) if url.is_empty() => Ok(Value::Text(url)),
            (Self::Url(schemes), Raw::Text(url)) => check_url(&url, schemes).map(Value::Text),
            (Self::NatsName { subject }, Raw::Text(name)) if is_nats_name(&name, subject) => {
                Ok(Value::Text(name))
            }
            (_, raw) => Err(self.mismatch(&raw)),
        }
    }

    /// Gives untyped text the type that the setting takes.
    fn typed(self, raw: Raw) -> Raw {
        let Raw::Untyped(text) = raw else {
            return raw;
        };
        match self {
            Self::Bool => match text.as_str() {
                "true" | "1" | "yes" => Raw::Bool(true),
                "false" | "0" | "no" => Raw::Bool(false),
                _ => Raw::Text(text),
            },
            Self::Integer { .. } | Self::Size { .. } | Self::RingSize { .. } => {
                text.parse().map_or(Raw::Text(text), Raw::Integer)
            }
            Self::Paths if text.is_empty() => Raw::List(Vec::new()),
            Self::Paths => Raw::List(text.split(':').map(str::to_owned).collect()),
            Self::LogFilter
            | Self::Path { .. }
            | Self::Word(_)
            | Self::Url(_)
            | Self::Address
            | Self::NatsName { .. } => Raw::Text(text),
        }
    }

    fn size(self, raw: &Raw, min: u64, max: u64) -> Result<Value, String> {
        let bytes = match raw {
            Raw::Integer(number) => u64::try_from(*number).ok(),
            Raw::Text(text) => parse_size(text),
            _ => None,
        };
        match bytes {
            Some(bytes) if (min..=max).contains(&bytes) => Ok(Value::Number(bytes)),
            Some(bytes) => Err(format!(
                "{} is out of range; allowed are {} to {}",
                Bytes(bytes),
                Bytes(min),
                Bytes(max)
            )),
            None => Err(self.mismatch(raw)),
        }
    }

    fn ring_size(self, raw: &Raw, max: u64) -> Result<Value, String> {
        let page = page_size();
        let value = self.size(raw, page, max)?;
        match value {
            Value::Number(bytes) if bytes.is_power_of_two() => Ok(value),
            Value::Number(bytes) => Err(format!(
                "{bytes} bytes is no power of two; take {} or {}",
                Bytes(bytes.next_power_of_two() / 2),
                Bytes(bytes.next_power_of_two().min(max))
            )),
            other => Ok(other),
        }
    }

    fn mismatch(self, raw: &Raw) -> String {
        format!("expected {self}, found {raw}")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogFilter => f.write_str("a filter as of tracing's `EnvFilter`"),
            Self::Path { .. } => f.write_str("a path"),
            Self::Paths => f.write_str("a list of paths"),
            Self::Address => {
                f.write_str("an address with a port such as 127.0.0.1:7443 or [::]:7443")
            }
            Self::Bool => f.write_str("true or false"),
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Size { min, max } => {
                write!(f, "a size from {} to {}", Bytes(*min), Bytes(*max))
            }
            Self::RingSize { max } => write!(
                f,
                "a size from one page to {} that is a power of two",
                Bytes(*max)
            ),
            Self::Word(words) => {
                let named: Vec<_> = words
                    .iter()
                    .copied()
                    .filter(|word| !word.is_empty())
                    .collect();
                write!(f, "one of {}", named.join(", "))?;
                if named.len() < words.len() {
                    f.write_str(", or empty text")?;
                }
                Ok(())
            }
            Self::Url(schemes) => {
                write!(f, "a URL with {}, or empty text", schemes.join(" or "))
            }
            Self::NatsName { subject: true } => {
                f.write_str("words with dots between them, without wildcards")
            }
            Self::NatsName { subject: false } => {
                f.write_str("a word without dots and wildcards, or empty text")
            }
        }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Untyped(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::List(values) => write!(f, "{values:?}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

fn in_range(number: i64, min: u64, max: u64) -> Result<Value, String> {
    match u64::try_from(number) {
        Ok(number) if (min..=max).contains(&number) => Ok(Value::Number(number)),
        _ => Err(format!(
            "{number} is out of range; allowed are {min} to {max}"
        )),
    }
}

const UNITS: [(&str, u32); 4] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, shift) = UNITS
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
        .unwrap_or((text, 0));
    let number: u64 = digits.trim_end().parse().ok()?;
    number.checked_mul(1 << shift)
}

/// Bytes in the largest unit that divides them.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        let unit = UNITS
            .iter()
            .find(|(_, shift)| bytes > 0 && bytes.is_multiple_of(1 << shift));
        let (unit, shift) = unit.unwrap_or(&("B", 0));
        write!(f, "{}{unit}", bytes >> shift)
    }
}

impl Value {
    /// The value as TOML writes it.
    pub(super) fn toml(&self, kind: Kind) -> String {
        match self {
            Self::Text(text) => toml::Value::from(text.as_str()).to_string(),
            Self::Paths(paths) => toml::Value::from(paths.clone()).to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => match kind {
                Kind::Size { .. } | Kind::RingSize { .. } => format!("\"{}\"", Bytes(*number)),
                _ => number.to_string(),
            },
        }
    }

    /// The value as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Paths(paths) => paths.clone().into(),
            Self::Bool(value) => (*value).into(),
            Self::Number(number) => (*number).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Kind = Kind::Size {
        min: 1024,
        max: 1 << 30,
    };

    #[test]
    fn sizes_are_numbers_or_text_with_a_unit() {
        for raw in [
            Raw::Integer(2048),
            Raw::Text("2KiB".into()),
            Raw::Untyped("2 KiB".into()),
            Raw::Untyped("2048".into()),
        ] {
            assert_eq!(SIZE.check(raw), Ok(Value::Number(2048)));
        }
        let error = SIZE.check(Raw::Text("2KB".into())).unwrap_err();
        assert_eq!(error, "expected a size from 1KiB to 1GiB, found \"2KB\"");
        let error = SIZE.check(Raw::Integer(5)).unwrap_err();
        assert_eq!(error, "5B is out of range; allowed are 1KiB to 1GiB");
        assert!(SIZE.check(Raw::Text("99999999999GiB".into())).is_err());
    }

    #[test]
    fn a_ring_is_a_power_of_two_of_whole_pages() {
        let ring = Kind::RingSize { max: 1 << 30 };
        assert_eq!(
            ring.check(Raw::Integer(1 << 16)),
            Ok(Value::Number(1 << 16))
        );
        let error = ring.check(Raw::Integer(3 << 16)).unwrap_err();
        assert!(error.ends_with("take 128KiB or 256KiB"), "{error}");
        assert!(ring.check(Raw::Integer(512)).is_err());
    }

    #[test]
    fn an_address_has_a_port_and_no_name() {
        for address in ["", "127.0.0.1:0", "[::1]:7443"] {
            let value = Kind::Address.check(Raw::Untyped(address.into()));
            assert_eq!(value, Ok(Value::Text(address.into())));
        }
        let error = Kind::Address.check(Raw::Text("localhost:1".into()));
        assert_eq!(
            error.unwrap_err(),
            "expected an address with a port such as 127.0.0.1:7443 or [::]:7443, found \
             \"localhost:1\""
        );
    }

    #[test]
    fn a_log_filter_is_parsed() {
        let filter = "info,gravlens::ingest=debug";
        assert_eq!(
            Kind::LogFilter.check(Raw::Text(filter.into())),
            Ok(Value::Text(filter.into()))
        );
        let error = Kind::LogFilter.check(Raw::Text("a=[".into())).unwrap_err();
        assert!(error.starts_with("\"a=[\" is no filter: "), "{error}");
    }

    #[test]
    fn a_url_has_a_known_scheme_a_host_and_no_secret() {
        let kind = Kind::Url(&["http", "https"]);
        for good in ["", "http://a/", "https://[::1]:80/x?y=z"] {
            assert_eq!(
                kind.check(Raw::Text(good.into())),
                Ok(Value::Text(good.into()))
            );
        }
        for (bad, why) in [
            ("a/b", "is no URL"),
            ("ftp://a", "another scheme than http or https"),
            ("http://me:pass@a", "put secrets into a file"),
            ("http://me@a", "put secrets into a file"),
        ] {
            let error = kind.check(Raw::Text(bad.into())).unwrap_err();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains("pass@"), "{error}");
        }
    }

    #[test]
    fn names_of_nats_have_no_wildcards() {
        let check = |subject, name: &str| Kind::NatsName { subject }.check(Raw::Text(name.into()));
        assert!(check(true, "gravlens.alerts").is_ok());
        for bad in ["", "a..b", "a.*", ">", "a b", ".a"] {
            assert!(check(true, bad).is_err(), "{bad}");
        }
        assert!(check(false, "").is_ok());
        assert!(check(false, "ALERTS").is_ok());
        assert!(check(false, "a.b").is_err());
    }

    #[test]
    fn words_and_booleans_say_what_they_take() {
        let error = Kind::Word(&["text", "json"])
            .check(Raw::Text("xml".into()))
            .unwrap_err();
        assert_eq!(error, "expected one of text, json, found \"xml\"");
        let error = Kind::Bool.check(Raw::Text("true".into())).unwrap_err();
        assert_eq!(error, "expected true or false, found \"true\"");
        assert_eq!(
            Kind::Bool.check(Raw::Untyped("true".into())),
            Ok(Value::Bool(true))
        );
    }
}
