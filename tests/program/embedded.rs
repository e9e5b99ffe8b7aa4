//! Brokers inside another program: this one.

use std::net::{SocketAddr, TcpStream};

use leveret::{Config, Server, StartError, Stopped};
use leveret_actors::fault::Fault;
use leveret_protocol::method::basic::Get;
use leveret_protocol::method::connection::Close;

use super::support::{Connection, PATIENCE};

fn start() -> (Server, SocketAddr) {
    let server = Server::start(Config {
        workers: 1,
        ..Config::local()
    })
    .unwrap();
    let address = server.addresses()[0];
    (server, address)
}

#[test]
fn brokers_in_one_program_know_nothing_of_each_other() {
    let ((one, one_address), (other, other_address)) = (start(), start());
    let queues = Connection::over_tcp(one_address, "/");
    queues.open("/");
    queues.channel().declare("q");
    let elsewhere = Connection::over_tcp(other_address, "/");
    elsewhere.open("/");
    let get = Get {
        queue: "q",
        no_ack: true,
    };
    elsewhere
        .channel()
        .fails(get, 404, "NOT_FOUND - no queue 'q' in vhost '/'");
    drop((queues, elsewhere));
    let in_order = Stopped::Orderly {
        connections_forced: 0,
    };
    assert_eq!((one.stop(), other.stop()), (in_order, in_order));
}

#[test]
fn a_stopped_broker_does_not_listen() {
    let (server, address) = start();
    TcpStream::connect(address).unwrap();
    assert_eq!(
        server.stop(),
        Stopped::Orderly {
            connections_forced: 0
        }
    );
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_dropped_broker_tells_its_clients_and_is_gone() {
    let (server, address) = start();
    let client = Connection::over_tcp(address, "/");
    client.open("/");
    let dropping = std::thread::spawn(move || drop(server));
    assert_eq!(client.expect::<Close<'_>>().reply_code, 320);
    drop(client);
    dropping.join().unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_broker_that_fails_tells_its_clients_and_its_program() {
    let (mut server, address) = start();
    let client = tokio::task::spawn_blocking(move || {
        let client = Connection::over_tcp(address, "/");
        client.open("/");
        server.broker().inject(Fault::VirtualHost("/"));
        assert_eq!(client.expect_close().reply_code, 320);
        server
    });
    server = client.await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, server.ended()).await;
    assert!(ended.is_ok(), "it ends by itself");
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(server.stop(), Stopped::Abandoned);
}

#[tokio::test]
async fn a_program_with_a_runtime_of_its_own_can_run_a_broker() {
    let (mut server, address) = start();
    tokio::net::TcpStream::connect(address).await.unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_millis(20), server.ended()).await;
    assert!(ended.is_err(), "it goes on until it is told to stop");
    let stopped = tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
    assert_eq!(
        stopped,
        Stopped::Orderly {
            connections_forced: 0
        }
    );
}

#[test]
fn a_busy_address_is_an_error_with_that_address() {
    let (_server, address) = start();
    let refused = Server::start(Config {
        listen: vec![address],
        ..Config::local()
    });
    assert!(matches!(refused, Err(StartError::Listen { address: named, .. }) if named == address));
}

#[test]
fn a_setting_out_of_bounds_is_an_error() {
    let refused = Server::start(Config {
        workers: 0,
        ..Config::local()
    });
    assert!(matches!(refused, Err(StartError::Config(_))));
}
