//! How a command ends: a code for scripts, a sentence for people.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// How a command ended. The numbers are stable: scripts branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, and the answer is yes.
    Ok = 0,
    /// Done, and the answer is no: an event was turned down, a command does not apply now.
    Negative = 1,
    /// The command line, a file or a bundle is wrong.
    Usage = 2,
    /// What it speaks of does not exist.
    NotFound = 3,
    /// The server cannot be reached, or takes nothing now.
    Unreachable = 4,
    /// No permission.
    Denied = 5,
    /// No answer in time.
    Timeout = 6,
    /// A record does not hold: journal, checkpoint or export.
    Broken = 7,
}

/// Every exit code with its meaning, as `edsr --help` shows it.
pub(crate) const EXIT_CODES: &[(Exit, &str)] = &[
    (Exit::Ok, "done"),
    (
        Exit::Negative,
        "done, and the answer is no (an event was rejected, a command does not apply now)",
    ),
    (
        Exit::Usage,
        "the command line, a file or the bundle is wrong",
    ),
    (Exit::NotFound, "what was asked for does not exist"),
    (
        Exit::Unreachable,
        "the server cannot be reached or takes nothing now",
    ),
    (Exit::Denied, "no permission"),
    (Exit::Timeout, "no answer in time"),
    (
        Exit::Broken,
        "a record does not hold (journal, checkpoint, export)",
    ),
];

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Whoever read our output has had enough; that is no error.
    Closed,
    /// Something is wrong.
    Failed(Failure),
}

/// What a command answers.
pub(crate) type Outcome = Result<Exit, Stop>;

/// What is wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The code to end with.
    pub(crate) exit: Exit,
    /// One sentence, lowercase.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
}

impl Failure {
    /// A failure with its code and sentence.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            help: None,
        }
    }

    /// Says what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A wrong command line or input.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<io::Error> for Stop {
    /// For what is written to standard output; other input and output says which file it is about.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::Failed(Failure::new(
            Exit::Negative,
            format!("the output cannot be written: {error}"),
        ))
    }
}

/// The table of exit codes as text.
pub(crate) fn exit_code_help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in EXIT_CODES {
        text.push_str(&format!("  {}  {meaning}\n", exit.code()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_and_in_order() {
        let codes: Vec<u8> = EXIT_CODES.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, (0..8).collect::<Vec<u8>>());
        assert_eq!(exit_code_help().lines().count(), EXIT_CODES.len() + 1);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Stop::from(closed), Stop::Closed));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Stop::from(full), Stop::Failed(_)));
    }
}
