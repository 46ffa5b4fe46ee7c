//! `edsr demo`: the whole loop in a minute.

use std::ffi::OsString;

use clap::Args;

use super::Context;
use crate::exit::Outcome;

/// Show the whole loop on a service that is broken and repaired.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Leave everything running at the end, until Ctrl-C
    #[arg(long)]
    pub(crate) keep: bool,
    /// Plain lines without colour or redrawing; so anyway where the output is no terminal
    #[arg(long)]
    pub(crate) plain: bool,
    /// Kill the engine by force at the first action after so many seconds and start it again
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub(crate) kill_engine_after: Option<u64>,
}

/// A part of the service that the demonstration breaks; the demonstration starts it itself.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShopArgs {
    /// Which part, and its own arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Shows it.
pub(crate) async fn run(mut args: DemoArgs, context: &Context) -> Outcome {
    args.plain |= !context.out.color;
    Ok(crate::demo::run(args).await)
}

/// Runs a part of the service.
pub(crate) async fn shop(args: ShopArgs) -> Outcome {
    Ok(crate::demo::shop(args.args).await)
}
