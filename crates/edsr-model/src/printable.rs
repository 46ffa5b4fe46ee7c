//! Text that may be shown: a log line or a terminal must not be steered by what a sender wrote.

/// `text` with everything escaped that could break a line, colour a terminal or turn the reading direction, cut to at
/// most `max` characters (a cut is marked with `…`, which counts).
#[must_use]
pub fn printable(text: &str, max: usize) -> String {
    let mut shown = String::new();
    let mut left = max;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let piece: String = if steers(c) {
            match c {
                '\n' => "\\n".to_owned(),
                '\r' => "\\r".to_owned(),
                '\t' => "\\t".to_owned(),
                _ => format!("\\u{{{:x}}}", u32::from(c)),
            }
        } else {
            c.to_string()
        };
        let size = piece.chars().count();
        let reserve = usize::from(rest.peek().is_some());
        if size + reserve > left {
            if left > 0 {
                shown.push('…');
            }
            break;
        }
        left -= size;
        shown.push_str(&piece);
    }
    shown
}

/// Whether `c` could break a line, be obeyed by a terminal, turn the reading direction or hide.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_reader() {
        for (raw, shown) in [
            ("plain ünïcode 漢字", "plain ünïcode 漢字"),
            ("a\nb\r\n\tc", "a\\nb\\r\\n\\tc"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("user\u{202e}gpj.exe", "user\\u{202e}gpj.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("a\u{2028}b\u{0}", "a\\u{2028}b\\u{0}"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
        ] {
            assert_eq!(printable(raw, 100), shown);
        }
    }

    #[test]
    fn a_cut_is_marked_and_kept() {
        assert_eq!(printable("abcdef", 6), "abcdef");
        assert_eq!(printable("abcdefg", 6), "abcde…");
        assert_eq!(printable("ab\u{1b}[0m", 5), "ab…");
        assert_eq!(printable("ab", 0), "");
        for max in 0..20 {
            assert!(
                printable("\u{202e}\n漢字 and more text", max)
                    .chars()
                    .count()
                    <= max
            );
        }
    }
}
