//! `edsr bench`: what this machine carries.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::exit::Outcome;
use crate::output::Format;

/// Measure what this machine carries, with real nodes in directories of their own.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// What to measure; everything where left out
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// List what can be measured, and measure nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// How long each measurement puts load on the node
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    /// How many detectors look at every event
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=9_000))]
    pub(crate) detectors: u64,
    /// How many events the recovery starts from
    #[arg(long, value_name = "NUMBER", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub(crate) events: u64,
    /// Keep the nodes' data below this directory, to measure its disk; removed at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// The same as `--output json`
    #[arg(long)]
    pub(crate) json: bool,
}

/// Measures it.
pub(crate) async fn run(args: BenchArgs, context: &Context) -> Outcome {
    let mut out = context.out.clone();
    if args.json {
        out.format = Format::Json;
    }
    crate::bench::run(args, out).await
}
