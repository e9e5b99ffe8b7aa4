//! Leveret, an AMQP 0-9-1 broker, to be run inside another program.
//!
//! ```no_run
//! use leveret::{Config, Server};
//!
//! let server = Server::start(Config::local())?;
//! println!("a broker for this process: amqp://guest:guest@{}", server.addresses()[0]);
//! server.stop();
//! # Ok::<(), leveret::StartError>(())
//! ```

mod amount;
mod config;
mod data_dir;
mod listeners;
mod machine;
mod server;

pub use amount::{Amount, NoAmount};
pub use config::{AMQP_PORT, Config, FRAME_MIN_SIZE, InvalidConfig, LARGEST_MESSAGE};
pub use data_dir::DataDirError;
/// Why the definitions in a data directory can't be used.
pub use leveret_actors::definitions::StoreError;
pub use leveret_actors::journal::{log::Durability, store::JournalError};
/// The broker behind a server, and what it can be told beyond a [`Config`].
pub use leveret_actors::{broker, node};
/// What holds for queues and exchanges by their names, and the values it is written in.
pub use leveret_actors::{name::Name, policy};
pub use leveret_protocol::{FieldTable, FieldValue};
pub use server::{STOP_DEADLINE, Server, StartError, Stopped};
