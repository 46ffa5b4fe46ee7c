//! Shrinking: the same violation from as few lines as can be found.

use crate::invariant::{Invariant, Violation};

/// The most stories that are told to find a shorter one.
const TRIES_MAX: usize = 600;

/// Leaves lines out for as long as the rest still breaks the same invariant (the idea of Zeller and Hildebrandt's
/// delta debugging, 2002: first large parts, then smaller ones). Returns the shortest story found, and what it breaks.
pub fn shrink(
    story: &str,
    violation: Violation,
    mut tell: impl FnMut(&str) -> Option<Violation>,
) -> (String, Violation) {
    let mut lines: Vec<String> = story.lines().map(ToOwned::to_owned).collect();
    let mut seen = violation;
    let same = |invariant: Invariant, found: &Violation| found.invariant == invariant;
    let mut tries = 0;
    let mut part = (lines.len() / 2).max(1);
    loop {
        let mut place = 0;
        let before = lines.len();
        while place < lines.len() && tries < TRIES_MAX {
            let end = (place + part).min(lines.len());
            let shorter = [&lines[..place], &lines[end..]].concat();
            tries += 1;
            match tell(&shorter.join("\n")) {
                Some(found) if same(seen.invariant, &found) => {
                    lines = shorter;
                    seen = found;
                }
                _ => place = end,
            }
        }
        if part == 1 && (lines.len() == before || tries >= TRIES_MAX) {
            return (lines.join("\n"), seen);
        }
        part = (part / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let story: Vec<_> = (0..50).map(|n| n.to_string()).collect();
        let tell = |story: &str| {
            let has = |line: &str| story.lines().any(|found| found == line);
            (has("7") && has("31")).then(|| Invariant::RunsEnd.broken("both"))
        };
        let first = Invariant::RunsEnd.broken("at first");
        let (found, violation) = shrink(&story.join("\n"), first, tell);
        assert_eq!((found.as_str(), violation.text.as_str()), ("7\n31", "both"));
    }
}
