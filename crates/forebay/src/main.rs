//! `forebay`: one binary for the gateway, the embedded broker and the tools around them.
//!
//! Each command is a file under `commands/`. Errors go to standard error and say what was asked,
//! what is wrong, where, and what to do; the exit code says which kind it was.

use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit};

mod cli;
mod cluster;
mod commands;
mod config;
mod exit;
mod input;
mod lint;
mod logs;
mod output;
mod process;
mod text;

/// Records are allocated by one thread and freed by another, which costs the C library's allocator
/// more than anything else that a record needs of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    abort_on_panic();
    use_small_pages();
    allow_many_connections();
    let cli = cli::Cli::parse();
    logs::start(cli.log, cli.command.log_level());
    match commands::run(cli.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            logs::say(&format!("forebay: {failure}"));
            failure.exit.into()
        }
    }
}

/// Each thread's part of the allocator would begin with huge pages, of which most use a few KiB: with
/// twenty subscriptions 300 MB instead of 65.
fn use_small_pages() {
    // Where the system can't, all works as well.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Each delivery in flight has a connection, and the usual soft limit of 1,024 descriptors is for
/// programs that use `select`.
fn allow_many_connections() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let all = Rlimit { current: limit.maximum, ..limit };
    // Where the system does not let us, fewer have to do.
    let _ = rustix::process::setrlimit(Resource::Nofile, all);
}

/// A panic is a bug of ours, and its thread would be missing: better the whole process ends, and
/// what it had not committed is delivered again by the next.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}
