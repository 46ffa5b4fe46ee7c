//! edsr: an event-driven service resilience engine.
//!
//! ```text
//! cli       what is typed          -> a command and its settings
//! settings  flag, variable, file   -> where to ask, as whom
//! cmd/*     one command each       -> an outcome
//! client    the HTTP API           -> values, refusals as sentences
//! output    values                 -> tables, JSON, YAML
//! exit      an outcome             -> a code and a sentence
//! ```

mod bench;
mod catalog;
mod cli;
mod client;
mod cmd;
mod demo;
mod exit;
mod output;
mod run;
mod settings;
mod show;
mod text;
mod usage;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::exit::{Exit, Failure, Outcome, Stop};
use crate::output::complain;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => usage::tell(error),
    };
    // NO_COLOR counts when it is set to anything (https://no-color.org).
    let no_color = cli.global.no_color || settings::variable("NO_COLOR").is_some();
    match start(cli, no_color) {
        Ok(exit) => exit.into(),
        Err(Stop::Closed) => Exit::Ok.into(),
        Err(Stop::Failed(failure)) => {
            complain(&failure, no_color);
            failure.exit.into()
        }
    }
}

fn start(cli: Cli, no_color: bool) -> Outcome {
    log_to_stderr(&cli, no_color)?;
    // Whoever builds a TLS client or server later finds this provider. A second install is refused, and that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut runtime = match cli.command {
        Command::Run(_) | Command::Demo(_) | Command::Shop(_) => {
            tokio::runtime::Builder::new_multi_thread()
        }
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build().map_err(|error| {
        Failure::new(
            Exit::Unreachable,
            format!("the program cannot start: {error}"),
        )
    })?;
    runtime.block_on(cmd::dispatch(cli, no_color))
}

fn log_to_stderr(cli: &Cli, no_color: bool) -> Result<(), Failure> {
    let quiet = match cli.command {
        Command::Run(_) => "info",
        _ => "warn",
    };
    let level = match cli.global.verbose {
        0 => quiet,
        1 => "info,edsr=debug",
        _ => "trace",
    };
    let text = settings::variable("EDSR_LOG").unwrap_or_else(|| level.to_owned());
    let filter = EnvFilter::try_new(&text).map_err(|error| {
        Failure::usage(format!("EDSR_LOG is not a filter: {error}"))
            .help("write it like `info` or `edsr_node=debug,warn`")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!no_color && std::io::stderr().is_terminal())
        .init();
    Ok(())
}
