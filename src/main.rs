//! The `leveret` program: an AMQP 0-9-1 broker, and a tool to put load on one.

mod allocator;
mod cli;
mod shutdown;
mod telemetry;

use std::process::ExitCode;

use leveret_actors::broker::give_freed_memory_back_by;

fn main() -> ExitCode {
    give_freed_memory_back_by(allocator::give_back);
    cli::run()
}
