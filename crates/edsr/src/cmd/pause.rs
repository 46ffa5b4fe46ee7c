//! `edsr pause`: stop automatic dispatch, with a server or, when nothing answers, with a file.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use edsr_model::{TargetRef, Timestamp};
use edsr_server::types::{CommandAnswer, Page, Pause, PauseRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Context;
use super::list::{Listing, reason};
use crate::client::{Client, typed};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{plain, remark};
use crate::run::layout::{self, pause_file};
use crate::settings::variable;
use crate::text::{now, printable, shown, time};

/// Stop automatic dispatch.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct PauseArgs {
    /// What else.
    #[command(subcommand)]
    command: Option<PauseCommand>,
    /// Why; kept in the journal with your name
    #[arg(long, value_name = "TEXT", required = true)]
    reason: Option<String>,
    /// What it covers: `all`, `playbook:NAME` or `target:KIND/NAME`
    #[arg(long, default_value = "all", value_parser = scope)]
    scope: String,
    /// Ask no server: write a file into the node's data directory, which it honours within a second
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum PauseCommand {
    /// The pauses that hold
    List,
}

/// What stands in the file: why, who, since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PauseNote {
    reason: String,
    by: String,
    at: Timestamp,
}

const LISTING: Listing<Pause> = Listing {
    resource: "pauses",
    head: &["ID", "SCOPE", "SINCE", "BY", "REASON"],
    row: |rows, pause| {
        rows.row([
            plain(&pause.id),
            plain(&pause.scope),
            plain(time(pause.at)),
            plain(&pause.by),
            plain(&pause.reason),
        ]);
    },
    none: "nothing is paused",
};

/// Pauses, or lists the pauses.
pub(crate) async fn run(args: PauseArgs, context: &Context) -> Outcome {
    if let Some(PauseCommand::List) = args.command {
        return LISTING.print(context, &pauses(&context.client()?).await?);
    }
    let reason = reason(args.reason.as_deref().unwrap_or_default())?;
    match args.data_dir {
        Some(dir) => by_file(&dir, reason, &args.scope, context),
        None => by_server(reason, args.scope, context).await,
    }
}

/// The pauses that hold, as the server lists them.
pub(super) async fn pauses(client: &Client) -> Result<Vec<Value>, Failure> {
    let page: Page<Value> = typed(&client.get(&["pauses"], &Vec::new()).await?)?;
    Ok(page.items)
}

async fn by_server(reason: String, scope: String, context: &Context) -> Outcome {
    let client = context.client()?;
    let body = PauseRequest { scope, reason };
    let value = client
        .post(&["pauses"], &body)
        .await
        .map_err(|failure| match failure.exit {
            Exit::Unreachable | Exit::Timeout => failure.help(
                "pause without a server: `edsr pause --reason TEXT --data-dir DIR`, with the data \
                 directory of the node; it stops within a second",
            ),
            _ => failure,
        })?;
    let answer: CommandAnswer = typed(&value)?;
    if !answer.durable {
        remark("the pause holds, but is not in the journal yet: watch `edsr pause list`");
    }
    if !context.out.is_table() {
        context.out.document(&value)?;
        return Ok(Exit::Ok);
    }
    let id = answer.pause.unwrap_or_default();
    let line = format!(
        "paused {}; lift it with `edsr resume {id} --reason TEXT`",
        body.scope
    );
    context.out.line(printable(&line))?;
    Ok(Exit::Ok)
}

fn by_file(dir: &Path, reason: String, scope: &str, context: &Context) -> Outcome {
    if scope != "all" {
        return Err(Failure::usage("a pause by file covers everything")
            .help("leave --scope out, or ask the server by leaving --data-dir out")
            .into());
    }
    let user = variable("USER").or_else(|| variable("LOGNAME"));
    let note = PauseNote {
        reason,
        by: user.unwrap_or_else(|| "local".to_owned()),
        at: now(),
    };
    let dir = &data_dir(dir)?;
    let path = pause_file(dir);
    let written = write(dir, &note).map_err(|error| {
        Failure::usage(format!(
            "the file `{}` cannot be written: {error}",
            shown(&path)
        ))
        .help("name the data directory of the node (`dataDir` in edsr.yaml), as its user")
    })?;
    let text = if written {
        format!(
            "asked by the file {}; a node that runs takes it within a second, else the next start does",
            shown(&path)
        )
    } else {
        format!("asked already by the file {}", shown(&path))
    };
    if context.out.is_table() {
        context.out.line(printable(&text))?;
    } else {
        let value = serde_json::json!({"file": path.display().to_string(), "written": written});
        context.out.document(&value)?;
    }
    Ok(Exit::Ok)
}

/// The data directory that is meant: the one named, or the one of the bundle that was named instead. Anything else would
/// be a pause that no node ever sees.
fn data_dir(named: &Path) -> Result<PathBuf, Failure> {
    let is_data = |dir: &Path| layout::journal(dir).is_file() || layout::events(dir).is_dir();
    let below = named.join(".edsr").join("data");
    match (is_data(named), is_data(&below)) {
        (true, _) => Ok(named.to_owned()),
        (false, true) => Ok(below),
        (false, false) => Err(Failure::usage(format!(
            "`{}` is not the data directory of a node: it holds neither a journal nor events",
            shown(named)
        ))
        .help("name the one that `edsr run` printed when it started, or `dataDir` in edsr.yaml")),
    }
}

/// Writes the file whole or not at all, and durably; an earlier one stays, since its reason came first.
fn write(dir: &Path, note: &PauseNote) -> io::Result<bool> {
    let path = pause_file(dir);
    if path.try_exists()? {
        return Ok(false);
    }
    let draft = dir.join(format!(".pause.{}", std::process::id()));
    let written = (|| {
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec(note)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        // Nothing more can be done about a draft that cannot be removed either.
        let _ = fs::remove_file(&draft);
    }
    written.map(|()| true)
}

fn scope(text: &str) -> Result<String, String> {
    let known = match text.split_once(':') {
        None => text == "all",
        Some(("playbook", name)) => !name.is_empty(),
        Some(("target", target)) => {
            target
                .parse::<TargetRef>()
                .map_err(|error| error.to_string())?;
            true
        }
        Some(_) => false,
    };
    if known {
        Ok(text.to_owned())
    } else {
        Err("a scope is `all`, `playbook:NAME` or `target:KIND/NAME`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let note = |reason: &str| PauseNote {
            reason: reason.into(),
            by: "ana".into(),
            at: Timestamp::from_secs(1),
        };
        assert!(write(dir.path(), &note("first")).unwrap());
        assert!(!write(dir.path(), &note("second")).unwrap());
        let text = fs::read_to_string(pause_file(dir.path())).unwrap();
        let back: PauseNote = serde_json::from_str(&text).unwrap();
        assert_eq!(back, note("first"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write(&dir.path().join("missing"), &note("x")).is_err());
    }

    #[test]
    fn scopes_are_checked_before_anything_is_sent() {
        for good in ["all", "playbook:restart", "target:service/checkout"] {
            assert_eq!(scope(good).as_deref(), Ok(good));
        }
        for bad in ["", "everything", "playbook:", "target:checkout", "host:a"] {
            assert!(scope(bad).is_err(), "{bad}");
        }
    }
}
