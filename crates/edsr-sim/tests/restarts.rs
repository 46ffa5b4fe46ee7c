//! Random stories, each told twice: once straight through, and once with a crash before every line. What comes out
//! must be the same, from the beginning of both logs and from snapshots.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use edsr_sim::check_restarts;

const BUNDLE: &str = "
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: alert, owner: team }
spec:
  on: type == 'alert'
  by: [data.name]
  match: { when: data.firing == true }
  keepFor: 3s
  respond: [fix]
---
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: burst, owner: team }
spec:
  on: type == 'req'
  by: [data.name]
  count: { over: 1m, atLeast: 4, clear: { below: 2 } }
  for: 2s
  respond: [fix, look]
---
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: errors, owner: team }
spec:
  on: type == 'req'
  ratio: { of: data.bad == true, over: 30s, above: 40%, minCount: 3, clear: { below: 20% } }
  keepFor: 5s
  respond: [look]
---
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: users, owner: team }
spec:
  on: type == 'req'
  count: { distinct: data.name, over: 20s, above: 2 }
---
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: silent, owner: team }
spec:
  on: type == 'req' || type == 'alert'
  by: [data.name]
  absent: { after: type == 'req', expect: type == 'alert', within: 20s }
  respond: [fix]
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: fix, owner: team }
spec:
  target: service/${detection.key.name}
  risk: low
  autonomy: auto
  guards: { cooldown: 10s, limit: 5 per 5m, breaker: { after: 2, reset: 1m } }
  steps:
    - { id: one, uses: exec/run, with: { argv: [a, '${detection.detector}'] }, undo: { uses: exec/run, with: { argv: [u] } } }
    - { id: two, uses: exec/run, with: { argv: [b] }, retry: { attempts: 2, backoff: 2s..2s } }
  verify: { until: detection.resolved, within: 15s }
  otherwise: [page]
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: look, owner: team }
spec:
  target: service/all
  risk: low
  autonomy: suggest
  steps: [{ id: one, uses: exec/run, with: { argv: [a] } }]
  verify: { until: detection.resolved, within: 15s }
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: page, owner: team }
spec:
  target: team/oncall
  risk: low
  autonomy: auto
  guards: { cooldown: 0s }
  steps: [{ id: call, uses: notify/webhook, with: { url: 'http://pager.example/', text: help } }]
  verify: { until: detection.resolved, within: 1s }
";

/// Vigna's SplitMix64, so that a seed is a story.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn story(seed: u64) -> String {
    let mut dice = Dice(seed);
    let mut text = String::new();
    if dice.below(2) == 0 {
        text += "answer step=two fail broken\n";
    }
    if dice.below(3) == 0 {
        text += "answer step=one role=undo fail stuck\n";
    }
    let mut millis = 0;
    for _ in 0..40 {
        millis += dice.below(8000);
        let name = ["a", "b", "c"][dice.below(3) as usize];
        let line = match dice.below(20) {
            0 => "pause all".to_owned(),
            1 => "pause playbook:fix".to_owned(),
            2..=4 => "resume".to_owned(),
            5 => "activate".to_owned(),
            6..=11 => format!("event alert name={name} firing={}", dice.below(2) == 0),
            _ => format!("event req name={name} bad={}", dice.below(2) == 0),
        };
        writeln!(text, "{millis}ms {line}").unwrap();
    }
    writeln!(text, "{}ms end", millis + 120_000).unwrap();
    text
}

#[test]
fn a_crash_between_any_two_lines_changes_nothing() {
    let changed = BUNDLE.replace("above: 40%", "above: 30%");
    let bundle = format!("{BUNDLE}\n=====\n{changed}");
    for seed in 0..24 {
        // A story may put the other bundle into force once.
        let text = story(seed);
        let mut activated = false;
        let text: Vec<_> = text
            .lines()
            .filter(|line| !line.ends_with("activate") || !std::mem::replace(&mut activated, true))
            .collect();
        check_restarts(&bundle, &text.join("\n"));
    }
}
