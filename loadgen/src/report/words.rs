//! Numbers as people read them: about three digits, and a unit.

/// A time: `85 µs`, `3.1 ms`, `420 ms`, `1.42 s`, `14.2 s`, `2 min 05 s`.
pub(super) fn seconds(seconds: f64) -> String {
    let micros = seconds * 1e6;
    match seconds {
        0.0 => "0 s".to_owned(),
        _ if micros < 999.5 => format!("{micros:.0} µs"),
        _ if seconds < 0.009_95 => format!("{:.1} ms", seconds * 1e3),
        _ if seconds < 0.999_5 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 9.995 => format!("{seconds:.2} s"),
        _ if seconds < 99.95 => format!("{seconds:.1} s"),
        _ => {
            let whole = seconds.round() as u64;
            match whole {
                0..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
                _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
            }
        }
    }
}

/// A round time, without noughts at its end: `2 s`, `2.5 s`, `500 ms`.
pub(super) fn round_seconds(value: f64) -> String {
    let text = seconds(value);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// A count with marks between thousands: `10,000`.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 machine`, `10,000 machines`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A number of bytes: `512 B`, `23.4 MB`.
pub(super) fn bytes(bytes: f64) -> String {
    let mut value = bytes;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB", "PB"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if unit == "B" || value >= 99.95 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// A rate: `118 MB/s`.
pub(super) fn rate(bytes_per_s: f64) -> String {
    format!("{}/s", bytes(bytes_per_s))
}

/// A part of a whole: `99.62 %`. Only all is 100 %, only nothing is 0 %.
pub(super) fn share(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".to_owned();
    }
    if part == whole {
        return "100 %".to_owned();
    }
    let percent = part as f64 / whole as f64 * 100.0;
    if percent < 0.01 {
        "< 0.01 %".to_owned()
    } else if percent > 99.99 {
        "> 99.99 %".to_owned()
    } else if !(10.0..=99.0).contains(&percent) {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// A part of one: `87 %`, `0.4 %`.
pub(super) fn percent(part: f64) -> String {
    match part * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 9.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// A ratio: `× 0.62`, `× 14.1`, `× 230`.
pub(super) fn ratio(ratio: f64) -> String {
    match ratio {
        _ if ratio < 9.995 => format!("× {ratio:.2}"),
        _ if ratio < 99.95 => format!("× {ratio:.1}"),
        _ => format!("× {ratio:.0}"),
    }
}
