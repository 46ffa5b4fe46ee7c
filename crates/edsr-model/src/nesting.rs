//! How deep a text nests, for parsers that recurse: counted before one of them runs out of stack.

/// How deep the brackets in `text` nest, plus how often a condition (`a ? b : c`) begins, since those nest to the right.
/// Brackets inside quotes count too: that is more than needed, never less.
#[must_use]
pub fn nesting(text: &str) -> usize {
    let (mut open, mut deepest, mut conditions) = (0_usize, 0, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b'?' => conditions += 1,
            _ => {}
        }
    }
    deepest + conditions
}

#[cfg(test)]
mod tests {
    use super::nesting;

    #[test]
    fn brackets_and_conditions_count() {
        for (text, deep) in [
            ("", 0),
            ("a(b)[c]", 1),
            ("f(g([{1: 2}]))", 4),
            ("))((", 2),
            ("a ? b : c ? d : e", 2),
        ] {
            assert_eq!(nesting(text), deep, "{text}");
        }
    }
}
