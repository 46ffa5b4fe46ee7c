//! `edsr replay`: does what is on record follow from the events? Offline, and with nothing at hand that could act.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use edsr_journal::{JournalReader, SqliteJournal};
use edsr_log::{FileLog, FileLogSettings, LogReader, LookDisk};
use edsr_node::bundles::BundleStore;
use edsr_node::past::{Begin, Kept};
use edsr_node::replay::{Difference, EndState, Replayed, replay};
use edsr_node::snapshots::SnapshotStore;
use serde_json::{Value, json};

use super::Context;
use super::audit::home;
use crate::exit::{Exit, Failure, Outcome, Stop};
use crate::output::{Out, Tone};
use crate::run::{compile, layout};
use crate::text::{count, printable, shown};

/// The most fields of a difference that are shown as text; JSON output has all of them.
const FIELDS_SHOWN_MAX: usize = 20;

/// Fold a stored past again and hold it against the record, entry by entry.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Directory of the bundle, whose edsr.yaml says where the data is; or the data directory itself
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The data directory, instead of the one in edsr.yaml
    #[arg(long, value_name = "DIR", env = "EDSR_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where to begin
    #[arg(long, value_enum, default_value_t = From::First)]
    from: From,
    /// Threads that read events and look at them; the result is the same for any number
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
}

/// Where a replay begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// At the first event; at the oldest snapshot where that was dropped
    First,
    /// At the oldest snapshot
    Oldest,
    /// At the newest snapshot, as a start does
    Newest,
}

/// Replays it.
pub(crate) fn run(args: &ReplayArgs, context: &Context) -> Outcome {
    let (data_dir, _) = home(&args.dir, args.data_dir.as_deref()).map_err(|why| {
        Failure::usage(why).help("name the data directory: `edsr replay DIR`, or --data-dir")
    })?;
    let log = look_at_log(&data_dir)?;
    let journal = look_at_journal(&data_dir)?;
    let head = journal.head().map_err(|error| broken(&error))?.seq;
    let bundles = BundleStore::new(data_dir.join("bundles"), compile());
    let snapshots = SnapshotStore::new(data_dir.join("snapshots"));
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    let past = Kept {
        log: &*log,
        journal: &*journal,
        bundles: &bundles,
        snapshots: &snapshots,
        threads,
        begin: match args.from {
            From::First => Begin::First,
            From::Oldest => Begin::Oldest,
            From::Newest => Begin::Newest,
        },
    };
    let replayed = replay(&past, head).map_err(|error| broken(&error))?;
    tell(&context.out, &replayed)?;
    Ok(match replayed.end_state {
        EndState::Same { .. } => Exit::Ok,
        EndState::Differs(_) => Exit::Negative,
    })
}

fn look_at_log(data_dir: &Path) -> Result<Box<dyn LogReader>, Failure> {
    let folder = layout::events(data_dir);
    let disk = LookDisk::open(&folder).map_err(|error| match error.kind {
        ErrorKind::WouldBlock => Failure::new(Exit::Unreachable, error.to_string()),
        ErrorKind::NotFound => Failure::new(
            Exit::NotFound,
            format!("there is no event log in {}", shown(&folder)),
        ),
        _ => broken(&error),
    })?;
    FileLog::look(disk, &FileLogSettings::new(0)).map_err(|error| broken(&error))
}

fn look_at_journal(data_dir: &Path) -> Result<Box<dyn JournalReader>, Failure> {
    SqliteJournal::look(&layout::journal(data_dir)).map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Broken, format!("it cannot be replayed: {error}"))
}

fn tell(out: &Out, replayed: &Replayed) -> Result<(), Stop> {
    if !out.is_table() {
        return out.document(&document(replayed));
    }
    let from = match replayed.from {
        Some((lsn, seq)) => format!("from the snapshot at event {lsn}, entry {seq}"),
        None => "from the beginning".to_owned(),
    };
    match &replayed.end_state {
        EndState::Same { state, unwritten } => {
            let word = out.paint(Tone::Good, "same:");
            out.line(format!(
                "{word} {} folded {from}, {} compared",
                count(replayed.events, "event"),
                entries(replayed.entries)
            ))?;
            if *unwritten > 0 {
                out.line(format!(
                    "{} more would follow; the node died before they were written",
                    entries(*unwritten)
                ))?;
            }
            out.line(format!("state  {state}"))?;
        }
        EndState::Differs(difference) => tell_difference(out, difference)?,
    }
    let (lsn, seq) = replayed.end;
    out.line(format!(
        "root   {} (events to {lsn}, entries to {seq})",
        replayed.root
    ))
}

fn entries(number: u64) -> String {
    match number {
        1 => "1 entry".to_owned(),
        many => format!("{many} entries"),
    }
}

fn tell_difference(out: &Out, difference: &Difference) -> Result<(), Stop> {
    let word = out.paint(Tone::Bad, "differs:");
    out.line(format!("{word} {}", printable(&difference.text)))?;
    if let Some(drafts) = &difference.drafts {
        let recorded = &drafts.0;
        out.line(format!(
            "  entry {} of {}, after event {}",
            recorded.seq, recorded.at, recorded.lsn
        ))?;
    }
    let fields = difference.fields();
    for (path, recorded, follows) in fields.iter().take(FIELDS_SHOWN_MAX) {
        out.line(format!("  {}", printable(path)))?;
        out.line(format!(
            "    on record  {}",
            printable(&recorded.to_string())
        ))?;
        out.line(format!(
            "    follows    {}",
            printable(&follows.to_string())
        ))?;
    }
    match fields.len().saturating_sub(FIELDS_SHOWN_MAX) {
        0 => Ok(()),
        more => out.line(format!(
            "  and {more} more fields; `-o json` has all of them"
        )),
    }
}

fn document(replayed: &Replayed) -> Value {
    let mut document = json!({
        "lsn": replayed.end.0,
        "seq": replayed.end.1,
        "root": replayed.root,
    });
    let rest = match &replayed.end_state {
        EndState::Same { state, unwritten } => {
            json!({
                "same": true,
                "from": replayed.from.map(|(lsn, seq)| json!({"lsn": lsn, "seq": seq})),
                "events": replayed.events,
                "entries": replayed.entries,
                "state": state,
                "unwritten": unwritten,
            })
        }
        EndState::Differs(difference) => json!({"same": false, "difference": {
            "seq": difference.seq,
            "text": difference.text,
            "recorded": difference.drafts.as_ref().map(|drafts| &drafts.0),
            "follows": difference.drafts.as_ref().map(|drafts| &drafts.1),
            "fields": difference.fields().iter().map(|(path, recorded, follows)| {
                json!({"path": path, "recorded": recorded, "follows": follows})
            }).collect::<Vec<_>>(),
        }}),
    };
    if let (Some(document), Value::Object(rest)) = (document.as_object_mut(), rest) {
        document.extend(rest);
    }
    document
}
