//! Policies on a thread with as little stack as those of a node that reload and decide.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

use edsr_engine::policy::{
    NESTING_MAX, OPERATORS_MAX, Policies, PolicyAction, PolicyContext, Principal, Question, Target,
};
use edsr_model::{Risk, Severity};

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
