//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod decision;
pub(crate) mod demo;
pub(crate) mod detection;
pub(crate) mod emit;
pub(crate) mod events;
pub(crate) mod execution;
pub(crate) mod explain;
pub(crate) mod incident;
mod list;
pub(crate) mod note;
pub(crate) mod pause;
pub(crate) mod replay;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod tail;

use crate::cli::{Cli, Command, Global};
use crate::client::Client;
use crate::exit::{Failure, Outcome};
use crate::output::Out;
use crate::settings::{File, Server};

/// What every command has at hand.
pub(crate) struct Context {
    /// Where results go.
    pub(crate) out: Out,
    global: Global,
    file: File,
}

impl Context {
    /// A client of the server that was asked for.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Client::new(Server::resolve(
            self.global.server.as_deref(),
            self.global.token_file.as_deref(),
            &self.file,
        )?)
    }
}

/// Does what was asked.
pub(crate) async fn dispatch(cli: Cli, no_color: bool) -> Outcome {
    // A completion script is printed while a shell starts, and must not fail over a settings file.
    if let Command::Completions(args) = cli.command {
        return completions::run(&args);
    }
    let file = File::find()?;
    let format = cli.global.output.or(file.output).unwrap_or_default();
    let context = Context {
        out: Out::new(format, no_color),
        global: cli.global,
        file,
    };
    match cli.command {
        Command::Run(args) => run::run(args).await,
        Command::Demo(args) => demo::run(args, &context).await,
        Command::Shop(args) => demo::shop(args).await,
        Command::Check(args) => check::run(&args, &context),
        Command::Emit(args) => emit::run(args, &context).await,
        Command::Tail(args) => tail::run(&args, &context).await,
        Command::Status => status::run(&context).await,
        Command::Detection(command) => detection::run(command, &context).await,
        Command::Incident(command) => incident::run(command, &context).await,
        Command::Decision(command) => decision::run(command, &context).await,
        Command::Execution(command) => execution::run(command, &context).await,
        Command::Events(command) => events::run(command, &context).await,
        Command::Explain(args) => explain::run(&args, &context).await,
        Command::Pause(args) => pause::run(args, &context).await,
        Command::Resume(args) => resume::run(args, &context).await,
        Command::Note(args) => note::run(args, &context).await,
        Command::Audit(command) => audit::run(command, &context).await,
        Command::Replay(args) => replay::run(&args, &context),
        Command::Bench(args) => bench::run(args, &context).await,
        Command::Schema(args) => schema::run(&args, &context),
        Command::Completions(args) => completions::run(&args),
    }
}
