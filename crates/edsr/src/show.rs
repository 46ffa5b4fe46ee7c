//! Detections, decisions and runs as text that people read from top to bottom.

mod things;

use std::fmt::Write as _;

use crate::exit::Stop;
use crate::output::{Out, Tone, tone};

/// How wide the names of fields are.
const NAME_WIDTH: usize = 12;
/// How much of a hash is shown, in characters.
const HASH_SHOWN: usize = 12;

/// A text under construction. Everything put into it is made printable.
pub(crate) struct Sheet {
    out: Out,
    text: String,
    depth: usize,
}

impl Sheet {
    /// An empty one.
    pub(crate) fn new(out: &Out) -> Self {
        Self {
            out: out.clone(),
            text: String::new(),
            depth: 0,
        }
    }

    /// Prints it.
    pub(crate) fn print(self) -> Result<(), Stop> {
        self.out.text(&self.text)
    }

    /// A line of its own.
    pub(crate) fn line(&mut self, tone: Tone, text: &str) {
        let painted = self.out.paint(tone, text);
        let _ = writeln!(self.text, "{:1$}{painted}", "", self.depth * 2);
    }

    /// An empty line between parts.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A heading with a word for the state of things.
    pub(crate) fn heading(&mut self, text: &str, state: &str) {
        let (text, state) = (
            self.out.paint(Tone::Strong, text),
            self.out.paint(tone(state), state),
        );
        let _ = writeln!(self.text, "{:1$}{text}  {state}", "", self.depth * 2);
    }

    /// A named value.
    pub(crate) fn field(&mut self, name: &str, value: &str) {
        self.toned(name, Tone::Plain, value);
    }

    /// A named value that may not be there.
    pub(crate) fn field_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    /// Named values, separated by commas, unless there are none.
    pub(crate) fn list(&mut self, name: &str, values: &[String]) {
        if !values.is_empty() {
            self.field(name, &values.join(", "));
        }
    }

    /// A named value in the tone it deserves.
    pub(crate) fn toned(&mut self, name: &str, tone: Tone, value: &str) {
        let name = self.out.paint(Tone::Faint, &format!("{name:NAME_WIDTH$}"));
        let value = self.out.paint(tone, value);
        let _ = writeln!(self.text, "{:1$}  {name} {value}", "", self.depth * 2);
    }

    /// What `inner` writes, further to the right.
    pub(crate) fn inside(&mut self, inner: impl FnOnce(&mut Self)) {
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }
}

/// The first digits of a hash.
pub(crate) fn hash(text: &str) -> String {
    text.chars().take(HASH_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use edsr_server::types::{Decision, Execution};
    use serde_json::json;

    fn text(write: impl FnOnce(&mut Sheet)) -> String {
        let out = Out {
            format: Format::Table,
            color: false,
            terminal: false,
        };
        let mut sheet = Sheet::new(&out);
        write(&mut sheet);
        sheet.text
    }

    #[test]
    fn a_decision_shows_figures_and_until() {
        let decision: Decision = serde_json::from_value(json!({
            "id": "dec-1", "verdict": "deny", "playbook": "restart", "plan": "00", "round": 1,
            "at": "2026-01-02T03:04:05Z", "waiting": false,
            "reasons": [{"code": "guard.cooldown", "text": "too\u{1b}[1m soon",
                "figures": {"left": "9m"}, "until": "2026-01-02T03:14:05.5Z"}]
        }))
        .unwrap();
        let text = text(|sheet| sheet.decision(&decision));
        assert_eq!(
            text,
            "decision dec-1  deny\n\
             \x20 playbook     restart\n\
             \x20 made         2026-01-02T03:04:05Z, asked for the 2nd time\n\
             \x20 because      guard.cooldown: too\\u{1b}[1m soon\n\
             \x20   saw          left = 9m\n\
             \x20   until        2026-01-02T03:14:05.500000Z\n"
        );
    }

    #[test]
    fn a_run_says_what_each_step_did() {
        let execution: Execution = serde_json::from_value(json!({
            "id": "exe-1", "plan": "00", "playbook": "restart", "target": "service/a",
            "status": "unverified", "reason": "nothing proved it",
            "started_at": "2026-01-02T03:04:05Z", "ended_at": "2026-01-02T03:04:35Z",
            "steps": [{"id": "undo", "role": "do", "uses": "exec/run", "status": "done", "attempts": 2,
                "started_at": "2026-01-02T03:04:05Z", "ended_at": "2026-01-02T03:04:06.5Z"}],
        }))
        .unwrap();
        let text = text(|sheet| sheet.execution(&execution));
        for line in [
            "execution exe-1  unverified",
            "undo exec/run done after 2 attempts in 1.5s",
            "took 30s",
            "2026-01-02T03:04:35Z as unverified: nothing proved it",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
