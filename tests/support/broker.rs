//! A broker for one test, stopped when dropped.

use std::net::SocketAddr;
use std::path::Path;

use leveret_protocol::types::FieldTable;

use super::connection::Connection;
use super::reference::Reference;

/// A running broker.
pub(crate) struct Broker {
    address: SocketAddr,
    kind: Kind,
}

enum Kind {
    /// Inside this process, until dropped.
    Own(leveret::Server),
    /// A virtual host of its own in the RabbitMQ that `LEVERET_TEST_URI` names.
    Reference(Reference),
}

impl Broker {
    /// Starts a broker inside this process.
    pub(crate) fn start() -> Broker {
        match Reference::from_environment() {
            Some(reference) => Broker {
                address: reference.address(),
                kind: Kind::Reference(reference),
            },
            None => Broker::with(leveret::Config::local()),
        }
    }

    /// Starts a broker with these settings inside this process.
    pub(crate) fn with(config: leveret::Config) -> Broker {
        let server = leveret::Server::start(config).expect("a broker");
        Broker {
            address: server.addresses()[0],
            kind: Kind::Own(server),
        }
    }

    /// Starts a broker inside this process on this data directory.
    pub(crate) fn on(data: &Path) -> Broker {
        Broker::with(leveret::Config {
            data_dir: Some(data.to_owned()),
            ..leveret::Config::local()
        })
    }

    /// Starts a broker inside this process with settings that only programs can give.
    pub(crate) fn adjusted(adjust: impl FnOnce(&mut leveret::node::Settings)) -> Broker {
        let server = leveret::Server::start_with(leveret::Config::local(), adjust).expect("a broker");
        Broker {
            address: server.addresses()[0],
            kind: Kind::Own(server),
        }
    }

    /// The server inside this process.
    pub(crate) fn server(&self) -> &leveret::Server {
        match &self.kind {
            Kind::Own(server) => server,
            Kind::Reference(_) => panic!("this test needs a broker inside this process"),
        }
    }

    /// Where it listens for AMQP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The virtual host the test may use.
    pub(crate) fn vhost(&self) -> &str {
        match &self.kind {
            Kind::Own(_) => "/",
            Kind::Reference(reference) => reference.vhost(),
        }
    }

    /// The URL a client library connects to.
    pub(crate) fn url(&self) -> String {
        format!(
            "amqp://guest:guest@{}/{}",
            self.address,
            self.vhost().replace('/', "%2f")
        )
    }

    /// An open connection of `guest`.
    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        let connection = self.socket();
        connection.open(self.vhost());
        connection
    }

    /// An open connection of a client that says this of itself.
    #[track_caller]
    pub(crate) fn connect_as(&self, client_properties: FieldTable) -> Connection {
        let connection = self.socket();
        connection.open_as(client_properties, self.vhost());
        connection
    }

    /// A connection on which nothing has been sent yet.
    #[track_caller]
    pub(crate) fn socket(&self) -> Connection {
        Connection::over_tcp(self.address, self.vhost())
    }
}
