//! `forebay check-config`: says what is wrong with a file, or what it comes to.

use crate::cli::CheckConfig;
use crate::config::{Config, plan};
use crate::exit::{Exit, Failure, Outcome};

pub(crate) fn run(args: &CheckConfig) -> Outcome {
    let config = Config::load(&args.file)?;
    plan::properties(&config, &config.broker.listen)?;
    let effective = config.effective().map_err(Failure::of(Exit::Configuration))?;
    crate::process::print(&effective)
}
