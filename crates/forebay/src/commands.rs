//! The commands, a file each.

use crate::cli::Command;
use crate::exit::{Exit, Failure, Outcome};

mod broker;
mod check_config;
mod client;
mod consume;
mod dead_letters;
mod demo;
mod groups;
mod pace;
mod produce;
mod run;
mod subscriptions;
mod topics;
mod trouble;

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Run(args) => block_on(run::run(args)),
        Command::Broker(args) => block_on(broker::run(args)),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::DemoService(args) => block_on(demo::service::run(args)),
        Command::Produce(args) => produce::run(&args),
        Command::Consume(args) => consume::run(&args),
        Command::Topics(args) => topics::run(&args),
        Command::Groups(args) => groups::run(&args),
        Command::DeadLetters(args) => dead_letters::run(&args),
        Command::Subscriptions(args) => subscriptions::run(&args),
    }
}

fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(command);
    // Whatever still runs was asked to stop and had its time.
    runtime.shutdown_background();
    outcome
}
