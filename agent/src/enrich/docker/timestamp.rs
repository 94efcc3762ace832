//! Docker's timestamps.

use std::time::{Duration, SystemTime};

/// Reads an RFC 3339 time as Docker writes it (`2026-01-31T08:15:30.123456789Z`, with or without
/// fraction, with `Z` or an offset). Docker's zero time (year 1) and all before 1970 is `None`.
pub(super) fn parse_time(text: &str) -> Option<SystemTime> {
    let (date, rest) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(number);
    let days = days_since_epoch(date.next()??, date.next()??, date.next()??)?;
    let zone = rest.rfind(['Z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days
        .checked_mul(86_400)?
        .checked_add(hour * 3_600 + minute * 60 + second)?
        .checked_sub(offset_seconds(zone)?)?;
    let since_epoch = Duration::new(u64::try_from(seconds).ok()?, nanoseconds(fraction)?);
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Count years from March, so that the leap day is the last day of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year / 4 - year / 100 + year / 400;
    const DAYS_TO_1970_FROM_MARCH_0: i64 = 719_468;
    Some(year * 365 + leap_days + day_of_year - DAYS_TO_1970_FROM_MARCH_0)
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    if fraction.is_empty() {
        return Some(0);
    }
    let digits = fraction.get(..fraction.len().min(9))?;
    let value = number(digits)?;
    let scale = 10_i64.pow(u32::try_from(9 - digits.len()).ok()?);
    u32::try_from(value * scale).ok()
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (number(hours)? * 3_600 + number(minutes)? * 60))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> Option<f64> {
        let time = parse_time(text)?;
        Some(
            time.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs_f64(),
        )
    }

    #[test]
    fn times_are_read() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(seconds("2000-02-29T12:00:00Z"), Some(951_825_600.0));
        assert_eq!(seconds("2026-09-13T12:26:40Z"), Some(1_789_302_400.0));
        assert_eq!(
            seconds("2026-09-13T14:26:40.5+02:00"),
            Some(1_789_302_400.5)
        );
        assert_eq!(seconds("2026-09-13T10:26:40-02:00"), Some(1_789_302_400.0));
        let precise = parse_time("1970-01-01T00:00:01.123456789Z").unwrap();
        assert_eq!(
            precise.duration_since(SystemTime::UNIX_EPOCH).unwrap(),
            Duration::new(1, 123_456_789)
        );
    }

    #[test]
    fn no_time_is_none() {
        for text in [
            "0001-01-01T00:00:00Z",
            "",
            "T",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01",
            "é-éT:Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = parse_time(&text);
        }

        #[test]
        fn no_text_of_the_right_shape_panics(text in "[0-9]{1,5}-[0-9]{1,3}-[0-9]{1,3}T[0-9:.]{0,12}[Z+-][0-9:]{0,6}") {
            let _ = parse_time(&text);
        }
    }
}
