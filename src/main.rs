//! The `leveret` program: an AMQP 0-9-1 broker, and a tool to put load on one.

mod cli;
mod shutdown;
mod telemetry;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run()
}
