//! Wall-clock time as Falco prints it, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use super::super::ir::TimePart;

/// A moment, taken apart.
pub(super) struct Moment {
    year: i64,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
}

/// Nanoseconds since 1970, negative before it.
pub(super) fn unix_nanoseconds(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos().cast_signed(),
        Err(before) => -before.duration().as_nanos().cast_signed(),
    }
}

impl Moment {
    pub(super) fn of(time: SystemTime) -> Self {
        let nanoseconds = unix_nanoseconds(time);
        let seconds = nanoseconds.div_euclid(1_000_000_000) as i64;
        let nanosecond = nanoseconds.rem_euclid(1_000_000_000) as u32;
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400) as u32;
        Self {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            nanosecond,
        }
    }

    /// `23:59:59`, with the fraction if asked for.
    pub(super) fn clock(&self, buffer: &mut Vec<u8>, fraction: bool) {
        let Self {
            hour,
            minute,
            second,
            nanosecond,
            ..
        } = self;
        super::put(buffer, format_args!("{hour:02}:{minute:02}:{second:02}"));
        if fraction {
            super::put(buffer, format_args!(".{nanosecond:09}"));
        }
    }

    /// `2026-01-31`.
    pub(super) fn date(&self, buffer: &mut Vec<u8>) {
        let Self {
            year, month, day, ..
        } = self;
        super::put(buffer, format_args!("{year:04}-{month:02}-{day:02}"));
    }
}

/// A part of a moment that is given in nanoseconds since 1970.
pub(crate) fn time_part(part: TimePart, nanoseconds: i64) -> usize {
    let seconds = nanoseconds.div_euclid(1_000_000_000);
    let days = seconds.div_euclid(86_400);
    let (year, month, day) = civil_from_days(days);
    let of_day = seconds.rem_euclid(86_400);
    let value = match part {
        TimePart::Minute => of_day / 60 % 60,
        TimePart::Hour => of_day / 3600,
        TimePart::Day => day.into(),
        TimePart::Week => iso_week(days),
        TimePart::Month => month.into(),
        TimePart::Year => year,
    };
    // The clock of a machine with BPF is past the year 0.
    usize::try_from(value).unwrap_or(0)
}

/// Week of a day counted from 1970-01-01: the first one of a year holds its first Thursday.
fn iso_week(days: i64) -> i64 {
    // 1970-01-01 was a Thursday; the week's own Thursday tells the year that it belongs to.
    let monday = days - (days + 3).rem_euclid(7);
    let thursday = monday + 3;
    let (year, _, _) = civil_from_days(thursday);
    let mut first = thursday;
    while civil_from_days(first - 7).0 == year {
        first -= 7;
    }
    (thursday - first) / 7 + 1
}

/// Date of a day counted from 1970-01-01 in the proleptic Gregorian calendar. Years are counted
/// from March, so that the leap day ends them and month lengths follow one formula.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(11_016), (2000, 2, 29));
        assert_eq!(civil_from_days(11_017), (2000, 3, 1));
        assert_eq!(civil_from_days(-1), (1969, 12, 31));
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        for (days, week) in [
            (0, 1),
            (3, 1),
            (4, 2),
            (362, 53),
            (368, 1),
            (19_722, 52),
            (20_453, 1),
        ] {
            assert_eq!(iso_week(days), week, "day {days}");
        }
    }

    #[test]
    fn clock_and_date_are_padded() {
        let moment = Moment::of(UNIX_EPOCH + Duration::new(951_782_400 + 3661, 7));
        let mut buffer = Vec::new();
        moment.date(&mut buffer);
        buffer.push(b' ');
        moment.clock(&mut buffer, true);
        assert_eq!(buffer, b"2000-02-29 01:01:01.000000007");
    }
}
