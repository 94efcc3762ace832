//! When an exception ends.

use std::str::FromStr as _;

use prost_types::Timestamp;

use super::super::report::RefusalKind;
use super::items::{Read, Trouble, wrong_type};
use super::source::Text;
use super::yaml::Node;

/// The end of an exception.
#[derive(Clone, Debug)]
pub(crate) struct Expiry {
    /// The last day, as written.
    pub(crate) date: Text,
    /// The first moment after that day, in nanoseconds since 1970, UTC.
    pub(crate) end_ns: i64,
}

/// A day of UTC, without leap seconds.
const DAY_NS: i64 = 86_400 * 1_000_000_000;

impl Expiry {
    /// Reads `2026-12-31`.
    pub(super) fn read(node: Node<'_>) -> Read<Self> {
        let date = node
            .text()
            .ok_or_else(|| wrong_type(node, "expires", "a date"))?;
        let end_ns = end_of_day(&date.value).ok_or_else(|| {
            let reason = format!("'{}' is no date", date.value);
            Trouble::new(date.start(), RefusalKind::Item, reason)
                .hint("write the last day of the exception, as in 2026-12-31")
        })?;
        Ok(Self { date, end_ns })
    }
}

/// Nanoseconds since 1970 at which a day ends, the largest number for a day after the year 2262;
/// `None` for what is no date.
pub fn end_of_day(date: &str) -> Option<i64> {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let mut parts = date.split('-');
    let shape = [4, 2, 2].map(|count| parts.next().is_some_and(|part| digits(part, count)));
    if shape.contains(&false) || parts.next().is_some() {
        return None;
    }
    let start = Timestamp::from_str(&format!("{date}T00:00:00Z")).ok()?;
    let start_ns = start.seconds.saturating_mul(1_000_000_000);
    Some(start_ns.saturating_add(DAY_NS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_holds_through_its_last_day() {
        assert_eq!(end_of_day("1970-01-01"), Some(DAY_NS));
        assert_eq!(
            end_of_day("2024-02-29"),
            Some(1_709_251_200 * 1_000_000_000)
        );
        assert_eq!(end_of_day("9999-12-31"), Some(i64::MAX));
        for wrong in [
            "2026-13-01",
            "2025-02-29",
            "soon",
            "2026-1-1",
            "2026-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(end_of_day(wrong), None, "{wrong}");
        }
    }
}
