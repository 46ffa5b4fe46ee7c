//! Decisions, told as stories.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{ONE_STEP, bundle};
use edsr_sim::{Story, World, check, check_restarts};

#[test]
fn a_repair_is_a_success_only_when_the_world_says_so() {
    let text = "0s  event alert name=a firing=true
         10s event alert name=a firing=false
         20s end";
    check(
        &bundle(ONE_STEP),
        text,
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s outcome one ok
         10s resolved cleared
         10s verified
         10s ended succeeded",
    );
    check_restarts(&bundle(ONE_STEP), text);
    check(
        &bundle(ONE_STEP),
        "0s  event alert name=a firing=true
         5m  end",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s outcome one ok
         1m not verified
         1m ended unverified",
    );
}

#[test]
fn guards_hold_it_back_and_let_go() {
    // The cooldown is over 70 s after the run ended, and the detection is still open: it is judged again.
    check(
        &bundle(ONE_STEP),
        "0s   event alert name=a firing=true
         10s  event alert name=a firing=false
         20s  event alert name=a firing=true
         80s  event alert name=a firing=false
         5m   end",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s outcome one ok
         10s resolved cleared
         10s verified
         10s ended succeeded
         20s opened d name=a
         20s deny fix service/a [permitted guard.cooldown]
         1m10s auto fix service/a [permitted]
         1m10s do one #1
         1m10s outcome one ok
         1m20s resolved cleared
         1m20s verified
         1m20s ended succeeded",
    );
}

#[test]
fn the_breaker_opens_after_runs_that_did_not_help_and_probes_later() {
    let mut text = String::new();
    for n in 0..4 {
        text += &format!("{}m event alert name=a firing=true\n", n * 3);
        text += &format!("{}m event alert name=a firing=false\n", n * 3 + 2);
    }
    text += "20m event alert name=a firing=true\n20m30s event alert name=a firing=false\n30m end";
    check(
        &bundle(ONE_STEP),
        &text,
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s outcome one ok
         1m not verified
         1m ended unverified
         2m resolved cleared
         3m opened d name=a
         3m auto fix service/a [permitted]
         3m do one #1
         3m outcome one ok
         4m not verified
         4m ended unverified
         5m resolved cleared
         6m opened d name=a
         6m deny fix service/a [permitted guard.breaker-open]
         8m resolved cleared
         9m opened d name=a
         9m deny fix service/a [permitted guard.breaker-open]
         11m resolved cleared
         20m opened d name=a
         20m auto fix service/a [permitted]
         20m do one #1
         20m outcome one ok
         20m30s resolved cleared
         20m30s verified
         20m30s ended succeeded",
    );
}

#[test]
fn while_the_breaker_probes_others_wait_for_that_run() {
    let shared = ONE_STEP
        .replace("service/${detection.key.name}", "service/shared")
        .replace("cooldown: 1m", "cooldown: 0s")
        .replace("after: 2, reset: 10m", "after: 1, reset: 2m");
    check(
        &bundle(&shared),
        "0s    event alert name=a firing=true
         90s   event alert name=a firing=false
         200s  event alert name=b firing=true
         201s  event alert name=c firing=true
         210s  event alert name=b firing=false
         220s  event alert name=c firing=false",
        "0s opened d name=a
         0s auto fix service/shared [permitted]
         0s do one #1
         0s outcome one ok
         1m not verified
         1m ended unverified
         1m30s resolved cleared
         3m20s opened d name=b
         3m20s auto fix service/shared [permitted]
         3m20s do one #1
         3m20s outcome one ok
         3m21s opened d name=c
         3m21s deny fix service/shared [permitted guard.target-busy guard.breaker-open]
         3m30s resolved cleared
         3m30s verified
         3m30s ended succeeded
         3m30s auto fix service/shared [permitted]
         3m30s do one #1
         3m30s outcome one ok
         3m40s resolved cleared
         3m40s verified
         3m40s ended succeeded",
    );
}

