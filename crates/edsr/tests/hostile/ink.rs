//! Texts that are made to be printed, and how to see that they were not obeyed.

use serde_json::Value;

/// What every line that a text made up would begin with.
pub(crate) const FORGED: &str = "FORGED";

/// Texts that steer a terminal, end a line, or break out of the format they are written into.
pub(crate) fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "a line\nFORGED and another",
        "a line\r\nFORGED\r\n\r\nFORGED",
        "over\rFORGED",
        "\u{1b}[2J\u{1b}[1;1H\u{1b}[31mred",
        "\u{1b}]0;title\u{7}\u{1b}]8;;http://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\",
        "\u{1b}P+q544e\u{1b}\\\u{1b}c",
        "\u{9b}2J\u{9d}0;title\u{9c}",
        "back\u{8}\u{8}\u{8}\u{8}\u{7f}",
        "nul\u{0}vertical\u{b}form\u{c}",
        "user\u{202e}gpj.exe\u{202c}",
        "\u{2066}x\u{2069}\u{200f}\u{61c}y",
        "para\u{2028}FORGED\u{2029}FORGED\u{85}FORGED",
        "zero\u{200b}width\u{feff}\u{ad}",
        "tag\u{e0041}\u{e007f}",
        "\"},\n{\"level\":\"ERROR\",\"FORGED\":\"",
        "\\u001b[31m\\n\\\"",
        "'; - FORGED: &a *a !!x |\n  FORGED: yes\n---\nFORGED: yes",
        "2026-01-01T00:00:00.000000Z ERROR edsr: forged\n2026-01-01T00:00:00.000000Z ERROR FORGED",
        "\n# TYPE edsr_forged counter\nFORGED 1\n# EOF",
        "\nevent: entry\ndata: FORGED\n\nFORGED",
        "${detection.key.n} {{7*7}} %s%n <script>alert(1)</script>",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push(format!("{}\u{1b}[31m\nFORGED", "long ".repeat(20 * 1024)));
    texts
}

/// Whether a terminal obeys it, a line ends with it, or a reader is misled by it.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Checks that what is written steers nothing, and that no line of it was made up by a text.
#[track_caller]
pub(crate) fn check_tame(place: &str, written: &str) {
    for (number, line) in written.split('\n').enumerate() {
        let bad = line.char_indices().find(|(_, c)| steers(*c));
        if let Some((at, c)) = bad {
            let near: String = line.chars().take(at + 20).collect();
            panic!(
                "{place}, line {}: {c:?} in {:?}",
                number + 1,
                &near[near.len().saturating_sub(200).min(near.len())..]
            );
        }
        assert!(
            !line.starts_with(FORGED),
            "{place}, line {}: {line:.200}",
            number + 1
        );
    }
}

/// The same for what has one line for one thing: no line begins as a text made it, however it is indented. In YAML a
/// text may have indented lines of its own.
#[track_caller]
pub(crate) fn check_lines(place: &str, written: &str) {
    check_tame(place, written);
    for (number, line) in written.lines().enumerate() {
        let begins = line.trim_start_matches([' ', '-', '"']);
        assert!(
            !begins.starts_with(FORGED),
            "{place}, line {}: {line:.200}",
            number + 1
        );
    }
}

/// Whether this text stands in a value as it is: what is made safe for eyes stays what it was for programs.
pub(crate) fn says(value: &Value, text: &str) -> bool {
    match value {
        Value::String(said) => said == text,
        Value::Array(items) => items.iter().any(|item| says(item, text)),
        Value::Object(map) => map.values().any(|item| says(item, text)),
        _ => false,
    }
}
