//! `edsr run`: a node.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::exit::Outcome;

/// Run a node on a bundle.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Directory with the bundle
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Address to listen on, instead of the one in edsr.yaml
    #[arg(long, value_name = "ADDR:PORT", env = "EDSR_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
    /// Directory for event log and journal, instead of the one in edsr.yaml; the key lies beside it
    #[arg(long, value_name = "DIR", env = "EDSR_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Take the journal as it stands and write its witness anew: after an older copy was put back on purpose
    #[arg(long)]
    pub(crate) renew_witness: bool,
}

/// Runs until it is told to stop.
pub(crate) async fn run(args: RunArgs) -> Outcome {
    Ok(crate::run::run(args).await)
}
