//! Detection, told as stories.

use edsr_sim::{check, check_restarts};

fn detector(spec: &str) -> String {
    format!(
        "apiVersion: edsr.dev/v1\nkind: Detector\nmetadata: {{ name: d, owner: team }}\nspec:\n  {}\n",
        spec.trim().replace('\n', "\n  ")
    )
}

fn story(spec: &str, story: &str, expected: &str) {
    let bundle = detector(spec);
    check(&bundle, story, expected);
    check_restarts(&bundle, story);
}

#[test]
fn an_alert_opens_and_its_end_resolves() {
    story(
        "on: type == 'alert'\nby: [data.name]\nmatch: { when: data.status == 'firing' }",
        "0s  event alert name=disk status=firing
         1s  event alert name=disk status=firing
         2s  event alert name=cpu status=firing
         5s  event alert name=disk status=resolved
         6s  event other name=disk status=firing",
        "0s opened d name=disk
         2s opened d name=cpu
         5s resolved cleared",
    );
}

#[test]
fn a_single_event_fades_after_keep_for() {
    story(
        "on: type == 'crash'\nmatch: {}\nkeepFor: 10s",
        "0s  event crash
         8s  event crash
         30s end",
        "0s opened d
         18s resolved cleared",
    );
}

#[test]
fn a_count_opens_at_its_line_and_falls_out_of_the_window() {
    story(
        "on: type == 'oom'\nby: [data.host]\ncount: { over: 1m, atLeast: 3 }",
        "0s   event oom host=a
         10s  event oom host=a
         20s  event oom host=b
         30s  event oom host=a
         5m   end",
        "30s opened d host=a
         1m resolved cleared",
    );
}

#[test]
fn distinct_values_are_counted_once() {
    story(
        "on: type == 'login'\ncount: { distinct: data.user, over: 1m, above: 2 }",
        "0s   event login user=a x5 every=1s
         10s  event login user=b
         20s  event login user=c
         2m   end",
        "20s opened d
         1m4s resolved cleared",
    );
}

#[test]
fn a_ratio_needs_enough_events_and_holds_before_it_opens() {
    let spec = "on: type == 'req'
by: [data.region]
ratio: { of: data.status >= 500, over: 1m, above: 10%, minCount: 10, clear: { below: 5% } }
for: 5s
keepFor: 10s";
    story(
        spec,
        "0s   event req region=eu status=500 x5 every=1s
         10s  event req region=eu status=200 x5 every=1s
         30s  event req region=us status=200 x100 every=10ms
         90s  event req region=eu status=200 x200 every=100ms
         5m   end",
        // The tenth event arrives at 14 s; five seconds later it still holds. With fewer than ten events in the window
        // nothing is said; at 90.9 s there are ten good ones, and they must stay good for ten seconds.
        "19s opened d region=eu
         1m40s900ms resolved cleared",
    );
}

#[test]
fn what_does_not_follow_is_noticed_by_time_alone() {
    story(
        "on: type.startsWith('order.')
by: [data.order]
absent: { after: type == 'order.placed', expect: type == 'order.paid', within: 5m }",
        "0s   event order.placed order=a
         1s   event order.placed order=b
         2m   event order.paid order=b
         10m  event order.paid order=a
         20m  end",
        "5m opened d order=a
         10m resolved cleared",
    );
}

#[test]
fn an_expected_set_that_was_never_seen_is_missed() {
    story(
        "on: type == 'beat'\nby: [data.host]\nabsent: { expect: 'true', within: 30s, keys: [a, b] }"
            .replace("'true'", "type == 'beat'")
            .as_str(),
        "0s   event beat host=a
         20s  event beat host=a
         25s  event beat host=stranger
         40s  event beat host=b
         45s  event beat host=a
         71s  event beat host=b
         74s  event beat host=a
         80s  end",
        "30s opened d host=b
         40s resolved cleared
         1m10s opened d host=b
         1m11s resolved cleared",
    );
}

#[test]
fn a_missing_field_is_not_met_and_does_no_harm() {
    story(
        "on: data.a.b == 1\nby: [data.key]\nmatch: { when: data.level > 3 }",
        "0s event x
         1s event x a=1 key=k level=9
         2s event x a={\"b\":1} level=9
         3s event x a={\"b\":1} key=k
         4s event x a={\"b\":1} key=k level=9",
        "4s opened d key=k",
    );
}

#[test]
fn a_changed_detector_closes_what_it_opened_and_an_unchanged_one_goes_on() {
    let kept = detector("on: type == 'a'\ncount: { over: 1m, atLeast: 2 }");
    let second = |line: u32| {
        detector(&format!(
            "on: type == 'b'\nmatch: {{ when: data.level > {line} }}"
        ))
        .replace("name: d", "name: e")
    };
    let bundle = format!("{kept}---\n{}\n=====\n{kept}---\n{}", second(3), second(4));
    let text = "0s  event a
         1s  event b level=5
         2s  activate
         3s  event a
         4s  event b level=4
         5s  event b level=5";
    check(
        &bundle,
        text,
        "1s opened e
         2s resolved detector-changed
         3s opened d
         5s opened e",
    );
    check_restarts(&bundle, text);
}
