//! `edsr emit`: events into a node, in batches, from input of any length.

mod fill;
mod input;
mod scan;
mod send;

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use self::fill::{Fill, Filler};
use self::input::{Input, Item};
use self::send::{Report, Sender};
use super::Context;
use crate::exit::{Exit, Failure, Outcome, Stop};
use crate::output::{Out, remark};
use crate::text::{count, shown};

/// How many events are read ahead of sending.
const READ_AHEAD_MAX: usize = 32;
/// An incomplete batch is sent when nothing more has come for this long, so that a slow pipe is passed on as it flows.
const IDLE: Duration = Duration::from_millis(200);
/// Files below this size are through before a bar is of any use, in bytes.
const BAR_FROM_BYTES: u64 = 1 << 20;

/// Send events.
#[derive(Debug, Args)]
pub(crate) struct EmitArgs {
    /// File with CloudEvents: one JSON object per line, or one JSON list or object; `-` is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// What is filled in.
    #[command(flatten)]
    fill: Fill,
}

/// Sends them; the answer is no where any was rejected.
pub(crate) async fn run(args: EmitArgs, context: &Context) -> Outcome {
    let mut filler = Filler::new(args.fill.clone());
    let mut sender = Sender::new(context.client()?);
    let result = match &args.fill.data {
        Some(data) => {
            let event = filler.single(data)?;
            match sender.put(1, event).await {
                Ok(()) => sender.flush().await,
                stopped => stopped,
            }
        }
        None => stream(args.file.as_deref(), &mut filler, &mut sender).await,
    };
    // What was accepted before a failure stays accepted, so it is told either way.
    let report = sender.report();
    if result.is_ok() || report.accepted + report.duplicates > 0 || report.rejected > 0 {
        tell(&context.out, report)?;
    }
    result?;
    Ok(if report.rejected > 0 {
        Exit::Negative
    } else {
        Exit::Ok
    })
}

async fn stream(
    file: Option<&Path>,
    filler: &mut Filler,
    sender: &mut Sender,
) -> Result<(), Failure> {
    let (reader, bar) = open(file)?;
    let (tx, mut rx) = mpsc::channel(READ_AHEAD_MAX);
    // Its own thread: reading a pipe blocks for as long as nobody writes.
    std::thread::spawn(move || read_all(Input::new(BufReader::new(reader)), &tx));
    let result = forward(&mut rx, filler, sender, &bar).await;
    bar.finish_and_clear();
    result
}

async fn forward(
    rx: &mut mpsc::Receiver<io::Result<Item>>,
    filler: &mut Filler,
    sender: &mut Sender,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    loop {
        let next = match tokio::time::timeout(IDLE, rx.recv()).await {
            Ok(next) => next,
            Err(_) => {
                sender.flush().await?;
                rx.recv().await
            }
        };
        let Some(item) = next else {
            return sender.flush().await;
        };
        let item = item.map_err(|error| {
            Failure::usage(format!("the input cannot be read any further: {error}"))
        })?;
        let value = item
            .value
            .and_then(|value| filler.complete(value, crate::text::now()));
        match value {
            Ok(event) => sender.put(item.line, event).await?,
            Err(why) => sender.refuse(item.line, why),
        }
        bar.set_position(item.read);
    }
}

fn read_all(mut input: Input<impl io::BufRead>, tx: &mpsc::Sender<io::Result<Item>>) {
    while let Some(item) = input.next().transpose() {
        let failed = item.is_err();
        if tx.blocking_send(item).is_err() || failed {
            return;
        }
    }
}

fn open(file: Option<&Path>) -> Result<(Box<dyn Read + Send>, ProgressBar), Failure> {
    let file = file.filter(|path| *path != Path::new("-"));
    let Some(path) = file else {
        if io::stdin().is_terminal() {
            remark("reading events from the terminal; end with Ctrl-D");
        }
        return Ok((Box::new(io::stdin()), ProgressBar::hidden()));
    };
    let fail = |error: io::Error| {
        let text = format!("the file `{}` cannot be read: {error}", shown(path));
        Failure::usage(text)
    };
    let file = File::open(path).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if meta.is_dir() {
        return Err(Failure::usage(format!("`{}` is a directory", shown(path)))
            .help("name a file with one event per line"));
    }
    let large = meta.len() >= BAR_FROM_BYTES && io::stderr().is_terminal();
    let bar = if large {
        bar(meta.len())
    } else {
        ProgressBar::hidden()
    };
    Ok((Box::new(file), bar))
}

/// Drawn on standard error, so that results can be piped.
fn bar(length: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left");
    let bar = ProgressBar::new(length);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn tell(out: &Out, report: &Report) -> Result<(), Stop> {
    if !out.is_table() {
        return out.document(report);
    }
    for rejected in &report.rejections {
        let id = rejected
            .id
            .as_deref()
            .map_or(String::new(), |id| format!(" (id `{id}`)"));
        remark(&format!(
            "line {}{id}: {} [{}]",
            rejected.line, rejected.reason, rejected.code
        ));
    }
    let more = report.rejected - report.rejections.len() as u64;
    if more > 0 {
        remark(&format!("and {more} more"));
    }
    let duplicates = match report.duplicates {
        0 => String::new(),
        many => format!(", {many} known already"),
    };
    let rejected = match report.rejected {
        0 => String::new(),
        many => format!(", {many} rejected"),
    };
    out.line(format!(
        "{} accepted{duplicates}{rejected}",
        count(report.accepted, "event")
    ))
}
