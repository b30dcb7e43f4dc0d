//! `forebay broker`: the embedded broker as a process of its own.

use std::net::ToSocketAddrs;
use std::path::Path;

use forebay_broker::{Broker as KafkaBroker, BrokerConfig, BrokerHandle, StartError};

use crate::cli::Broker;
use crate::exit::{Exit, Failure, Outcome};
use crate::process::{Ready, Signals, end_with_stdin};

pub(crate) async fn run(args: Broker) -> Outcome {
    let mut signals = Signals::listen().map_err(Failure::of(Exit::Usage))?;
    if args.child.until_stdin_closes {
        end_with_stdin();
    }
    let mut config =
        config(&args.listen, &args.data).map_err(|wrong| Failure { exit: Exit::Usage, ..wrong })?;
    config.default_partitions = args.partitions;
    let broker = start(config).await?;
    let address = broker.address();
    tracing::info!("the broker listens on {address}, data in {}", args.data.display());
    if let Some(path) = &args.ready.path {
        let kafka = Some(address.to_string());
        Ready { kafka, pid: std::process::id(), ..Ready::default() }.write(path)?;
    }
    let exit = tokio::select! {
        exit = signals.next() => exit,
        () = broker.failed() => return Err(disk_failed()),
    };
    tokio::select! {
        stopped = broker.shutdown() => stopped.map(|()| exit).map_err(Failure::of(Exit::DataInUse)),
        _ = signals.next() => Ok(Exit::Interrupted),
    }
}

pub(crate) fn disk_failed() -> Failure {
    let message = "the disk refused the broker's data; nothing is acknowledged any more, and what \
                   was acknowledged is safe. See the log above, mend the disk, start again";
    Failure::new(Exit::DataInUse, message)
}

/// Defaults for one machine at this address and directory.
pub(crate) fn config(listen: &str, data: &Path) -> Result<BrokerConfig, Failure> {
    let address = listen.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    let address = address.ok_or_else(|| {
        let message = format!("`{listen}` is no address to listen on; write host:port");
        Failure::new(Exit::Configuration, message)
    })?;
    Ok(BrokerConfig::new(address, data))
}

pub(crate) async fn start(config: BrokerConfig) -> Result<BrokerHandle, Failure> {
    KafkaBroker::start(config).await.map_err(|error| {
        let (exit, advice) = match &error {
            StartError::AddressInUse(_) => {
                (Exit::Configuration, "; stop what uses it, or listen elsewhere (port 0 for any)")
            }
            StartError::DataInUse(_) => {
                (Exit::DataInUse, "; stop that process, or use another directory")
            }
            StartError::NewerVersion { .. } => {
                (Exit::DataInUse, "; run the newer program, or use another directory")
            }
            StartError::Foreign(_) | StartError::Damaged { .. } => (Exit::DataInUse, ""),
            StartError::Listen { .. } | StartError::Io { .. } => (Exit::Configuration, ""),
        };
        Failure::new(exit, format!("the broker did not start: {error}{advice}"))
    })
}
