//! How deep a policy may go, counted on its text: Cedar's parser, its validator and the end of what they made recurse, and
//! running out of stack ends the process, which nothing catches.

use super::PolicyError;

/// How many brackets in a policy stand one within another at most.
pub const NESTING_MAX: usize = 32;

/// How many operators a policy has at most: each may lie within the one before (`a.b.c`, `if` after `else`, `&&`).
pub const OPERATORS_MAX: usize = 256;

/// Characters that are, or begin, an operator.
const OPERATORS: &[u8] = b".!-+*<>=&|";

/// Where a text is by now.
#[derive(Default)]
struct Scan {
    open: usize,
    operators: usize,
    /// The character before; two of a kind are one operator.
    before: u8,
    /// Where the word that is being read begins.
    word: Option<usize>,
}

/// The first place of a file at which a policy goes too deep.
pub(super) fn too_deep(file: &str, text: &str) -> Option<PolicyError> {
    let bytes = text.as_bytes();
    let mut scan = Scan::default();
    let mut at = 0;
    while at < bytes.len() {
        let skipped = skip(bytes, at);
        if skipped > at {
            scan.word = None;
            at = skipped;
            continue;
        }
        if let Some((what, max)) = scan.step(bytes, at) {
            return Some(PolicyError {
                file: file.to_owned(),
                span: Some(at..at + 1),
                message: format!("the policy has more than {max} {what}"),
                help: Some(
                    "split it into several policies, or ask a set: `[\"a\", \"b\"].contains(x)`"
                        .to_owned(),
                ),
            });
        }
        at += 1;
    }
    None
}

/// Where a text or a comment that begins at `at` ends; `at` where none begins.
fn skip(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let end = rest.iter().position(|byte| *byte == b'\n');
        return at + end.unwrap_or(rest.len());
    }
    if rest[0] != b'"' {
        return at;
    }
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

impl Scan {
    /// Takes one character in; says what there is too much of.
    fn step(&mut self, bytes: &[u8], at: usize) -> Option<(&'static str, usize)> {
        let byte = bytes[at];
        let repeated = byte == std::mem::replace(&mut self.before, byte);
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            self.word.get_or_insert(at);
            return None;
        }
        if let Some(begin) = self.word.take()
            && &bytes[begin..at] == b"if"
        {
            self.operators += 1;
        }
        match byte {
            b'(' | b'[' | b'{' => self.open += 1,
            b')' | b']' | b'}' => self.open = self.open.saturating_sub(1),
            // Outside brackets it ends a policy, and nothing of the next one lies within it.
            b';' if self.open == 0 => self.operators = 0,
            // `!!a` is two, `&&` and `==` are one.
            _ if OPERATORS.contains(&byte) && (!repeated || b"!-.".contains(&byte)) => {
                self.operators += 1;
            }
            _ => {}
        }
        if self.open > NESTING_MAX {
            return Some(("brackets one within another", NESTING_MAX));
        }
        (self.operators > OPERATORS_MAX).then_some(("operators", OPERATORS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_comments_and_other_policies_do_not_count() {
        let one = "permit (principal, action, resource) when { resource.environment == \"x\" };\n";
        assert!(too_deep("a", &one.repeat(1_000)).is_none());
        let quoted = format!(
            "// {}\n@id(\"{}\\\"\")\n{one}",
            "(".repeat(99),
            "(.!".repeat(99)
        );
        assert!(too_deep("a", &quoted).is_none());
    }
}
