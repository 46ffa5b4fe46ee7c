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
    use edsr_model::{Risk, Severity};

    use super::super::{Policies, PolicyAction, PolicyContext, Principal, Question, Target};
    use super::*;

    /// Judges whatever it is asked; that no answer ends the thread is what counts.
    fn judge(policies: &Policies) {
        let _ = policies.judge(&Question {
            principal: Principal::Person("ana"),
            action: PolicyAction::Auto,
            target: &"service/a".parse().unwrap(),
            facts: &Target::default(),
            context: PolicyContext {
                playbook: "p",
                risk: Risk::Low,
                severity: Severity::Error,
                detector: "d",
                evidence_age_seconds: 0,
                depth: 0,
                unverified_in_a_row: 0,
            },
        });
    }

    /// Compiles and judges on a thread with as little stack as those of a node that reload and decide.
    fn compile(condition: &str) -> Result<usize, String> {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        std::thread::scope(|scope| {
            let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
            let ran = small.spawn_scoped(scope, || {
                let compiled = Policies::compile(&[("a.cedar".to_owned(), text)]);
                compiled
                    .map(|policies| {
                        judge(&policies);
                        policies.ids().len()
                    })
                    .map_err(|errors| errors[0].message.clone())
            });
            ran.unwrap().join().unwrap()
        })
    }

    #[test]
    fn what_goes_too_deep_is_refused_before_it_is_parsed() {
        let chain = |n: usize| format!("context{} == 1", ".a".repeat(n));
        let ifs = |n: usize| format!("{}true", "if true then true else ".repeat(n));
        for (condition, what) in [
            ("(".repeat(40) + "true" + &")".repeat(40), "brackets"),
            ("[".repeat(100_000), "brackets"),
            ("(".repeat(100_000), "brackets"),
            (chain(100_000), "operators"),
            (ifs(10_000), "operators"),
            (vec!["true"; 100_000].join(" && "), "operators"),
            ("!".repeat(10_000) + "true", "operators"),
            ("-".repeat(10_000) + "1 == 1", "operators"),
        ] {
            let error = compile(&condition).unwrap_err();
            assert!(error.contains(what), "{what}: {error}");
        }
    }

    #[test]
    fn what_may_be_that_deep_compiles_on_a_small_stack() {
        let nested = NESTING_MAX - 1;
        assert_eq!(
            compile(&("(".repeat(nested) + "true" + &")".repeat(nested))),
            Ok(1)
        );
        assert_eq!(compile(&vec!["true"; OPERATORS_MAX].join(" && ")), Ok(1));
        let ifs = format!("{}true", "if true then true else ".repeat(OPERATORS_MAX));
        assert_eq!(compile(&ifs), Ok(1));
        // The chain is refused for what it means, not for its length.
        let chain = format!("context{} == 1", ".a".repeat(OPERATORS_MAX - 1));
        assert!(!compile(&chain).unwrap_err().contains("operators"));
    }

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
