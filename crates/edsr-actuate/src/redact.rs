//! Hiding the secrets of a call in everything that comes back from it.

mod escaped;

use std::ops::Range;

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use edsr_model::Outcome;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use escaped::{ESCAPE_BYTES_MAX, Style};

pub(crate) use escaped::decoded_url;

/// What stands where a secret stood.
pub(crate) const MASK: &str = "***";

/// From this length on, in bytes, the encoded forms of a secret and its single lines are hidden too. Shorter ones would
/// match too much that is no secret.
pub(crate) const ENCODED_FROM: usize = 6;

/// At most so many lines of one secret are hidden each by itself; the secret as a whole always is.
pub(crate) const LINES_MAX: usize = 256;

/// One form of a secret.
#[derive(Clone)]
struct Pattern {
    text: Zeroizing<String>,
    /// How any of its characters may be escaped.
    style: Option<Style>,
}

impl Pattern {
    /// How many bytes at the beginning of `text` are this form.
    fn length(&self, text: &[u8]) -> Option<usize> {
        match self.style {
            Some(style) => style.says(&self.text, text),
            None => text
                .starts_with(self.text.as_bytes())
                .then_some(self.text.len()),
        }
    }

    /// The bytes it may begin with.
    fn marks(&self) -> Vec<u8> {
        let first = self.text.bytes().next();
        let mut marks: Vec<u8> = first.into_iter().collect();
        marks.extend(self.style.map(Style::mark));
        if self.style == Some(Style::Url) && first == Some(b' ') {
            marks.push(b'+');
        }
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    fn longest(&self) -> usize {
        self.text.len() * self.style.map_or(1, |_| ESCAPE_BYTES_MAX)
    }
}

/// What must not be seen: the secrets and their usual encodings.
pub(crate) struct Redactor {
    /// By first byte, so that most positions of a text cost one look.
    patterns: Vec<Vec<Pattern>>,
    longest: usize,
}

impl Default for Redactor {
    fn default() -> Self {
        Self {
            patterns: vec![Vec::new(); 256],
            longest: 0,
        }
    }
}

impl Redactor {
    /// Hides `secret` from now on: as it is, in Base64 at any alignment, in hex, and escaped as in URLs, JSON and HTML.
    pub(crate) fn hide(&mut self, secret: &str) {
        self.add(secret.to_owned(), None);
        if secret.len() < ENCODED_FROM {
            return;
        }
        for line in secret
            .lines()
            .filter(|l| l.len() >= ENCODED_FROM)
            .take(LINES_MAX)
        {
            self.add(line.to_owned(), None);
        }
        for form in encodings(secret.as_bytes()) {
            self.add(form, None);
        }
        for style in Style::ALL {
            self.add(secret.to_owned(), Some(style));
        }
    }

    fn add(&mut self, text: String, style: Option<Style>) {
        let pattern = Pattern {
            text: Zeroizing::new(text),
            style,
        };
        if pattern.text.is_empty() {
            return;
        }
        self.longest = self.longest.max(pattern.longest());
        for mark in pattern.marks() {
            let bucket = &mut self.patterns[usize::from(mark)];
            let same = |known: &Pattern| known.style == style && *known.text == *pattern.text;
            if !bucket.iter().any(same) {
                bucket.push(pattern.clone());
            }
        }
    }

    /// The length of the longest hidden form: how much beyond a cut must be known to hide what lies across it.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// The part `shown` of `bytes`, with every hidden form masked that touches it, also where it begins or ends outside.
    pub(crate) fn part(&self, bytes: &[u8], shown: Range<usize>) -> String {
        let mut out = Vec::with_capacity(shown.len());
        let mut at = shown.start;
        for hidden in self.found(bytes) {
            if hidden.end <= at || hidden.start >= shown.end {
                continue;
            }
            out.extend_from_slice(&bytes[at..hidden.start.max(at)]);
            out.extend_from_slice(MASK.as_bytes());
            at = hidden.end.min(shown.end);
        }
        out.extend_from_slice(&bytes[at..shown.end]);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// `text` with every hidden form masked.
    pub(crate) fn text(&self, text: &str) -> String {
        self.part(text.as_bytes(), 0..text.len())
    }

    /// `value` with every hidden form masked in its texts, keys and numbers.
    pub(crate) fn value(&self, value: Value) -> Value {
        match value {
            _ if self.longest == 0 => value,
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => Value::Object(
                map.into_iter()
                    .map(|(key, item)| (self.text(&key), self.value(item)))
                    .collect::<Map<_, _>>(),
            ),
            Value::Number(number) => {
                let text = number.to_string();
                let masked = self.text(&text);
                // A short secret must not turn an exit code into text.
                if text.len() >= ENCODED_FROM && masked != text {
                    Value::String(masked)
                } else {
                    Value::Number(number)
                }
            }
            Value::Null | Value::Bool(_) => value,
        }
    }

    /// The same for all of an outcome.
    pub(crate) fn outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Ok { output } => Outcome::Ok {
                output: self.value(output),
            },
            Outcome::Failed { reason, output } => Outcome::Failed {
                reason: self.text(&reason),
                output: self.value(output),
            },
            Outcome::Unknown { reason } => Outcome::Unknown {
                reason: self.text(&reason),
            },
        }
    }