#[test]
fn a_limit_counts_runs_over_all_targets() {
    let limited = ONE_STEP.replace("cooldown: 1m", "cooldown: 0s, limit: 2 per 10m");
    check(
        &bundle(&limited),
        "0s event alert name=a firing=true
         1s event alert name=b firing=true
         2s event alert name=c firing=true
         3s event alert name=c firing=false
         4s event alert name=a firing=false
         5s event alert name=b firing=false",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s outcome one ok
         1s opened d name=b
         1s auto fix service/b [permitted]
         1s do one #1
         1s outcome one ok
         2s opened d name=c
         2s deny fix service/c [permitted guard.limit]
         3s resolved cleared
         4s resolved cleared
         4s verified
         4s ended succeeded
         5s resolved cleared
         5s verified
         5s ended succeeded",
    );
}

#[test]
fn one_run_at_a_time_works_on_a_target() {
    let same = ONE_STEP
        .replace("service/${detection.key.name}", "service/shared")
        .replace("cooldown: 1m", "cooldown: 0s");
    check(
        &bundle(&same),
        "answer step=one after=5s ok
         0s  event alert name=a firing=true
         1s  event alert name=b firing=true
         10s event alert name=a firing=false
         20s event alert name=b firing=false",
        "0s opened d name=a
         0s auto fix service/shared [permitted]
         0s do one #1
         1s opened d name=b
         1s deny fix service/shared [permitted guard.target-busy]
         5s outcome one ok
         10s resolved cleared
         10s verified
         10s ended succeeded
         10s auto fix service/shared [permitted]
         10s do one #1
         15s outcome one ok
         20s resolved cleared
         20s verified
         20s ended succeeded",
    );
}

#[test]
fn a_pause_stops_dispatch_and_runs_go_on_after_it() {
    let two = ONE_STEP.replace(
        "        verify",
        "        - { id: two, uses: exec/run, with: { argv: [fix] } }\n        verify",
    );
    check(
        &bundle(&two),
        "answer step=one after=5s ok
         0s  event alert name=a firing=true
         2s  pause all
         3s  event alert name=b firing=true
         60s resume
         70s event alert name=a firing=false
         80s event alert name=b firing=false",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         2s paused all
         3s opened d name=b
         3s deny fix service/b [paused permitted]
         5s outcome one ok
         1m resumed
         1m do two #1
         1m auto fix service/b [permitted]
         1m do one #1
         1m outcome two ok
         1m5s outcome one ok
         1m5s do two #1
         1m5s outcome two ok
         1m10s resolved cleared
         1m10s verified
         1m10s ended succeeded
         1m20s resolved cleared
         1m20s verified
         1m20s ended succeeded",
    );
}

