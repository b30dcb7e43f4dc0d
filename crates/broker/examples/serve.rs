//! Runs the broker alone, for trying clients against it: `serve [DATA_DIR [HOST:PORT]]`.
//!
//! Says its address on standard error and ends cleanly on ctrl-c.

use forebay_broker::{Broker, BrokerConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().unwrap_or_else(|| "forebay-data".to_owned());
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_owned()).parse()?;
    let broker = Broker::start(BrokerConfig::new(listen, data)).await?;
    eprintln!("listening on {}", broker.address());
    tokio::signal::ctrl_c().await?;
    broker.shutdown().await?;
    Ok(())
}
