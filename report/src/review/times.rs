//! Times in every form that Wireshark, tshark, Zeek and Suricata write them.

/// A time as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Nanoseconds since the Unix epoch.
    Absolute(i64),
    /// Nanoseconds since a moment that the file does not name: its first packet, or midnight.
    Relative(i64),
}

const SECOND: i64 = 1_000_000_000;

/// Seconds that can't be counted from a capture's first packet: more than three years.
const EPOCH_SECONDS_MIN: i64 = 100_000_000;

/// The time of a text; `None` when it is none. Without a zone, UTC is assumed.
pub(super) fn parse(text: &str) -> Option<Moment> {
    let text = text.trim();
    // Milliseconds, as `tshark -T ek` writes its `timestamp`.
    if let Some(millis) = text.parse().ok().filter(|millis| *millis >= EPOCH_SECONDS_MIN * 1000) {
        let nanos: Option<i64> = i64::checked_mul(millis, SECOND / 1000);
        return nanos.map(Moment::Absolute);
    }
    if let Some(nanos) = seconds(text) {
        return Some(match nanos / SECOND {
            whole if whole >= EPOCH_SECONDS_MIN => Moment::Absolute(nanos),
            _ => Moment::Relative(nanos),
        });
    }
    let mut words = text.split([' ', 'T']).filter(|word| !word.is_empty());
    let first = words.next()?;
    if first.contains(':') {
        let (nanos, _) = clock(first)?;
        return Some(Moment::Relative(nanos));
    }
    // A spreadsheet's date that does not say which number is the month: only the clock counts.
    if let Some((_, year)) = first.rsplit_once('/')
        && year.len() == 4
        && first.matches('/').count() == 2
    {
        let (nanos, _) = clock(words.next()?)?;
        let noon = 12 * 3600 * SECOND;
        return Some(Moment::Relative(match words.next() {
            Some("PM" | "pm") => nanos % noon + noon,
            Some("AM" | "am") => nanos % noon,
            _ => nanos,
        }));
    }
    let days = match month(first) {
        Some(month) => {
            let day = words.next()?.trim_end_matches(',').parse().ok()?;
            days_from_civil(words.next()?.parse().ok()?, month, day)?
        }
        None => date(first)?,
    };
    let (nanos, offset) = clock(words.next()?)?;
    let seconds = days.checked_mul(86_400)?.checked_sub(offset)?;
    seconds.checked_mul(SECOND)?.checked_add(nanos).map(Moment::Absolute)
}

/// `12.5`, also `-0.000012` and, as spreadsheets of many countries save it, `12,5`.
fn seconds(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let nanos = whole.parse::<i64>().ok()?.checked_mul(SECOND)?;
    nanos.checked_add(nanos_of(fraction)).map(|nanos| sign * nanos)
}

/// Digits behind a point as nanoseconds; more than nine are cut.
fn nanos_of(fraction: &str) -> i64 {
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    digits.fold(0, |nanos, digit| nanos * 10 + i64::from(digit - b'0'))
}

/// `2026-11-23`, `2026/327` (the day of the year), or `23.11.2026`, as spreadsheets save it.
fn date(text: &str) -> Option<i64> {
    if let Some((year, day)) = text.split_once('/').filter(|(_, rest)| !rest.contains('/')) {
        let day: i64 = day.parse().ok().filter(|day| (1..=366).contains(day))?;
        return Some(days_from_civil(year.parse().ok()?, 1, 1)? + day - 1);
    }
    let mut parts = text.split(['-', '/', '.']);
    let mut part = || parts.next()?.parse::<i64>().ok();
    let (first, month, last) = (part()?, part()?, part()?);
    let (year, day) = if text.contains('.') { (last, first) } else { (first, last) };
    parts.next().is_none().then(|| days_from_civil(year, month, day))?
}

