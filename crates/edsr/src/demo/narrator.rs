//! What happened, as lines for people: `  9.6s  detect  checkout-errors opened: …`.

use std::time::Duration;

use edsr_model::Timestamp;

use crate::output::{Format, Out, Tone};
use crate::text::span;

/// Which part of the story a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What the demo itself does: starts, breaks, kills.
    Demo,
    /// Where the shop stopped behaving.
    Detect,
    /// What may be done about it.
    Decide,
    /// What is done.
    Act,
    /// Whether it helped.
    Verify,
    /// How it ended.
    Done,
}

impl Part {
    const fn word(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Detect => "detect",
            Self::Decide => "decide",
            Self::Act => "act",
            Self::Verify => "verify",
            Self::Done => "done",
        }
    }
}

/// One line of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) part: Part,
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// Tells the story.
#[derive(Debug, Clone)]
pub(super) struct Narrator {
    out: Out,
    began: Timestamp,
}

impl Narrator {
    pub(super) fn new(plain: bool, began: Timestamp) -> Self {
        Self {
            // What this prints itself is for people; what commands print decides for itself.
            out: Out {
                color: !plain,
                ..Out::new(Format::Table, plain)
            },
            began,
        }
    }

    /// Where other results go.
    pub(super) const fn out(&self) -> &Out {
        &self.out
    }

    pub(super) fn tell(&self, line: &Line) {
        self.print(&self.format(line));
    }

    /// Prints a heading.
    pub(super) fn heading(&self, text: &str) {
        self.print(&format!("\n{}", self.out.paint(Tone::Strong, text)));
    }

    /// Prints a line as it is.
    pub(super) fn say(&self, text: &str) {
        self.print(text);
    }

    /// Nobody may be reading any more; the story goes on to its end all the same, since that is what cleans up.
    fn print(&self, text: &str) {
        let _ = self.out.line(text);
    }

    fn format(&self, line: &Line) -> String {
        let word = format!("{:<6}", line.part.word());
        format!(
            "{} {}  {}",
            self.out
                .paint(Tone::Faint, &clock(line.at.since(self.began))),
            self.out.paint(line.tone, &word),
            self.out.paint(Tone::Plain, &line.text),
        )
    }
}

/// Time since the start, lined up: `  9.6s`.
fn clock(since: Duration) -> String {
    format!("{:>6.1}s", since.as_secs_f64())
}

/// How long something took; `-` where it never happened. What one event brings about bears the time of that event.
pub(super) fn took(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    match (from, to) {
        (Some(from), Some(to)) if to <= from => "at once".to_owned(),
        (Some(from), Some(to)) => span(to.since(from)),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrator(plain: bool) -> Narrator {
        Narrator::new(plain, Timestamp::from_secs(100))
    }

    fn line(text: &str) -> Line {
        Line {
            at: Timestamp::from_secs(109).after(Duration::from_millis(640)),
            part: Part::Detect,
            tone: Tone::Bad,
            text: text.to_owned(),
        }
    }

    #[test]
    fn lines_are_lined_up_and_plain_where_asked() {
        let text = narrator(true).format(&line("checkout-errors opened"));
        assert_eq!(text, "   9.6s detect  checkout-errors opened");
        assert_eq!(clock(Duration::ZERO), "   0.0s");
        assert_eq!(clock(Duration::from_secs(1234)), "1234.0s");
        // A clock that was set back shows as no time, not as a panic.
        let early = Line {
            at: Timestamp::EPOCH,
            ..line("x")
        };
        assert!(narrator(true).format(&early).starts_with("   0.0s "));
    }

    #[test]
    fn what_the_shop_says_cannot_paint() {
        let text = narrator(false).format(&line("a\u{1b}[2Jb\nc"));
        assert!(text.contains("\u{1b}[31mdetect\u{1b}[0m"), "{text:?}");
        assert!(text.ends_with("a\\u{1b}[2Jb\\nc"), "{text:?}");
    }

    #[test]
    fn spans_need_both_ends() {
        let at = Timestamp::from_secs(5);
        assert_eq!(
            took(Some(at), Some(at.after(Duration::from_millis(1_520)))),
            "1.5s"
        );
        assert_eq!(took(Some(at), Some(at)), "at once");
        assert_eq!(took(Some(at), None), "-");
        assert_eq!(took(None, Some(at)), "-");
    }
}
