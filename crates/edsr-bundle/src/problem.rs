//! What is wrong with a bundle, with its place, and how that is shown.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use edsr_model::{printable, steers};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

use crate::files::SourceFile;
use crate::lines::Lines;

/// The most problems that are reported; what lies beyond is only counted.
pub const PROBLEMS_MAX: usize = 500;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// Names a kind of problem. Codes are stable: they are searched for and written down.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// The code as it is printed.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

codes! {
    /// A file cannot be read, is too large, leaves the bundle or is not UTF-8; or there are too many.
    File = "EDSR-B001",
    /// The text is not YAML.
    Syntax = "EDSR-B002",
    /// A document nests too deep or expands to too much.
    Bound = "EDSR-B003",
    /// A key stands twice in one mapping.
    DuplicateKey = "EDSR-B004",
    /// A key that means nothing here.
    UnknownKey = "EDSR-B005",
    /// A key that must be there is not.
    Missing = "EDSR-B006",
    /// Text where a number must be, a list where a mapping must be, and the like.
    Type = "EDSR-B007",
    /// A value of the right type that cannot be taken.
    Value = "EDSR-B008",
    /// An `apiVersion` or `kind` that is not known, or stands in the wrong file.
    Kind = "EDSR-B009",
    /// A name that breaks the naming rule.
    Name = "EDSR-B010",
    /// A name that is used twice.
    DuplicateName = "EDSR-B011",
    /// A CEL expression that does not compile.
    Expression = "EDSR-B012",
    /// A name that leads nowhere.
    Reference = "EDSR-B013",
    /// Keys of which one must be there, and only one.
    Choice = "EDSR-B014",
    /// An actuator that does not exist, or an argument it does not take.
    Actuator = "EDSR-B015",
    /// Playbooks that follow each other in a circle.
    Circle = "EDSR-B016",
    /// A Cedar policy that does not compile or does not fit the schema.
    Policy = "EDSR-B017",
    /// A secret that is written out instead of named.
    Secret = "EDSR-B018",
    /// A door without a lock, or other settings that would not be safe.
    Unsafe = "EDSR-B019",
    /// A playbook without `verify`.
    NoVerify = "EDSR-B101",
    /// Playbooks, but no policy.
    NoPolicy = "EDSR-B102",
    /// A target that no document describes.
    UnknownTarget = "EDSR-B103",
}

impl Code {
    /// Whether it only warns.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        matches!(self, Self::NoVerify | Self::NoPolicy | Self::UnknownTarget)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the file, relative to the bundle; empty where no file is meant.
    pub file: String,
    /// Line in it, from 1.
    pub line: usize,
    /// Column in it in characters, from 1.
    pub column: usize,
    /// Byte range in it.
    pub span: Range<usize>,
    /// One sentence.
    pub message: String,
    /// What to do instead.
    pub help: Option<String>,
    /// Which kind of problem it is.
    pub code: Code,
}

impl Problem {
    /// A problem at `span` of `file`; what lies outside of the text is moved to its end. A [`Report`] works out line
    /// and column.
    pub(crate) fn new(file: &SourceFile, span: Range<usize>, code: Code, message: String) -> Self {
        let start = floor(&file.text, span.start);
        Self {
            file: file.path.clone(),
            line: 1,
            column: 1,
            span: start..floor(&file.text, span.end).max(start),
            message: printable(&message, usize::MAX),
            help: None,
            code,
        }
    }

    fn locate(&mut self, text: &str, lines: &Lines) {
        let (line, start) = lines.at(self.span.start);
        self.line = line;
        self.column = text
            .get(start..self.span.start)
            .map_or(0, |text| text.chars().count())
            + 1;
    }

    /// Adds what to do instead.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        let lines = help.into();
        let lines = lines.lines().map(|line| printable(line, usize::MAX));
        self.help = Some(lines.collect::<Vec<_>>().join("\n"));
        self
    }
}

