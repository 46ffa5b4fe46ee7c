//! `edsr audit export`: a copy of the journal that proves itself.

use std::error::Error as _;
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use edsr_journal::JournalError;
use edsr_journal::prove::{export, verify_export};
use edsr_model::Seq;
use serde_json::json;

use super::failure;
use super::place::{self, PlaceArgs, key};
use crate::cmd::Context;
use crate::exit::{Exit, Failure, Outcome, Stop};
use crate::output::Tone;
use crate::text::printable;

/// Print the entries as JSON lines that prove themselves.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Which journal.
    #[command(flatten)]
    place: PlaceArgs,
    /// The first entry
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from: u64,
}

/// Check an export.
#[derive(Debug, Args)]
pub(crate) struct CheckExportArgs {
    /// File with the export; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The public key, from a place you trust
    #[arg(long, value_name = "FILE.pub")]
    key: PathBuf,
}

/// Prints it.
pub(super) fn run(args: &ExportArgs) -> Outcome {
    let journal = args.place.journal()?;
    let mut writer = BufWriter::new(io::stdout().lock());
    export(&journal, Seq(args.from), &mut writer).map_err(stop)?;
    writer.flush()?;
    Ok(Exit::Ok)
}

/// Checks it.
pub(super) fn check(args: &CheckExportArgs, context: &Context) -> Outcome {
    let key = key(&args.key)?;
    let mut reader = open(&args.file)?;
    let report = verify_export(&mut reader, &key).map_err(|error| failure(&error))?;
    if !context.out.is_table() {
        context.out.document(&json!({
            "ok": true, "entries": report.entries, "from": report.from, "key": key.name(),
        }))?;
        return Ok(Exit::Ok);
    }
    let text = format!(
        "{} entries from {} on are what was written, held against key {}",
        report.entries,
        report.from,
        key.name()
    );
    let word = context.out.paint(Tone::Good, "ok");
    context.out.line(format!("{word}: {}", printable(&text)))?;
    Ok(Exit::Ok)
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = place::open(file, "the export")?;
    Ok(Box::new(BufReader::new(opened)))
}

/// A reader that leaves early shows up as a storage error of the export.
fn stop(error: JournalError) -> Stop {
    let io = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::BrokenPipe) => Stop::Closed,
        _ => failure(&error).into(),
    }
}
