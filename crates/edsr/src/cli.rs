//! The command line as it is typed.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::cmd;
use crate::exit::exit_code_help;
use crate::output::Format;

pub(crate) use crate::cmd::bench::BenchArgs;
pub(crate) use crate::cmd::demo::DemoArgs;
pub(crate) use crate::cmd::run::RunArgs;

/// Turns operational events into detections, decisions and verified repairs, and proves what it did.
#[derive(Debug, Parser)]
#[command(
    name = "edsr",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = exit_code_help(),
    after_long_help = long_help(),
    max_term_width = 100,
)]
pub(crate) struct Cli {
    /// Settings of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Settings of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Address of the server [default: http://127.0.0.1:7310]
    #[arg(long, global = true, value_name = "URL", env = "EDSR_SERVER")]
    pub(crate) server: Option<String>,
    /// File with the bearer token [env: EDSR_TOKEN_FILE; or the token itself in EDSR_TOKEN]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// How results are written [default: table]
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        env = "EDSR_OUTPUT"
    )]
    pub(crate) output: Option<Format>,
    /// No colour, even on a terminal [env: NO_COLOR]
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Log more to standard error; twice for everything [env: EDSR_LOG takes a filter]
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node on a bundle
    Run(RunArgs),
    /// Show the whole loop on a service that is broken and repaired
    Demo(DemoArgs),
    /// Run a part of the demonstration's service
    #[command(hide = true, disable_help_flag = true)]
    Shop(cmd::demo::ShopArgs),
    /// Check a bundle and point at every mistake
    Check(cmd::check::CheckArgs),
    /// Send events
    Emit(cmd::emit::EmitArgs),
    /// Watch what happens, live
    Tail(cmd::tail::TailArgs),
    /// How the node is
    Status,
    /// Detections: what is, or was, wrong
    #[command(subcommand, alias = "detections")]
    Detection(cmd::detection::DetectionCommand),
    /// Incidents: detections that belong together
    #[command(subcommand, alias = "incidents")]
    Incident(cmd::incident::IncidentCommand),
    /// Decisions: what may be done, and why not
    #[command(subcommand, alias = "decisions")]
    Decision(cmd::decision::DecisionCommand),
    /// Executions: what was done and whether it helped
    #[command(subcommand, alias = "executions")]
    Execution(cmd::execution::ExecutionCommand),
    /// Events in the event log
    #[command(subcommand, alias = "event")]
    Events(cmd::events::EventsCommand),
    /// Tell the story of an event, detection, decision or execution: why, and why not
    Explain(cmd::explain::ExplainArgs),
    /// Stop automatic dispatch
    Pause(cmd::pause::PauseArgs),
    /// Lift a pause
    Resume(cmd::resume::ResumeArgs),
    /// Put a remark into the journal
    Note(cmd::note::NoteArgs),
    /// Verify and export the record
    #[command(subcommand)]
    Audit(cmd::audit::AuditCommand),
    /// Fold a stored past again and hold it against the record
    Replay(cmd::replay::ReplayArgs),
    /// Measure what this machine carries
    Bench(BenchArgs),
    /// Print the JSON Schema of what a bundle may hold
    Schema(cmd::schema::SchemaArgs),
    /// Print a completion script for a shell
    Completions(cmd::completions::CompletionsArgs),
}

fn long_help() -> String {
    format!(
        "{}\nSettings are taken from the flag, else the environment, else the file \
         ~/.config/edsr/config.yaml (or $EDSR_CONFIG) with the keys `server`, `tokenFile` and \
         `output`.\n",
        exit_code_help()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_token_is_taken_from_the_command_line() {
        // Arguments of a process are visible to every user of the machine.
        assert!(Cli::try_parse_from(["edsr", "--token", "x", "status"]).is_err());
    }

    #[test]
    fn a_pause_needs_a_reason_but_its_list_does_not() {
        assert!(Cli::try_parse_from(["edsr", "pause"]).is_err());
        assert!(Cli::try_parse_from(["edsr", "pause", "--reason", "x"]).is_ok());
        assert!(Cli::try_parse_from(["edsr", "pause", "list"]).is_ok());
        assert!(Cli::try_parse_from(["edsr", "resume", "--reason", "x"]).is_err());
        assert!(Cli::try_parse_from(["edsr", "resume", "--all", "--reason", "x"]).is_ok());
    }
}
