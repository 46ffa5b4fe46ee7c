//! Stories drawn from a seed: what senders, people, targets, disks, clocks and power may do, in any order.

use std::fmt::Write as _;

use edsr_log::rng::SplitMix64;

use crate::point::Point;

/// The names that keys are made of; few, so that things meet.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Calls that targets may answer badly, and in how many tries.
const CALLS: &[&str] = &[
    "step=one role=do",
    "step=one role=undo",
    "step=one role=probe",
    "step=two",
    "step=put",
    "step=once",
    "step=call",
];

/// How a seed is inclined.
struct Draw {
    dice: SplitMix64,
    /// A death comes once in so many lines.
    deaths: u64,
    /// Another fault comes once in so many lines.
    faults: u64,
    /// The longest pause between two lines, in milliseconds.
    gap: u64,
}

/// The story that belongs to `seed`.
#[must_use]
pub fn draw(seed: u64) -> String {
    let mut dice = SplitMix64::new(seed);
    let deaths = [6, 12, 40, 1000][dice.below(4) as usize];
    let faults = [8, 20, 60, 1000][dice.below(4) as usize];
    let gap = [200, 2_000, 8_000][dice.below(3) as usize];
    let mut draw = Draw {
        dice,
        deaths,
        faults,
        gap,
    };
    draw.story(seed)
}

impl Draw {
    fn story(&mut self, seed: u64) -> String {
        let mut text = format!("dice {seed}\n");
        for call in CALLS {
            if self.dice.one_in(3) {
                let line = self.answer(call);
                text += &line;
            }
        }
        if self.dice.one_in(2) {
            let (log, journal) = (self.dice.below(300), self.dice.below(300));
            let _ = writeln!(text, "0s slow log={log}ms journal={journal}ms");
        }
        if self.dice.one_in(2) {
            text += "0s retain 2048\n";
        }
        let mut millis = 0;
        for _ in 0..20 + self.dice.below(40) {
            millis += self.dice.below(self.gap);
            let what = self.line();
            let _ = writeln!(text, "{millis}ms {what}");
            if what.contains(" down=") && self.dice.one_in(3) {
                // Somebody finds it dead, and wants it to do nothing when it comes back.
                let _ = writeln!(text, "{}ms pause file", millis + 1 + self.dice.below(100));
            }
            if let Some(stood) = frozen(&what)
                && self.dice.one_in(2)
            {
                // Somebody answers what it asked before it stood still, the moment it goes on.
                let answer = if self.dice.one_in(4) {
                    "reject"
                } else {
                    "approve"
                };
                let _ = writeln!(text, "{}ms {answer}", millis + stood);
            }
        }
        text
    }

    fn answer(&mut self, call: &str) -> String {
        let times = 1 + self.dice.below(3);
        let after = self.dice.below(6_000);
        let how = match self.dice.below(7) {
            0 => "fail broken".to_owned(),
            1 => "unknown lost".to_owned(),
            2 => "never".to_owned(),
            3 => format!("after={after}ms twice"),
            4 => format!("after={after}ms late"),
            5 => format!("after={after}ms fail slowly"),
            _ => format!("after={after}ms ok"),
        };
        format!("answer {call} times={times} {how}\n")
    }

    fn line(&mut self) -> String {
        if self.dice.one_in(self.deaths) {
            return self.death();
        }
        if self.dice.one_in(self.faults) {
            return self.fault();
        }
        match self.dice.below(24) {
            0 => self.pause(),
            1..=2 => "resume".to_owned(),
            3 => "activate".to_owned(),
            4..=5 => "approve".to_owned(),
            6 => "reject".to_owned(),
            7 => format!("again {}", self.dice.below(4)),
            8..=13 => self.alert(),
            _ => self.request(),
        }
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.dice.below(3) as usize]
    }

    fn alert(&mut self) -> String {
        let firing = self.dice.one_in(2);
        format!("event alert name={} firing={firing}", self.name())
    }

    fn request(&mut self) -> String {
        let bad = self.dice.one_in(2);
        let more = match self.dice.below(8) {
            0 => format!(" x{} batch", 2 + self.dice.below(12)),
            1 => format!(" x{} every=100ms", 2 + self.dice.below(6)),
            _ => String::new(),
        };
        format!("event req name={} bad={bad}{more}", self.name())
    }

    fn pause(&mut self) -> String {
        match self.dice.below(5) {
            0 => "pause file".to_owned(),
            1 => "pause playbook:fix".to_owned(),
            2 => format!("pause target:service/{}", self.name()),
            _ => "pause all".to_owned(),
        }
    }

    fn death(&mut self) -> String {
        let how = if self.dice.one_in(2) { "crash" } else { "kill" };
        let down = match self.dice.below(4) {
            0 => 0,
            1 => self.dice.below(2_000),
            2 => self.dice.below(60_000),
            // Longer than calls that were decided are still made.
            _ => 250_000 + self.dice.below(200_000),
        };
        if self.dice.one_in(5) {
            return format!("{how} down={down}ms");
        }
        let points = Point::ALL;
        let at = points[self.dice.below(points.len() as u64) as usize];
        let times = 1 + self.dice.below(4);
        format!("{how} at={at} n={times} down={down}ms")
    }

    fn fault(&mut self) -> String {
        match self.dice.below(6) {
            0 => {
                let fault = ["eio", "enospc", "short"][self.dice.below(3) as usize];
                format!("fail log call={} {fault}", self.dice.below(4))
            }
            1 => "fail journal".to_owned(),
            2 => format!("full {}", self.dice.below(4_000)),
            3 => format!("freeze {}ms", self.dice.below(90_000)),
            4 => {
                let sign = if self.dice.one_in(2) { "-" } else { "" };
                format!("clock {sign}{}s", self.dice.below(100_000))
            }
            _ => {
                let (log, journal) = (self.dice.below(2_000), self.dice.below(2_000));
                format!("slow log={log}ms journal={journal}ms")
            }
        }
    }
}

/// For how many milliseconds a line makes the process stand still.
fn frozen(line: &str) -> Option<u64> {
    line.strip_prefix("freeze ")?
        .strip_suffix("ms")?
        .parse()
        .ok()
}
