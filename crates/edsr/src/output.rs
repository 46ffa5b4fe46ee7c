//! What a command prints: tables for people, JSON or YAML for programs, colour only on a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::exit::{Exit, Failure, Stop};
use crate::text::{printable, printable_json};

/// The width of tables where there is no terminal to ask.
const WIDTH_DEFAULT: u16 = 120;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document; one per line where it is a stream.
    Json,
    /// YAML.
    Yaml,
}

/// What a piece of text says about the state of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Not as it should be.
    Bad,
    /// Less important.
    Faint,
    /// A heading.
    Strong,
    /// None of these.
    Plain,
}

/// Where results go.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    /// How they are written.
    pub(crate) format: Format,
    /// Whether colour is used.
    pub(crate) color: bool,
    /// Whether a person looks at standard output.
    pub(crate) terminal: bool,
}

impl Out {
    /// For standard output as it is.
    pub(crate) fn new(format: Format, no_color: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            format,
            color: terminal && !no_color,
            terminal,
        }
    }

    /// Whether people are to read it.
    pub(crate) fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// Prints a line that is printable already.
    pub(crate) fn line(&self, line: impl AsRef<str>) -> Result<(), Stop> {
        Ok(writeln!(io::stdout().lock(), "{}", line.as_ref())?)
    }

    /// Prints text that ends its own lines.
    pub(crate) fn text(&self, text: &str) -> Result<(), Stop> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// Prints a value as a document in the format asked for; as JSON where that is a table.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<(), Stop> {
        match self.format {
            Format::Table | Format::Json => self.text(&json(value)?),
            Format::Yaml => self.text(&yaml(value)?),
        }
    }

    /// Prints a value as one line of JSON, or one YAML document, of a stream.
    pub(crate) fn item(&self, value: &impl Serialize) -> Result<(), Stop> {
        match self.format {
            Format::Table | Format::Json => {
                let text = serde_json::to_string(value).map_err(unwritable)?;
                self.text(&format!("{}\n", printable_json(&text)))
            }
            Format::Yaml => self.text(&format!("---\n{}", yaml(value)?)),
        }
    }

    /// Prints a table, or a sentence where there is nothing in it.
    pub(crate) fn table(&self, table: Rows, none: &str) -> Result<(), Stop> {
        if table.rows.is_empty() {
            return self.line(none);
        }
        self.line(table.render(self))
    }

    /// `text`, printable, in colour where that is wanted.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.color, tone, text)
    }
}

/// The rows of a table.
pub(crate) struct Rows {
    head: &'static [&'static str],
    rows: Vec<Vec<(String, Tone)>>,
}