/// The closest place at or before `at` that does not cut a character.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One line: `file:line:column: message [code]`, then the help where there is one.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            let file = printable(&self.file, usize::MAX);
            write!(f, "{file}:{}:{}: ", self.line, self.column)?;
        }
        write!(f, "{} [{}]", self.message, self.code)?;
        match &self.help {
            Some(help) => write!(f, "; {}", help.replace('\n', " ")),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, in the order of files and places, with the texts it speaks about.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The problems, at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub left_out: usize,
    files: Arc<[SourceFile]>,
}

impl Report {
    /// A report of `problems` about `files`.
    pub(crate) fn new(mut problems: Vec<Problem>, files: Arc<[SourceFile]>) -> Self {
        let by_place = |a: &Problem, b: &Problem| {
            (&a.file, a.span.start, a.code, &a.message).cmp(&(
                &b.file,
                b.span.start,
                b.code,
                &b.message,
            ))
        };
        problems.sort_by(by_place);
        problems.dedup();
        let left_out = problems.len().saturating_sub(PROBLEMS_MAX);
        if left_out > 0 {
            // Warnings give way to what stops the bundle from being taken.
            problems.sort_by_key(|problem| problem.code.is_warning());
            problems.truncate(PROBLEMS_MAX);
            problems.sort_by(by_place);
        }
        for group in problems.chunk_by_mut(|a, b| a.file == b.file) {
            let path = &group[0].file;
            if let Some(file) = files.iter().find(|file| file.path == *path) {
                let lines = Lines::new(&file.text);
                group
                    .iter_mut()
                    .for_each(|problem| problem.locate(&file.text, &lines));
            }
        }
        Self {
            problems,
            left_out,
            files,
        }
    }

    /// The report for a terminal: each problem with its source line and a caret.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let theme = if color {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_context_lines(1);
        let mut text = String::new();
        for problem in &self.problems {
            let file = self.files.iter().find(|file| file.path == problem.file);
            let shown = Shown {
                problem,
                file: file.map(|file| {
                    let path = printable(&file.path, usize::MAX);
                    NamedSource::new(path, shown_text(file, &self.problems))
                }),
            };
            if handler.render_report(&mut text, &shown).is_err() {
                text.push_str(&problem.to_string());
            }
            text.push('\n');
        }
        if self.left_out > 0 {
            text.push_str(&format!("… and {} more\n", self.left_out));
        }
        text
    }
}

/// One line per problem.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        match self.left_out {
            0 => Ok(()),
            more => writeln!(f, "… and {more} more"),
        }
    }
}

impl std::error::Error for Report {}

/// The text of the file; secrets that were written out by mistake are not shown again, and nothing in it steers a
/// terminal. Every byte keeps its place.
fn shown_text(file: &SourceFile, problems: &[Problem]) -> String {
    let mut text = file.text.clone();
    let secrets = problems
        .iter()
        .filter(|problem| problem.code == Code::Secret && problem.file == file.path);
    for problem in secrets {
        let Some(secret) = text.get(problem.span.clone()) else {
            continue;
        };
        let stars: String = secret
            .bytes()
            .map(|byte| if byte == b'\n' { '\n' } else { '*' })
            .collect();
        text.replace_range(problem.span.clone(), &stars);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            c if steers(c) => shown.extend(std::iter::repeat_n('?', c.len_utf8())),
            c => shown.push(c),
        }
    }
    shown
}

/// A problem as the graphical printer wants it.
#[derive(Debug)]
struct Shown<'p> {
    problem: &'p Problem,
    file: Option<NamedSource<String>>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = self.problem;
        if self.file.is_none() && !problem.file.is_empty() {
            let file = printable(&problem.file, usize::MAX);
            write!(f, "{file}:{}:{}: ", problem.line, problem.column)?;
        }
        f.write_str(&problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(if self.problem.code.is_warning() {
            miette::Severity::Warning
        } else {
            miette::Severity::Error
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.problem.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.file
            .as_ref()
            .map(|file| file as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.problem.span.clone();
        Some(Box::new(std::iter::once(
            LabeledSpan::new_primary_with_span(None, span),
        )))
    }
}
