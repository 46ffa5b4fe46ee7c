//! Text for people: nothing that a terminal obeys, times and spans they can read.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use edsr_model::{Timestamp, format_duration};

/// `text` with everything escaped that a terminal would obey or that hides what is written: control characters,
/// escape sequences, and marks that turn the direction of writing. Line ends are escaped too: the result is one line.
pub(crate) fn printable(text: &str) -> String {
    edsr_model::printable(text, usize::MAX)
}

/// A path in one line: files are named by whoever makes them.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// The same for JSON that is already written: escapes stay valid JSON, line ends between values stay.
pub(crate) fn printable_json(text: &str) -> String {
    if !text.chars().any(|c| is_unsafe(c) && c != '\n') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && c != '\n' {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// At most `max` characters of `text`, printable; a cut is marked with `…`.
pub(crate) fn short(text: &str, max: usize) -> String {
    edsr_model::printable(text, max)
}

/// An instant to the second for tables: `2026-01-02T03:04:05Z`.
pub(crate) fn time(at: Timestamp) -> String {
    let whole = Timestamp::from_micros(at.as_micros() - at.as_micros().rem_euclid(1_000_000));
    whole.to_string().replace(".000000Z", "Z")
}

/// A span with at most two units: `3d4h`, `1m5s`, `12s`, `340ms`.
pub(crate) fn span(span: Duration) -> String {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let grain = match micros {
        0..1_000 => 1,
        1_000..1_000_000 => 1_000,
        1_000_000..60_000_000 => 100_000,
        60_000_000..3_600_000_000 => 1_000_000,
        3_600_000_000..86_400_000_000 => 60_000_000,
        _ => 3_600_000_000,
    };
    let text = format_duration(Duration::from_micros(micros - micros % grain));
    match text.strip_suffix("00ms") {
        Some(rest) => match rest.rsplit_once('s') {
            Some((seconds, tenth)) => format!("{seconds}.{tenth}s"),
            None => text,
        },
        None => text,
    }
}

/// From one instant to another, or up to now where it is not over.
pub(crate) fn lasted(from: Timestamp, to: Option<Timestamp>) -> String {
    match to {
        Some(to) => span(to.since(from)),
        None => format!("{} so far", span(now().since(from))),
    }
}

/// `1 event`, `2 events`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A figure without needless digits.
pub(crate) fn figure(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The wall clock, for what people read and for events that carry no time.
#[allow(
    clippy::disallowed_methods,
    reason = "a command line is at the edge; nothing it prints is replayed"
)]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::EPOCH.after(since)
}

/// Whether [`printable`] would escape it: what is unsafe is said in one place.
fn is_unsafe(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let mut bytes = [0; 4];
    let text: &str = c.encode_utf8(&mut bytes);
    printable(text) != text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing() {
        for (text, shown) in [
            ("plain é 漢 ✓", "plain é 漢 ✓"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("a\r\nb\t", "a\\r\\nb\\t"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn escaped_json_is_the_same_json() {
        let value = serde_json::json!({"k\u{9b}": "a\u{1b}[1m\u{7f}\u{202e}\n\u{e0041}"});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = printable_json(&text);
        assert!(shown.chars().all(|c| !is_unsafe(c) || c == '\n'), "{shown}");
        let back: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(back, value);
    }

    #[test]
    fn spans_are_short() {
        for (millis, shown) in [
            (0, "0s"),
            (7, "7ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (1_234, "1.2s"),
            (59_999, "59.9s"),
            (65_900, "1m5s"),
            (3_600_000, "1h"),
            (3_661_000, "1h1m"),
            (273_600_000, "3d4h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), shown);
        }
    }

    #[test]
    fn times_figures_and_lengths() {
        let at: Timestamp = "2026-01-02T03:04:05.999999Z".parse().unwrap();
        assert_eq!(time(at), "2026-01-02T03:04:05Z");
        assert_eq!(time(Timestamp::from_micros(-1)), "1969-12-31T23:59:59Z");
        assert_eq!(figure(12.0), "12");
        assert_eq!(figure(0.062_500), "0.0625");
        assert_eq!(figure(0.000_01), "0");
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(0, "event"), "0 events");
        assert_eq!(short("abcdef", 4), "abc…");
        assert_eq!(short("abcd", 4), "abcd");
    }
}
