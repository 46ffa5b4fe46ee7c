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

#[test]
fn a_probe_that_a_pause_held_back_is_asked_after_it_and_not_passed_over() {
    let probed = ONE_STEP.replace(
        "timeout: 30s }",
        "timeout: 30s, probe: { uses: exec/run, with: { argv: [look] } } }",
    );
    check(
        &bundle(&probed),
        "answer step=one role=do never
         0s  event alert name=a firing=true
         5s  pause all
         10s restart
         20s resume
         30s event alert name=a firing=false",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         5s paused all
         20s resumed
         20s probe one #1
         20s outcome one ok
         30s resolved cleared
         30s verified
         30s ended succeeded",
    );
}

#[test]
fn an_undo_that_a_pause_held_back_is_done_after_it() {
    let undone = THREE_STEPS.replace(
        "with: { argv: [a] }, undo: { uses: exec/run, with: { argv: [b] } } }\n        - { id: two",
        "with: { argv: [a] }, undo: { uses: exec/run, with: { argv: [b] }, retry: { attempts: 2, backoff: 5s } } }\n        - { id: two",
    );
    check(
        &bundle(&undone),
        "answer step=two fail no
         answer step=one role=undo attempt=1 fail busy
         0s  event alert name=a firing=true
         4s  pause playbook:fix
         20s resume
         60s end",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s outcome one ok
         0s do two #1
         0s outcome two failed: no
         0s retry two
         2s do two #2
         2s outcome two failed: no
         2s undo one #1
         2s outcome one failed: busy
         2s retry one
         4s paused playbook:fix
         20s resumed
         20s undo one #2
         20s outcome one ok
         20s ended compensated
         20s auto page team/oncall [permitted]
         20s do call #1
         20s outcome call ok
         20s verified
         20s ended succeeded",
    );
}

#[test]
fn what_was_missed_only_because_the_node_slept_starts_nothing() {
    let beats = bundle(ONE_STEP)
        .replace("type == 'alert'", "type == 'beat'")
        .replace(
            "match: { when: data.firing == true }",
            "absent: { expect: type == 'beat', within: 30s }",
        );
    check(
        &beats,
        "0s   event beat name=a
         10s  down
         2m   restart
         2m1s event beat name=a
         2m2s end",
        "30s opened d name=a
         30s deny fix service/a [guard.stale-evidence permitted]
         2m1s resolved cleared",
    );
    // A second restart reads the same story out of the journal.
    check(
        &beats,
        "0s   event beat name=a
         10s  down
         20m  restart
         21m  restart
         22m  event beat name=a",
        "30s opened d name=a
         30s deny fix service/a [guard.stale-evidence permitted]
         22m resolved cleared",
    );
}

#[test]
fn many_plans_that_end_at_once_do_not_pile_up() {
    // Each target makes the argument an option, so the run ends where it began, and the next plan is judged.
    let mut story = "0s pause all\n".to_owned();
    for n in 0..300 {
        story += &format!("{n}ms event alert name=-x{n} firing=true\n");
    }
    story += "10s resume\n20s end\n";
    let option = ONE_STEP
        .replace("argv: [fix]", "argv: [fix, '${detection.key.name}']")
        .replace("cooldown: 1m", "cooldown: 0s");
    let mut world =
        edsr_sim::World::new(&bundle(&option)).unwrap_or_else(|error| panic!("{error}"));
    let story = edsr_sim::Story::parse(&story).unwrap_or_else(|error| panic!("{error}"));
    world
        .run(&story, false)
        .unwrap_or_else(|error| panic!("{error}"));
    let lines = edsr_sim::transcript::lines(world.entries(), world.epoch());
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.ends_with("ended failed"))
            .count(),
        300
    );
}

#[test]
fn a_run_stays_on_the_bundle_it_began_with() {
    let two_steps = ONE_STEP.replace(
        "        verify",
        "        - { id: two, uses: exec/run, with: { argv: [fix] } }\n        verify",
    );
    let both = format!("{}\n=====\n{}", bundle(&two_steps), bundle(ONE_STEP));
    check(
        &both,
        "answer step=one after=5s ok
         0s  event alert name=a firing=true
         2s  activate
         10s restart
         20s event alert name=a firing=false
         90s event alert name=a firing=true",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         5s outcome one ok
         5s do two #1
         5s outcome two ok
         20s resolved cleared
         20s verified
         20s ended succeeded
         1m30s opened d name=a
         1m30s auto fix service/a [permitted]
         1m30s do one #1",
    );
}

#[test]
fn an_answer_to_a_plan_that_a_timer_brought_about_is_replayed() {
    // Nothing came in between the timer that opened the detection and the person's answer.
    let playbook = ONE_STEP.replace("autonomy: auto", "autonomy: approve");
    let late = bundle(&playbook).replace(
        "  match: { when: data.firing == true }\n",
        "  count: { over: 1m, atLeast: 2 }\n  for: 2s\n",
    );
    let text = "0s  event alert name=a x2 batch
         10s approve
         20s restart
         3m  end";
    check(
        &late,
        text,
        "2s opened d name=a
         2s approve fix service/a [permitted autonomy]
         10s approved
         10s auto fix service/a [manual permitted]
         10s do one #1
         10s outcome one ok
         1m resolved cleared
         1m verified
         1m ended succeeded",
    );
    edsr_sim::check_restarts(&late, text);
}

#[test]
fn an_answer_that_comes_with_the_end_of_what_asked_is_turned_down() {
    let playbook = ONE_STEP.replace("autonomy: auto", "autonomy: approve");
    let brief = bundle(&playbook).replace(
        "  match: { when: data.firing == true }\n",
        "  match: {}\n  keepFor: 5s\n",
    );
    let mut world = edsr_sim::World::new(&brief).unwrap();
    let story = edsr_sim::Story::parse("0s event alert name=a\n0s freeze 8s\n8s approve").unwrap();
    let violation = world.run(&story, false).unwrap_err();
    assert!(violation.text.contains("no plan waits"), "{violation}");
}
