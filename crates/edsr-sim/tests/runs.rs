//! Runs, told as stories: undone, in doubt, probed, repeated, held back.

mod common;

use common::{ONE_STEP, bundle};
use edsr_sim::check;

const THREE_STEPS: &str = "
        target: service/${detection.key.name}
        risk: low
        autonomy: auto
        steps:
        - { id: one, uses: exec/run, with: { argv: [a] }, undo: { uses: exec/run, with: { argv: [b] } } }
        - { id: two, uses: exec/run, with: { argv: [a] }, retry: { attempts: 2, backoff: 2s }, undo: { uses: exec/run, with: { argv: [b] } } }
        - { id: three, uses: exec/run, with: { argv: [a] } }
        verify: { until: detection.resolved, within: 1m }
        otherwise: [page]";

#[test]
fn what_was_done_is_undone_in_reverse_and_a_person_is_told() {
    check(
        &bundle(THREE_STEPS),
        "answer step=three fail no space left
         answer step=two attempt=1 role=do fail busy
         0s event alert name=a firing=true
         1m end",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s outcome one ok
         0s do two #1
         0s outcome two failed: busy
         0s retry two
         2s do two #2
         2s outcome two ok
         2s do three #1
         2s outcome three failed: no space left
         2s undo two #1
         2s outcome two ok
         2s undo one #1
         2s outcome one ok
         2s ended compensated
         2s auto page team/oncall [permitted]
         2s do call #1
         2s outcome call ok
         2s verified
         2s ended succeeded",
    );
    check(
        &bundle(THREE_STEPS),
        "answer step=three fail no space left
         answer step=one role=undo fail gone
         0s event alert name=a firing=true
         0s pause playbook:page
         1m end",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s paused playbook:page
         0s outcome one ok
         0s do two #1
         0s outcome two ok
         0s do three #1
         0s outcome three failed: no space left
         0s undo two #1
         0s outcome two ok
         0s undo one #1
         0s outcome one failed: gone
         0s ended partly-compensated
         0s deny page team/oncall [paused permitted]",
    );
}

#[test]
fn a_plain_call_with_no_outcome_is_in_doubt_and_never_sent_again() {
    check(
        &bundle(ONE_STEP),
        "answer step=one never
         0s  event alert name=a firing=true
         10s restart
         20s end",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         10s ended in-doubt",
    );
    // Without a crash, a reply that never comes is given up on after twice the timeout and a grace of 15 s.
    check(
        &bundle(ONE_STEP),
        "answer step=one never
         0s  event alert name=a firing=true
         2m end",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         1m15s outcome one unknown: no outcome came back in time
         1m15s ended in-doubt",
    );
}

#[test]
fn a_probe_settles_what_nobody_knows() {
    let probed = ONE_STEP.replace(
        "timeout: 30s }",
        "timeout: 30s, probe: { uses: exec/run, with: { argv: [look] } } }",
    );
    check(
        &bundle(&probed),
        "answer step=one role=do never
         0s  event alert name=a firing=true
         10s restart
         20s event alert name=a firing=false",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         10s probe one #1
         10s outcome one ok
         20s resolved cleared
         20s verified
         20s ended succeeded",
    );
    // The probe says that it did not happen, so doing it now is not doing it twice.
    check(
        &bundle(&probed),
        "answer step=one role=do attempt=1 never
         answer step=one role=probe fail not there
         0s  event alert name=a firing=true
         10s restart
         20s event alert name=a firing=false",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         10s probe one #1
         10s outcome one failed: not there
         10s do one #2
         10s outcome one ok
         20s resolved cleared
         20s verified
         20s ended succeeded",
    );
}

#[test]
fn a_call_that_may_be_repeated_is_sent_again_with_the_same_key() {
    let safe = ONE_STEP.replace(
        "uses: exec/run, with: { argv: [fix] }",
        "uses: http/request, class: retry-safe, with: { method: PUT, url: 'http://example/' }",
    );
    check(
        &bundle(&safe),
        "answer step=one attempt=1 never
         0s  event alert name=a firing=true
         10s restart
         20s event alert name=a firing=false",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         10s retry one
         11s497ms do one #2
         11s497ms outcome one ok
         20s resolved cleared
         20s verified
         20s ended succeeded",
    );
}

#[test]
fn replies_that_come_late_or_twice_change_nothing() {
    check(
        &bundle(ONE_STEP),
        "answer step=one twice
         0s  event alert name=a firing=true
         10s event alert name=a firing=false",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s outcome one ok
         1s outcome one ok
         10s resolved cleared
         10s verified
         10s ended succeeded",
    );
}

#[test]
fn what_was_found_before_a_long_sleep_is_not_acted_on() {
    // The cooldown is over while the node is down. Nobody knows whether the finding still holds.
    let story = |sleep: &str| {
        format!(
            "0s   event alert name=a firing=true
             10s  event alert name=a firing=false
             20s  event alert name=a firing=true
             30s  down
             {sleep} restart
             3h   end"
        )
    };
    let before = "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s outcome one ok
         10s resolved cleared
         10s verified
         10s ended succeeded
         20s opened d name=a
         20s deny fix service/a [permitted guard.cooldown]";
    check(
        &bundle(ONE_STEP),
        &story("2h"),
        &format!("{before}\n1m10s deny fix service/a [guard.stale-evidence permitted]"),
    );
    check(
        &bundle(ONE_STEP),
        &story("2m"),
        &format!(
            "{before}
         1m10s auto fix service/a [permitted]
         1m10s do one #1
         2m outcome one ok
         3m not verified
         3m ended unverified"
        ),
    );
}
