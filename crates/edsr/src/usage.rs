//! What is said about a command that was typed wrong: it quotes what was typed, and a script may have put anything there.

use clap::error::ContextValue;

use crate::output::remark;
use crate::text::printable;

/// Prints it, or the help that was asked for, and ends the program.
pub(crate) fn tell(error: clap::Error) -> ! {
    let error = tamed(error);
    let text = error.to_string();
    let safe = |line: &str| printable(line) == line;
    if !error.use_stderr() || text.lines().all(safe) {
        error.exit();
    }
    // What is left comes from below the argument parser.
    remark(text.trim_end());
    std::process::exit(error.exit_code());
}

/// The error with everything that it quotes made printable, so that one quotation stays in one line.
fn tamed(mut error: clap::Error) -> clap::Error {
    let quoted: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| Some((kind, tame(value)?)))
        .collect();
    for (kind, value) in quoted {
        error.insert(kind, value);
    }
    error
}

fn tame(value: &ContextValue) -> Option<ContextValue> {
    match value {
        ContextValue::String(text) => Some(ContextValue::String(printable(text))),
        ContextValue::Strings(texts) => {
            let texts = texts.iter().map(|text| printable(text));
            Some(ContextValue::Strings(texts.collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn what_was_typed_is_quoted_in_one_line() {
        let bad = "x\n\u{1b}[2Jy";
        for args in [
            &["edsr", bad][..],
            &["edsr", "status", bad],
            &["edsr", "status", &format!("--{bad}")],
            &["edsr", "status", &format!("-o={bad}")],
            &["edsr", "pause", bad, "--reason", "r"],
            &["edsr", "events", "get", bad],
            &["edsr", "events", "list", "--limit", bad],
            &["edsr", "tail", "--only", bad],
        ] {
            let error = Cli::try_parse_from(args).err();
            let error = error.unwrap_or_else(|| panic!("{args:?} is right"));
            let text = tamed(error).to_string();
            assert!(text.contains("x\\n\\u{1b}[2Jy"), "{args:?}: {text:?}");
            assert!(
                text.lines().all(|line| printable(line) == line),
                "{args:?}: {text:?}"
            );
        }
        Cli::command().debug_assert();
    }
}
