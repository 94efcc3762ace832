//! Dates and times.

use std::ops::RangeInclusive;

use super::{Type, ends_at};

/// The longest fraction of a second. Kubernetes puts up to ten digits behind its dot.
const MAX_FRACTION: usize = 10;

/// A date that begins there: its end and its type.
pub(super) fn at(text: &[u8], at: usize) -> Option<(usize, Type)> {
    number(text, at, 4, 1970..=2099)?;
    let separator = *text.get(at + 4)?;
    let (compact, end) = match separator {
        b'0' | b'1' => {
            number(text, at + 4, 2, 1..=12)?;
            number(text, at + 6, 2, 1..=31)?;
            (true, at + 8)
        }
        b'-' | b'_' | b'.' => {
            number(text, at + 5, 2, 1..=12)?;
            if text.get(at + 7) != Some(&separator) {
                return None;
            }
            number(text, at + 8, 2, 1..=31)?;
            (false, at + 10)
        }
        _ => return None,
    };
    if let Some(end) = time(text, end, compact) {
        return Some((end, Type::Time));
    }
    ends_at(text, end).then_some((end, Type::Date))
}

/// The end of a time of day behind a date that ends at `at`: the last place where it may end.
fn time(text: &[u8], at: usize, compact: bool) -> Option<usize> {
    let joined = match text.get(at)? {
        b'T' | b't' | b'-' | b'_' | b'.' | b':' | b' ' => at + 1,
        b'0'..=b'2' if compact => at,
        _ => return None,
    };
    number(text, joined, 2, 0..=23)?;
    let separator = match text.get(joined + 2)? {
        separator @ (b':' | b'-' | b'_' | b'.') => Some(*separator),
        _ => None,
    };
    let between = usize::from(separator.is_some());
    let minutes = joined + 2 + between;
    number(text, minutes, 2, 0..=59)?;
    let mut end = minutes + 2;
    let mut ends = Ends::default();
    ends.note(text, end);
    let seconds = end + between;
    if (separator.is_none() || text.get(end) == separator.as_ref())
        && number(text, seconds, 2, 0..=60).is_some()
    {
        end = seconds + 2;
        ends.note(text, end);
        if matches!(text.get(end), Some(b'.' | b',')) {
            let digits = digits(text, end + 1);
            if (1..=MAX_FRACTION).contains(&digits) {
                end += 1 + digits;
                ends.note(text, end);
            }
        }
    }
    if let Some(end) = zone(text, end) {
        ends.note(text, end);
    }
    ends.last
}

/// Places where a form may end.
#[derive(Default)]
struct Ends {
    last: Option<usize>,
}

impl Ends {
    fn note(&mut self, text: &[u8], at: usize) {
        if ends_at(text, at) {
            self.last = Some(at);
        }
    }
}

fn zone(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'Z' | b'z' => Some(at + 1),
        b'+' | b'-' => {
            number(text, at + 1, 2, 0..=14)?;
            let minutes = at + 3 + usize::from(text.get(at + 3) == Some(&b':'));
            number(text, minutes, 2, 0..=59)?;
            Some(minutes + 2)
        }
        _ => None,
    }
}

fn digits(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn number(text: &[u8], at: usize, digits: usize, within: RangeInclusive<u32>) -> Option<()> {
    let number = text.get(at..at + digits)?.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + u32::from(byte - b'0'))
    })?;
    within.contains(&number).then_some(())
}
