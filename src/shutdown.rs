//! The signals that end the program: the first asks for an orderly stop, the second does not wait.

use std::{io, process, thread};

use leveret::{Server, Stopped};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of a program ended by the user's interrupt.
const INTERRUPTED: i32 = 130;

/// The termination signals, caught from the moment this exists.
pub(crate) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

/// Why the program stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// SIGTERM or SIGINT.
    Signal,
    /// The broker ended by itself.
    BrokerFailed,
}

impl Signals {
    /// Begins to catch the signals.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub(crate) fn catch() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        Ok(Self {
            runtime,
            terminate,
            interrupt,
        })
    }

    /// Waits until the program is told to stop.
    pub(crate) fn wait(&mut self, server: &mut Server) -> Reason {
        let Self {
            runtime,
            terminate,
            interrupt,
        } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => Reason::Signal,
                _ = interrupt.recv() => Reason::Signal,
                () = server.ended() => Reason::BrokerFailed,
            }
        })
    }

    /// Stops the server; another signal meanwhile ends the program at once.
    pub(crate) fn stop(self, server: Server) -> Stopped {
        let Self {
            runtime,
            mut terminate,
            mut interrupt,
        } = self;
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            process::exit(INTERRUPTED);
        });
        server.stop()
    }
}
