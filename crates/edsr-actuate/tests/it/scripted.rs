//! Scripts as they are written.

use std::time::Duration;

use edsr_actuate::Scripted;
use edsr_model::{Outcome, StepRole};
use serde_json::{Value, json};

use crate::request;

fn script(value: Value) -> Scripted {
    let script: Scripted = serde_json::from_value(value).unwrap();
    let again = serde_json::from_value(serde_json::to_value(&script).unwrap()).unwrap();
    assert_eq!(script, again, "a script reads as it prints");
    script
}

fn done() -> Value {
    json!({"result": "ok", "output": 1})
}

fn times(script: &mut Scripted) -> Vec<Duration> {
    let answers = script.answer(&request("exec/run", json!({})));
    answers.into_iter().map(|(after, _)| after).collect()
}

#[test]
fn every_way_to_answer() {
    let secs = Duration::from_secs;
    for (answer, expected) in [
        (
            json!({"after": {"delay": "2s", "outcome": done()}}),
            vec![secs(2)],
        ),
        (
            json!({"late": {"by": "5s", "outcome": done()}}),
            vec![secs(15)],
        ),
        (
            json!({"twice": {"first": "1s", "again": "3s", "outcome": done()}}),
            vec![secs(1), secs(4)],
        ),
        (json!("never"), vec![]),
    ] {
        assert_eq!(
            times(&mut script(json!({"lines": [{"answer": answer}]}))),
            expected,
            "{answer}"
        );
    }
    let silent = Scripted::default().answer(&request("exec/run", json!({})));
    assert_eq!(
        silent,
        [(
            Duration::ZERO,
            Outcome::Ok {
                output: Value::Null
            }
        )]
    );
}

#[test]
fn the_first_line_that_matches_answers_until_it_is_used_up() {
    let delay = |secs: u32| json!({"after": {"delay": format!("{secs}s"), "outcome": done()}});
    let mut script = script(json!({
        "lines": [
            {"on": {"step": "other"}, "answer": delay(1)},
            {"on": {"uses": "exec/run", "step": "mend", "role": "do", "attempt": 2, "playbook": "mend-it", "target": "service/checkout"}, "times": 2, "answer": delay(2)},
            {"on": {"role": "undo"}, "answer": delay(3)}
        ],
        "otherwise": "never"
    }));
    let secs = |n| vec![Duration::from_secs(n)];
    assert_eq!(
        [times(&mut script), times(&mut script), times(&mut script)],
        [secs(2), secs(2), vec![]]
    );
    let mut undo = request("exec/run", json!({}));
    undo.attempt.role = StepRole::Undo;
    assert_eq!(script.answer(&undo).len(), 1);
}

#[test]
fn a_misspelt_script_is_refused() {
    for bad in [
        json!({"lines": [{"on": {"stepp": "x"}, "answer": "never"}]}),
        json!({"lines": [{"on": {}}]}),
        json!({"lines": [{"answer": "sometimes"}]}),
        json!({"answers": []}),
    ] {
        assert!(
            serde_json::from_value::<Scripted>(bad.clone()).is_err(),
            "{bad}"
        );
    }
}
