//! Texts as other programs escape them: which characters they escape, and how, is theirs to choose.

/// The most bytes that an escape takes for one byte of the text.
pub(super) const ESCAPE_BYTES_MAX: usize = 8;

/// A way to write what may not stand as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `\"`, `\/`, `\u003c`.
    Json,
    /// `%2B`, and `+` for a space.
    Url,
    /// `&lt;`, `&#43;`, `&#x27;`.
    Html,
}

impl Style {
    pub(super) const ALL: [Self; 3] = [Self::Json, Self::Url, Self::Html];

    /// What an escape begins with.
    pub(super) const fn mark(self) -> u8 {
        match self {
            Self::Json => b'\\',
            Self::Url => b'%',
            Self::Html => b'&',
        }
    }

    /// How many bytes at the beginning of `text` say `wanted`, with any of its characters escaped.
    pub(super) fn says(self, wanted: &str, text: &[u8]) -> Option<usize> {
        let mut at = 0;
        for c in wanted.chars() {
            let rest = text.get(at..)?;
            at += self.escape(c, rest).or_else(|| literal(c, rest))?;
        }
        Some(at)
    }

    /// The length of the escape of `c` that `text` begins with.
    fn escape(self, c: char, text: &[u8]) -> Option<usize> {
        if self == Self::Url {
            return url(c, text);
        }
        if text.first() != Some(&self.mark()) {
            return None;
        }
        let (found, length) = match self {
            Self::Html => html(text)?,
            _ => json(text)?,
        };
        (found == c).then_some(length)
    }
}

fn literal(c: char, text: &[u8]) -> Option<usize> {
    let mut bytes = [0; 4];
    let bytes = c.encode_utf8(&mut bytes).as_bytes();
    text.starts_with(bytes).then_some(bytes.len())
}

fn json(text: &[u8]) -> Option<(char, usize)> {
    let short = match *text.get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return json_units(text),
        same @ (b'"' | b'\\' | b'/' | b'\'') => char::from(same),
        _ => return None,
    };
    Some((short, 2))
}

/// One `\uXXXX`, or two where one is half a character.
fn json_units(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::try_from(number(digits, 16)?).ok()
    };
    let first = unit(0)?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Some((c, 6));
    }
    let both = [first, unit(6)?];
    let c = char::decode_utf16(both).next()?.ok()?;
    Some((c, 12))
}

fn html(text: &[u8]) -> Option<(char, usize)> {
    let end = text
        .iter()
        .take(ESCAPE_BYTES_MAX + 2)
        .position(|byte| *byte == b';')?;
    let code = match &text[1..end] {
        b"lt" => u32::from('<'),
        b"gt" => u32::from('>'),
        b"amp" => u32::from('&'),
        b"quot" => u32::from('"'),
        b"apos" => u32::from('\''),
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        _ => return None,
    };
    Some((char::from_u32(code)?, end + 1))
}

fn number(digits: &[u8], base: u32) -> Option<u32> {
    let plain = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| plain)?;
    u32::from_str_radix(text, base).ok()
}

/// Every byte of `c` by itself, escaped or not.
fn url(c: char, text: &[u8]) -> Option<usize> {
    let mut bytes = [0; 4];
    let mut at = 0;
    for byte in c.encode_utf8(&mut bytes).bytes() {
        let rest = text.get(at..)?;
        at += match url_byte(rest) {
            Some(found) if found == byte => 3,
            _ if rest.first() == Some(&byte) => 1,
            _ if rest.first() == Some(&b'+') && byte == b' ' => 1,
            _ => return None,
        };
    }
    Some(at)
}

fn url_byte(text: &[u8]) -> Option<u8> {
    let digits = text.get(1..3).filter(|_| text.first() == Some(&b'%'))?;
    u8::try_from(number(digits, 16)?).ok()
}

/// What a part of a URL says, where that is text.
pub(crate) fn decoded_url(part: &str) -> Option<String> {
    let mut rest = part.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let [first, more @ ..] = rest {
        let escape = url_byte(rest);
        bytes.push(escape.unwrap_or(*first));
        rest = if escape.is_some() { &rest[3..] } else { more };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a\"<é\u{1f600}&'+/ \\n%41;";

    #[test]
    fn whatever_is_escaped_it_says_the_same() {
        for (style, text) in [
            (Style::Json, r#"a\"<é😀&'+/ \\n%41;"#),
            (
                Style::Json,
                r#"a\u0022\u003c\u00e9\ud83d\ude00\u0026\u0027\u002B\/ \\n%41;"#,
            ),
            (
                Style::Json,
                r#"\u0061\"\u003C\u00E9\uD83D\uDE00&\'+\/\u0020\u005cn%41;"#,
            ),
            (
                Style::Url,
                "a%22%3C%C3%A9%F0%9F%98%80%26%27%2B%2F%20%5Cn%2541%3B",
            ),
            (Style::Url, "a\"%3cé%f0%9f%98%80&'%2b/+\\n%2541;"),
            (Style::Html, "a&quot;&lt;é😀&amp;&#39;+/ \\n%41;"),
            (
                Style::Html,
                "a&#34;&#x3c;&#xe9;&#128512;&amp;&#x0027;&#43;&#x2F;&#32;\\n%41&#x3B;",
            ),
        ] {
            let longer = format!("{text}...");
            assert_eq!(
                style.says(SECRET, longer.as_bytes()),
                Some(text.len()),
                "{style:?}: {text}"
            );
            for end in 0..text.len() {
                assert_eq!(
                    style.says(SECRET, &text.as_bytes()[..end]),
                    None,
                    "{style:?}: {end} of {text}"
                );
            }
            assert!(text.len() <= SECRET.len() * ESCAPE_BYTES_MAX);
        }
    }

    #[test]
    fn what_says_something_else_is_not_taken_for_it() {
        for (style, text) in [
            (Style::Json, "\\"),
            (Style::Json, "\\u"),
            (Style::Json, "\\u12"),
            (Style::Json, "\\ud800"),
            (Style::Json, "\\ud800\\u0041"),
            (Style::Json, "\\u+041"),
            (Style::Url, "%"),
            (Style::Url, "%4"),
            (Style::Url, "%+1"),
            (Style::Url, "%é"),
            (Style::Html, "&"),
            (Style::Html, "&#;"),
            (Style::Html, "&#xd800;"),
            (Style::Html, "&#99999999;"),
            (Style::Html, "&nothing;"),
        ] {
            assert_eq!(style.says("A", text.as_bytes()), None, "{style:?}: {text}");
        }
    }

    #[test]
    fn parts_of_urls_are_decoded() {
        for (part, said) in [
            ("a%2Bb%2f+%3D", Some("a+b/+=")),
            ("100%", Some("100%")),
            ("%zz%4", Some("%zz%4")),
            ("%ff", None),
        ] {
            assert_eq!(decoded_url(part).as_deref(), said, "{part}");
        }
    }
}