#[test]
fn policies_decide_and_people_agree() {
    let policies = |text: &str| {
        let approve = ONE_STEP.replace("service/${detection.key.name}", "service/a");
        format!("{}\n--- policies\n{text}", bundle(&approve))
    };
    check(
        &policies("permit (principal, action == Action::\"propose\", resource);"),
        "0s event alert name=a firing=true",
        "0s opened d name=a
         0s approve fix service/a [policy.needs-approval]",
    );
    let with_person = "permit (principal, action == Action::\"propose\", resource);
         permit (principal == Person::\"sre\", action == Action::\"auto\", resource);";
    check(
        &policies(with_person),
        "0s  event alert name=a firing=true
         10s approve
         20s event alert name=a firing=false",
        "0s opened d name=a
         0s approve fix service/a [policy.needs-approval]
         10s approved
         10s auto fix service/a [manual permitted]
         10s do one #1
         10s outcome one ok
         20s resolved cleared
         20s verified
         20s ended succeeded",
    );
    // Agreeing is not enough: policies must let that person do it.
    check(
        &policies("permit (principal, action == Action::\"propose\", resource);"),
        "0s  event alert name=a firing=true
         10s approve
         20s end",
        "0s opened d name=a
         0s approve fix service/a [policy.needs-approval]
         10s approved
         10s deny fix service/a [manual policy.denied]",
    );
    check(
        &policies(""),
        "0s event alert name=a firing=true",
        "0s opened d name=a
         0s deny fix service/a [policy.denied]",
    );
}

#[test]
fn our_own_actions_do_not_set_us_off_for_ever() {
    check(
        &bundle(ONE_STEP),
        "0s event alert name=a firing=true @edsrdepth=2
         1s event alert name=b firing=true @edsrdepth=3",
        "0s opened d name=a
         0s auto fix service/a [permitted]
         0s do one #1
         0s outcome one ok
         1s opened d name=b
         1s deny fix service/b [guard.loop permitted]",
    );
}

#[test]
fn autonomy_stops_short_of_acting() {
    for (autonomy, verdict) in [
        ("observe", "observe"),
        ("suggest", "suggest"),
        ("approve", "approve"),
    ] {
        check(
            &bundle(&ONE_STEP.replace("autonomy: auto", &format!("autonomy: {autonomy}"))),
            "0s event alert name=a firing=true",
            &format!("0s opened d name=a\n0s {verdict} fix service/a [permitted autonomy]"),
        );
    }
}

#[test]
fn a_target_that_has_no_value_is_a_refusal_with_a_reason() {
    check(
        &bundle(&ONE_STEP.replace("detection.key.name", "detection.key.nope")),
        "0s event alert name=a firing=true",
        "0s opened d name=a
         0s deny fix - [plan.invalid]",
    );
}

#[test]
fn what_an_event_belongs_to_is_carried_through_to_the_call() {
    let story = |extensions: &str| {
        let mut world = World::new(&bundle(ONE_STEP)).unwrap();
        let text = format!("0s event alert name=a firing=true {extensions}\n1s end");
        world.run(&Story::parse(&text).unwrap(), false).unwrap();
        world.calls()[0].clone()
    };
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let call = story(&format!("@correlationid=order-17 @traceparent={trace}"));
    assert_eq!(call.correlated_by(), "order-17");
    assert_eq!(call.traceparent.as_deref(), Some(trace));
    assert_eq!(call.depth, 1);
    // What could break a header is not passed on; the incident stands in.
    let call = story("@correlationid=\"a\\nb\" @traceparent=ümlaut");
    assert_eq!(call.correlated_by(), call.incident.as_str());
    assert_eq!(call.traceparent, None);
}

#[test]
fn what_a_person_agreed_to_waits_for_its_guards_as_agreed() {
    let shared = ONE_STEP
        .replace("service/${detection.key.name}", "service/shared")
        .replace("cooldown: 1m", "cooldown: 0s")
        .replace("autonomy: auto", "autonomy: approve");
    check(
        &bundle(&shared),
        "answer step=one after=5s ok
         0s   event alert name=a firing=true
         0s   event alert name=b firing=true
         1s   approve
         2s   approve
         10s  event alert name=b firing=false
         30s  event alert name=a firing=false",
        "0s opened d name=a
         0s approve fix service/shared [permitted autonomy]
         0s opened d name=b
         0s approve fix service/shared [permitted autonomy]
         1s approved
         1s auto fix service/shared [manual permitted]
         1s do one #1
         2s approved
         2s deny fix service/shared [manual permitted guard.target-busy]
         6s outcome one ok
         10s resolved cleared
         10s verified
         10s ended succeeded
         10s auto fix service/shared [manual permitted]
         10s do one #1
         15s outcome one ok
         30s resolved cleared
         30s verified
         30s ended succeeded",
    );
}

#[test]
fn another_bundle_judges_anew_what_has_not_begun() {
    let two = format!(
        "{}\n=====\n{}",
        bundle(ONE_STEP),
        bundle(&ONE_STEP.replace("autonomy: auto", "autonomy: observe"))
    );
    check(
        &two,
        "0s  pause all
         1s  event alert name=a firing=true
         5s  activate
         10s resume
         20s end",
        "0s paused all
         1s opened d name=a
         1s deny fix service/a [paused permitted]
         5s deny fix service/a [paused permitted autonomy]
         10s resumed
         10s observe fix service/a [permitted autonomy]",
    );
}

#[test]
fn runs_under_way_are_bounded() {
    let mut world = World::new(&bundle(&ONE_STEP.replace("cooldown: 1m", "cooldown: 0s"))).unwrap();
    let mut story = "answer step=one after=20s ok\n".to_owned();
    for n in 0..=edsr_engine::EXECUTIONS_MAX {
        story += &format!("{n}ms event alert name=n{n} firing=true\n");
    }
    world.run(&Story::parse(&story).unwrap(), false).unwrap();
    assert_eq!(
        world.engine().unwrap().executions_open(),
        edsr_engine::EXECUTIONS_MAX
    );
    let lines = edsr_sim::transcript::lines(world.entries(), world.epoch());
    assert_eq!(
        lines.last().map(String::as_str),
        Some("1s deny fix service/n1000 [permitted guard.limit]")
    );
}
