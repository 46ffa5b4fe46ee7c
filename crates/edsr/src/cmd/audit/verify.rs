//! `edsr audit verify`: is the journal what was written, all of it, in order, and nothing else?

use std::path::PathBuf;

use clap::Args;
use edsr_journal::verify::{VerifyOptions, VerifyReport, verify};
use serde_json::json;

use super::place::{Place, PlaceArgs, read};
use crate::cmd::Context;
use crate::exit::{Exit, Failure, Outcome, Stop};
use crate::output::{Out, Tone};
use crate::text::{count, printable, shown};

/// Verify a journal, offline.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Which one.
    #[command(flatten)]
    place: PlaceArgs,
    /// The witness file [default: the one beside the key, where there is one]
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    /// A checkpoint that somebody kept; may be given several times
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
}

/// Verifies it.
pub(super) fn run(args: &VerifyArgs, context: &Context) -> Outcome {
    let place = args.place.find()?;
    let mut options = VerifyOptions::new(place.key.clone());
    let witness = match &args.witness {
        Some(path) => Some(path.clone()),
        None => Some(place.witness.clone()).filter(|path| path.exists()),
    };
    if let Some(path) = &witness {
        options.witness = Some(read(path, "the witness file")?);
    }
    for path in &args.checkpoint {
        options.also.push(read(path, "the checkpoint")?);
    }
    let report = verify(&place.journal, &options)
        .map_err(|error| Failure::new(Exit::Broken, error.to_string()))?;
    tell(&context.out, &place, witness.as_ref(), &report)?;
    Ok(if report.is_ok() {
        Exit::Ok
    } else {
        Exit::Broken
    })
}

fn tell(
    out: &Out,
    place: &Place,
    witness: Option<&PathBuf>,
    report: &VerifyReport,
) -> Result<(), Stop> {
    let witness = witness.map(|path| path.display().to_string());
    if !out.is_table() {
        return out.document(&json!({
            "ok": report.is_ok(),
            "journal": place.journal.display().to_string(),
            "key": place.key.name(),
            "keyFile": place.key_path.display().to_string(),
            "witness": witness,
            "report": report,
        }));
    }
    for finding in &report.findings {
        let kind = out.paint(Tone::Bad, finding.kind.as_str());
        let place = match finding.seq {
            0 => String::new(),
            seq => format!(" {seq}"),
        };
        out.line(format!("{kind}{place}: {}", printable(&finding.text)))?;
    }
    let more = report.wrong.saturating_sub(report.findings.len() as u64);
    if more > 0 {
        out.line(format!("and {more} more"))?;
    }
    let read = format!(
        "{} entries and {} of `{}` were read",
        report.entries,
        count(report.checkpoints, "checkpoint"),
        shown(&place.journal)
    );
    let against = match witness {
        Some(witness) => format!("key {} and witness `{witness}`", place.key.name()),
        None => format!(
            "key {}, WITHOUT a witness: an older copy of the whole journal would not be noticed",
            place.key.name()
        ),
    };
    let (word, tone) = if report.is_ok() {
        ("ok", Tone::Good)
    } else {
        ("broken", Tone::Bad)
    };
    let word = out.paint(tone, word);
    out.line(format!(
        "{word}: {}",
        printable(&format!("{read}, held against {against}"))
    ))
}
