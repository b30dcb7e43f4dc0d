//! `forebay run`: the gateway, with the embedded broker beside it where the file asks for one.

use std::time::Duration;

use forebay_broker::BrokerHandle;
use forebay_control::{Commands, Control, ListenError, Peers, Reload, Reloaded, Serving};
use forebay_gateway::Gateway;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cli::Run;
use crate::commands::broker;
use crate::config::{Config, plan, unplaced};
use crate::exit::{Exit, Failure, Outcome};
use crate::process::{Ready, Signals, end_with_stdin, hangups};

mod reload;

use reload::Reloading;

pub(crate) async fn run(args: Run) -> Outcome {
    let mut signals = Signals::listen().map_err(Failure::of(Exit::Usage))?;
    let mut hangups = hangups().map_err(Failure::of(Exit::Usage))?;
    if args.child.until_stdin_closes {
        end_with_stdin();
    }
    let config = configuration(&args)?;
    plan::is_whole(&config)?;
    // What the file has wrong, a secret that can't be had for one, leaves no broker's data behind.
    let token = plan::token(&config)?;
    plan::plans(&config, &plan::properties(&config, &config.broker.listen)?)?;
    let control = Control::bind(config.control.listen.get_ref()).await.map_err(|error| {
        let advice = match error {
            ListenError::PortInUse { .. } => "; see also `forebay run --control`",
            ListenError::Other { .. } => "",
        };
        Failure::new(Exit::Configuration, format!("{error}{advice}"))
    })?;
    let embedded = if config.kafka.embedded {
        Some(broker::start(broker::config(&config.broker.listen, &config.broker.data)?).await?)
    } else {
        None
    };
    let listen = embedded.as_ref().map(|broker| broker.address().to_string());
    let properties = plan::properties(&config, listen.as_deref().unwrap_or_default())?;
    let servers = properties.servers().to_owned();
    let plans = plan::plans(&config, &properties)?;
    let listen = listen.unwrap_or_default();
    let mut reloading = Reloading::new(args.config.clone(), listen, &config, &plans);
    let mut gateway = Gateway::start(plans).await.map_err(Failure::of(Exit::Configuration))?;
    let address = control.address();
    let (reloads, mut wishes) = mpsc::channel(1);
    tracing::info!("reading from {servers}; health, metrics and control on http://{address}");
    let advertise = config.control.advertise.as_ref().map(|address| address.get_ref().clone());
    let peers = Peers::new(address, advertise, token.clone());
    let handles = gateway.handles().clone();
    let commands = Commands::default();
    let (its_peers, its_commands) = (peers.clone(), commands.clone());
    let serving = Serving { handles, token, reloads, peers: its_peers, commands: its_commands };
    let serving = tokio::spawn(control.serve(serving));
    if let Some(path) = &args.ready.path {
        let pid = std::process::id();
        Ready { kafka: Some(servers), control: Some(address), pid, ..Ready::default() }
            .write(path)?;
    }

    let exit = loop {
        let wish: Option<Reload> = tokio::select! {
            exit = signals.next() => break exit,
            _ = hangups.recv() => None,
            wish = wishes.recv() => wish,
            () = disk_failed(embedded.as_ref()) => return Err(broker::disk_failed()),
        };
        let outcome = reloading.reload(&mut gateway).await;
        match &outcome {
            Ok(Reloaded { changes, refused }) => {
                changes.iter().for_each(|line| tracing::info!("configuration: {line}"));
                refused.iter().for_each(|line| tracing::warn!("configuration: {line}"));
            }
            Err(error) => tracing::error!("the configuration stays as it was: {error}"),
        }
        // Whoever asked and did not wait sees it in the log.
        let _ = wish.map(|wish| wish.send(outcome));
    };
    tracing::info!("draining; a second signal does not wait");
    tokio::select! {
        () = stop(gateway, serving, peers, commands) => {}
        _ = signals.next() => return Ok(Exit::Interrupted),
    }
    if let Some(broker) = embedded {
        broker.shutdown().await.map_err(Failure::of(Exit::DataInUse))?;
    }
    Ok(exit)
}

/// How long it may take to write what is left to say: the last commands, and that this process
/// can't be asked any more.
const FAREWELL: Duration = Duration::from_secs(3);

/// Answers while it drains, and takes its leave when nobody is answered any more.
async fn stop(
    gateway: Gateway,
    serving: JoinHandle<std::io::Result<()>>,
    peers: Peers,
    commands: Commands,
) {
    gateway.stop().await;
    serving.abort();
    // Aborted or not, nothing is announced after its end.
    let _ = serving.await;
    let farewell = async { tokio::join!(peers.leave(), commands.flush()) };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

async fn disk_failed(embedded: Option<&BrokerHandle>) {
    match embedded {
        Some(broker) => broker.failed().await,
        None => std::future::pending().await,
    }
}

/// The file, or what the flags come to.
fn configuration(args: &Run) -> Result<Config, Failure> {
    let mut config = match &args.config {
        Some(path) => Config::load(path)?,
        None => plan::from_flags(args).map_err(Failure::of(Exit::Usage))?,
    };
    if let (Some(consumers), [subscription]) = (args.consumers, &mut config.subscriptions[..]) {
        subscription.get_mut().consumers = unplaced(consumers);
    }
    if let Some(control) = &args.control {
        config.control.listen = unplaced(control.clone());
    }
    if let Some(instance) = &args.instance {
        config.control.instance = Some(unplaced(instance.clone()));
    }
    config.check().map_err(Failure::of(Exit::Usage))?;
    Ok(config)
}