impl Rows {
    /// An empty table with its headings.
    pub(crate) fn new(head: &'static [&'static str]) -> Self {
        Self {
            head,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [(String, Tone); N]) {
        self.rows.push(cells.into_iter().collect());
    }

    fn render(self, out: &Out) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        let mut plain = true;
        if out.terminal {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            plain = !out.color;
            // Some terminals report that they are nothing wide.
            if table.width().is_none_or(|width| width == 0) {
                table.set_width(WIDTH_DEFAULT);
            }
        }
        if plain {
            table.force_no_tty();
        } else {
            table.enforce_styling();
        }
        let bold = |cell: Cell| {
            if plain {
                cell
            } else {
                cell.add_attribute(Attribute::Bold)
            }
        };
        table.set_header(self.head.iter().map(|name| bold(Cell::new(name))));
        for row in self.rows {
            table.add_row(row.into_iter().map(|(text, tone)| cell(&text, tone, plain)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines: Vec<String> = table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        lines.join("\n")
    }
}

/// A cell without a tone.
pub(crate) fn plain(text: impl Into<String>) -> (String, Tone) {
    (text.into(), Tone::Plain)
}

/// The tone of a state, severity, verdict or ending.
pub(crate) fn tone(word: &str) -> Tone {
    match word {
        "critical" | "error" | "failed" | "in-doubt" | "deny" | "denied" | "partly-compensated"
        | "undo-failed" | "not-ready" => Tone::Bad,
        "warning" | "open" | "approve" | "waiting" | "unverified" | "unknown" | "backoff"
        | "compensating" | "compensated" | "cancelled" | "paused" | "rejected" | "probing"
        | "undoing" | "nothing-planned" => Tone::Warn,
        "resolved" | "succeeded" | "done" | "ok" | "auto" | "ready" | "cleared" | "undone" => {
            Tone::Good
        }
        "info" | "observe" | "observed" | "suggest" | "suggested" | "nothing-detected" => {
            Tone::Faint
        }
        _ => Tone::Plain,
    }
}

/// A cell with the tone of its word.
pub(crate) fn word(text: &str) -> (String, Tone) {
    (text.to_owned(), tone(text))
}

/// Says on standard error what is wrong and what to do about it.
pub(crate) fn complain(failure: &Failure, no_color: bool) {
    let color = !no_color && io::stderr().is_terminal();
    let mut text = format!(
        "{}: {}\n",
        paint(color, Tone::Bad, "error"),
        lines(&failure.message)
    );
    if let Some(help) = &failure.help {
        text.push_str(&format!(
            "{}: {}\n",
            paint(color, Tone::Strong, " help"),
            lines(help)
        ));
    }
    say(&text);
}

/// Says something on standard error that is no error.
pub(crate) fn remark(text: &str) {
    say(&format!("{}\n", lines(text)));
}

/// A value as indented JSON that a terminal takes literally.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Stop> {
    let text = serde_json::to_string_pretty(value).map_err(unwritable)?;
    Ok(format!("{}\n", printable_json(&text)))
}

fn yaml(value: &impl Serialize) -> Result<String, Stop> {
    let text = serde_saphyr::to_string(value).map_err(unwritable)?;
    // A writer that left such characters bare would have put them into a plain or literal scalar, where there is no
    // escape. JSON is YAML, so that is the way out.
    if printable_json(&text) != text {
        return json(value);
    }
    Ok(if text.ends_with('\n') {
        text
    } else {
        format!("{text}\n")
    })
}

fn unwritable(error: impl std::fmt::Display) -> Stop {
    Failure::new(
        Exit::Negative,
        format!("the result cannot be written in this format: {error}"),
    )
    .into()
}

fn cell(text: &str, tone: Tone, plain: bool) -> Cell {
    let cell = Cell::new(printable(text));
    if plain {
        return cell;
    }
    match tone {
        Tone::Good => cell.fg(Color::Green),
        Tone::Warn => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
        Tone::Strong => cell.add_attribute(Attribute::Bold),
        Tone::Plain => cell,
    }
}

fn paint(color: bool, tone: Tone, text: &str) -> String {
    let text = printable(text);
    let code = match tone {
        Tone::Good => "32",
        Tone::Warn => "33",
        Tone::Bad => "31",
        Tone::Faint => "2",
        Tone::Strong => "1",
        Tone::Plain => return text,
    };
    if color {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text
    }
}

fn lines(text: &str) -> String {
    let safe: Vec<String> = text.lines().map(printable).collect();
    safe.join("\n")
}

fn say(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(terminal: bool, color: bool) -> Out {
        Out {
            format: Format::Table,
            color,
            terminal,
        }
    }

    fn rows() -> Rows {
        let mut rows = Rows::new(&["ID", "STATE", "TEXT"]);
        rows.row([plain("det-1"), word("open"), plain("a\u{1b}[2Jb")]);
        rows.row([plain("det-22"), word("resolved"), plain("c")]);
        rows
    }

    #[test]
    fn a_piped_table_is_plain_and_lined_up() {
        let text = rows().render(&out(false, false));
        assert_eq!(
            text,
            "ID      STATE     TEXT\ndet-1   open      a\\u{1b}[2Jb\ndet-22  resolved  c"
        );
    }

    #[test]
    fn colour_is_ours_alone() {
        let text = rows().render(&out(true, true));
        assert!(text.contains("\u{1b}["), "{text:?}");
        assert!(!text.contains("\u{1b}[2J"), "{text:?}");
        let plain = rows().render(&out(true, false));
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
    }

    #[test]
    fn yaml_is_taken_literally_too() {
        let value = serde_json::json!({"a": "x\u{9b}31m", "b": ["1", 2]});
        let text = yaml(&value).unwrap();
        assert!(!text.contains('\u{9b}'), "{text}");
        let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, value);
    }
}