/// `08:00:00.5`, `08:00:00,5`, with `Z` or `+01:00` behind: nanoseconds since midnight, and the
/// seconds that the zone is ahead of UTC.
fn clock(text: &str) -> Option<(i64, i64)> {
    let text = text.trim_end_matches(['Z', 'z']);
    let (time, zone) = match text.find(['+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut parts = time.split(':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let second = parts.next().unwrap_or("0");
    // Spreadsheets show a time with a fraction as minutes and seconds, and save what they show.
    let (hour, minute, second) = match minute.contains(['.', ',']) {
        true => ("0", hour, minute),
        false => (hour, minute, second),
    };
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    let nanos = seconds(second)?;
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..61 * SECOND).contains(&nanos)
    {
        return None;
    }
    let offset = match zone.split_at_checked(1) {
        None => 0,
        Some((sign, zone)) => {
            let digits = zone.replace(':', "");
            let number: i64 = digits.parse().ok().filter(|number| *number <= 1500)?;
            let ahead = number / 100 * 3600 + number % 100 * 60;
            if sign == "-" { -ahead } else { ahead }
        }
    };
    Some(((hour * 3600 + minute * 60) * SECOND + nanos, offset))
}

fn month(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let text = text.get(..3)?.to_ascii_lowercase();
    (1..).zip(MONTHS).find(|(_, name)| *name == text).map(|(number, _)| number)
}

/// Days since 1970-01-01 of a day of the Gregorian calendar; years are counted from March.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1900..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    const DAYS_TO_EPOCH: i64 = 719_468; // 0000-03-01 to 1970-01-01
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    Some(365 * year + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_TO_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_time_is_read() {
        let at = Moment::Absolute(1_795_420_800_520_586_000);
        let check = |text: &str, expect: Option<Moment>| assert_eq!(parse(text), expect, "{text}");
        check("1795420800.520586", Some(at));
        check("1795420800.520586000", Some(at));
        check("2026-11-23 08:00:00.520586", Some(at));
        check("2026-11-23 08:00:00,520586", Some(at));
        check("2026-11-23 08:00:00.520586Z", Some(at));
        check("2026-11-23T08:00:00.520586000Z", Some(at));
        check("2026-11-23T09:00:00.520586+0100", Some(at));
        check("2026-11-23T03:30:00.520586-04:30", Some(at));
        check("2026/327 08:00:00.520586", Some(at));
        check("Nov 23, 2026 08:00:00.520586000 UTC", Some(at));
        check("Nov 23, 2026 08:00:00.520586000 W. Europe Standard Time", Some(at));
        check("1795420800520", Some(Moment::Absolute(1_795_420_800_520_000_000)));
        check("0.000038", Some(Moment::Relative(38_000)));
        check("-0.000038", Some(Moment::Relative(-38_000)));
        check("0,5", Some(Moment::Relative(SECOND / 2)));
        check("12", Some(Moment::Relative(12 * SECOND)));
        check("08:00:00.5", Some(Moment::Relative(28_800 * SECOND + SECOND / 2)));
        check("23.11.2026 08:00:00,520586", Some(at));
        let minute = Some(Moment::Absolute(1_795_420_800 * SECOND));
        check("23.11.2026 08:00", minute);
        check("00:07,5", Some(Moment::Relative(7 * SECOND + SECOND / 2)));
        check("11/23/2026 8:00", Some(Moment::Relative(28_800 * SECOND)));
        check("11/12/2026 8:00:01 PM", Some(Moment::Relative(72_001 * SECOND)));
        check("11/12/2026 12:00:01 AM", Some(Moment::Relative(SECOND)));
        check("2024-02-29 00:00:00", Some(Moment::Absolute(1_709_164_800 * SECOND)));
        for text in ["", "-", "x", "12:99:00", "2026-13-01 00:00:00", "1.2.3", "9e9", "\u{e9}"] {
            check(text, None);
        }
        check("99999999999999999999", None);
    }
}
