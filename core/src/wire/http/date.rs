//! HTTP dates (RFC 9110 §5.6.7) as seconds since 1970 UTC.

use core::fmt;

use crate::wire::reader::Reader;

/// Displays a time as IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`. Times after the year
/// 9999 display as its last second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpDate(pub u64);

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.min(SECONDS_MAX);
        let (days, second) = (seconds / DAY_S, seconds % DAY_S);
        let (year, month, day) = civil(days);
        let weekday = name(&WEEKDAYS, days.wrapping_add(4) % 7);
        let month = name(&MONTHS, month.wrapping_sub(1));
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

/// Reads a date in one of the three forms that recipients must accept: IMF-fixdate, RFC 850 and
/// asctime. `None` for anything else, and for dates before 1970.
pub fn parse(text: &[u8]) -> Option<u64> {
    let mut words = text.split(|byte| matches!(byte, b' ' | b'-')).filter(|word| !word.is_empty());
    let weekday = words.next()?;
    let (day, month, year, time) = if weekday.ends_with(b",") {
        let (day, month, year) = (words.next()?, words.next()?, words.next()?);
        let time = words.next()?;
        if words.next()? != b"GMT" {
            return None;
        }
        (day, month, year, time)
    } else {
        let (month, day) = (words.next()?, words.next()?);
        let time = words.next()?;
        (day, month, words.next()?, time)
    };
    if words.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| name.as_bytes() == month)?;
    let month = u64::try_from(month).ok()?.checked_add(1)?;
    let year = match (year.len(), number(year)?) {
        (4, year) => year,
        // RFC 9110 §5.6.7 lets a two-digit year lie at most 50 years ahead; every file and every
        // firmware that uses this form is from 1970 to 2069.
        (2, year @ 70..) => year.checked_add(1900)?,
        (2, year) => year.checked_add(2000)?,
        _ => return None,
    };
    let day = number(day)?;
    let days = days_since_1970(year, month, day)?;
    seconds_of_day(time)?.checked_add(days.checked_mul(DAY_S)?)
}

fn seconds_of_day(text: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(text);
    let [h1, h2, b':', m1, m2, b':', s1, s2] = reader.array().ok()? else { return None };
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
    // 60 is a leap second.
    if !reader.is_empty() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    hour.checked_mul(60)?.checked_add(minute)?.checked_mul(60)?.checked_add(second)
}

/// Days before a date of the proleptic Gregorian calendar; `None` for dates that do not exist or
/// lie outside 1970 to 9999.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the callers bound every term: years 1970 to 9999 are under 3 million days"
)]
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let years = year.checked_sub(1)?;
    let leap_days = years / 4 + years / 400 - years / 100 - LEAP_DAYS_BEFORE_1970;
    let mut days = (year - 1970) * 365 + leap_days + day - 1;
    for before in 1..month {
        days += days_in_month(year, before);
    }
    Some(days)
}

/// Year, month and day from days since 1970, up to the year 9999.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the caller bounds the days by the year 9999, and each loop what it subtracts"
)]
fn civil(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    let mut rest = days - days_since_1970(year, 1, 1).unwrap_or(days);
    // Ends: the estimate is at most 22 years early for the year 9999.
    while rest >= days_in_year(year) {
        rest -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    // Ends: the rest is less than a year.
    while rest >= days_in_month(year, month) {
        rest -= days_in_month(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    super::request::decimal(digits)
}

fn name(names: &[&'static str], at: u64) -> &'static str {
    usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_S: u64 = 86_400;
/// The last second of the year 9999.
const SECONDS_MAX: u64 = 253_402_300_799;
/// Leap days of the years 1 to 1969.
const LEAP_DAYS_BEFORE_1970: u64 = 477;
