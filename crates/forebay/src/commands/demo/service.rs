//! The small service that the demo delivers to: it writes a journal, works a little, answers 200.
//!
//! Like many a real service it works on a few records at a time and lets others wait, so that more
//! instances do more. Work that has begun is finished and written down even if nobody waits for its
//! answer any more: that is how repetitions come to light.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use forebay_trial::{Limit, Script, Service, Writer};

use crate::cli::DemoService;
use crate::exit::{Exit, Failure, Outcome};
use crate::process::{Ready, Signals, end_with_stdin};

pub(crate) async fn run(args: DemoService) -> Outcome {
    let mut signals = Signals::listen().map_err(Failure::of(Exit::Usage))?;
    if args.child.until_stdin_closes {
        end_with_stdin();
    }
    let journal = Writer::create(&args.journal).map_err(Failure::of(Exit::Usage))?;
    let script = Script::accepting()
        .limit(Limit::concurrent(args.workers))
        .delay(Duration::from_millis(args.work_ms));
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let service = Service::of_process(any, script, journal).map_err(Failure::of(Exit::Usage))?;
    if let Some(path) = &args.ready.path {
        let (address, pid) = (service.address(), std::process::id());
        Ready { service: Some(address), pid, ..Ready::default() }.write(path)?;
    }
    signals.next().await;
    tokio::task::block_in_place(|| service.finish());
    Ok(Exit::Done)
}