    /// Where hidden forms stand: in order, overlapping ones joined.
    fn found(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        if self.longest == 0 {
            return found;
        }
        for (start, first) in bytes.iter().enumerate() {
            let rest = &bytes[start..];
            let longest = self.patterns[usize::from(*first)]
                .iter()
                .filter_map(|pattern| pattern.length(rest))
                .max();
            let Some(length) = longest else { continue };
            let end = start + length;
            match found.last_mut() {
                Some(last) if start < last.end => last.end = last.end.max(end),
                _ => found.push(start..end),
            }
        }
        found
    }
}

fn encodings(secret: &[u8]) -> Vec<String> {
    let lower: String = secret.iter().map(|b| format!("{b:02x}")).collect();
    let mut forms = vec![lower.to_uppercase(), lower];
    for shift in 0..3 {
        forms.extend(base64_at(secret, shift));
    }
    forms
}

/// The characters of the Base64 of `(shift bytes) + secret + (anything)` that depend on the secret alone, in both alphabets.
fn base64_at(secret: &[u8], shift: usize) -> [String; 2] {
    let mut padded = Zeroizing::new(vec![0; shift]);
    padded.extend_from_slice(secret);
    let from = (shift * 8).div_ceil(6);
    let to = padded.len() * 8 / 6;
    let cut = |text: String| text[from..to].to_owned();
    [
        cut(BASE64_STANDARD_NO_PAD.encode(padded.as_slice())),
        cut(BASE64_URL_SAFE_NO_PAD.encode(padded.as_slice())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::BASE64_STANDARD;
    use serde_json::json;

    const SECRET: &str = "p@ss w/rd\"+~é\\9";

    fn redactor() -> Redactor {
        let mut redactor = Redactor::default();
        redactor.hide(SECRET);
        redactor
    }

    #[test]
    fn every_encoding_is_hidden() {
        let hex: String = SECRET.bytes().map(|b| format!("{b:02x}")).collect();
        let url = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect::<String>();
        for (form, text) in [
            ("raw", SECRET.to_owned()),
            ("hex", hex.clone()),
            ("HEX", hex.to_uppercase()),
            ("form", url.replace("%7E", "~")),
            ("json", json!({ "a": SECRET }).to_string()),
            (
                "more of json",
                "p\\u0040ss w\\/rd\\u0022\\u002B~\\u00E9\\\\9".to_owned(),
            ),
            (
                "html",
                "p@ss w/rd&#34;&#43;~&eacute;\\9".replace("&eacute;", "&#233;"),
            ),
            ("base64", BASE64_STANDARD.encode(SECRET)),
            ("base64url", BASE64_URL_SAFE_NO_PAD.encode(SECRET)),
        ] {
            let seen = redactor().text(&format!("<{text}>"));
            assert!(seen.contains(MASK), "{form}: {seen}");
            assert!(seen.len() < 20, "{form}: {seen}");
        }
    }

    #[test]
    fn base64_is_hidden_at_every_alignment() {
        for before in ["", "u", "us", "user:"] {
            let text = BASE64_STANDARD.encode(format!("{before}{SECRET}:tail"));
            let seen = redactor().text(&text);
            let left: String = seen.replace(MASK, "");
            // At most the two characters that the secret shares with each neighbour are left beside theirs.
            let neighbours = (before.len() + ":tail".len()) * 8 / 6 + 4;
            assert!(left.len() <= neighbours, "{before:?}: {text} -> {seen}");
        }
    }

    #[test]
    fn overlapping_secrets_leave_nothing_between_them() {
        let mut redactor = Redactor::default();
        redactor.hide("abcdefgh");
        redactor.hide("efghijkl");
        assert_eq!(redactor.text("<abcdefghijkl>"), "<***>");
        assert_eq!(redactor.text("<efghijklabcdefgh>"), "<******>");
    }

    #[test]
    fn a_secret_across_a_cut_is_hidden_on_both_sides() {
        let mut redactor = Redactor::default();
        redactor.hide("0123456789");
        let bytes = b"aa0123456789bb";
        for cut in 3..12 {
            assert_eq!(redactor.part(bytes, 0..cut), "aa***", "head {cut}");
            assert_eq!(
                redactor.part(bytes, cut..bytes.len()),
                "***bb",
                "tail {cut}"
            );
        }
    }

    #[test]
    fn values_are_hidden_in_depth() {
        let mut redactor = Redactor::default();
        redactor.hide("123456789");
        redactor.hide("7");
        let seen =
            redactor.value(json!({"123456789": [{"a": "x123456789"}, 123_456_789, 7, true]}));
        assert_eq!(seen, json!({"***": [{"a": "x***"}, "***", 7, true]}));
    }

    #[test]
    fn the_lines_of_a_secret_are_hidden_up_to_a_bound() {
        let lines: Vec<String> = (0..=LINES_MAX).map(|n| format!("line-{n:04}")).collect();
        let mut redactor = Redactor::default();
        redactor.hide(&lines.join("\n"));
        assert_eq!(redactor.text(&lines[LINES_MAX - 1]), MASK);
        assert_eq!(redactor.text(&lines[LINES_MAX]), lines[LINES_MAX]);
        assert_eq!(redactor.text(&lines.join("\n")), MASK);
    }

    #[test]
    fn nothing_to_hide_changes_nothing() {
        assert_eq!(Redactor::default().text("plain"), "plain");
    }
}
