//! `forebay-trial serve`: the scripted service as a process, for trials that kill it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "forebay-trial", about = "A service that misbehaves as it is told to")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until it is killed; takes orders on its standard input, a JSON object for each line
    ///
    /// Example: forebay-trial serve --script faults.toml --journal journal --ready-file ready.json
    Serve {
        /// What it does: a TOML file
        #[arg(long, value_name = "FILE")]
        script: PathBuf,
        /// What it saw: a line for each request that begins or ends
        #[arg(long, value_name = "FILE")]
        journal: PathBuf,
        /// Gets a JSON object with address and pid once it listens
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Ends with its standard input, so that it can't outlive whoever started it
        #[arg(long)]
        until_stdin_closes: bool,
    },
}

fn main() -> anyhow::Result<()> {
    let Command::Serve { script, journal, ready_file, listen, until_stdin_closes } =
        Args::parse().command;
    Ok(forebay_trial::serve(&script, &journal, listen, ready_file.as_deref(), until_stdin_closes)?)
}
