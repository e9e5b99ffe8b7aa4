//! The pika programs this broker was first written for: they run as they are, but for host and port.

use std::path::Path;

use crate::support::Broker;
use crate::support::program::Program;
use crate::support::python::python;

#[test]
fn hello_goes_from_producer_to_consumer() {
    let seed = Seed::new();
    let mut consumer = seed.consumer("hello_consumer.py");
    assert_eq!(seed.start("hello_producer.py").finish(), ["Sent 'Hello World!'"]);
    assert_eq!(consumer.line(), "'hello1':b'Hello World!'");
}

#[test]
fn hello_waits_for_a_consumer_that_comes_later() {
    let seed = Seed::new();
    for _ in 0..3 {
        seed.start("hello_producer.py").finish();
    }
    let mut consumer = seed.consumer("hello_consumer.py");
    for _ in 0..3 {
        assert_eq!(consumer.line(), "'hello1':b'Hello World!'");
    }
}

#[test]
fn every_subscriber_gets_the_message() {
    let seed = Seed::new();
    let mut consumers = [
        seed.consumer("subscribe_consumer.py"),
        seed.consumer("subscribe_consumer.py"),
    ];
    assert_eq!(
        seed.start("subscribe_producer.py").finish(),
        ["Sent 'Hello World!'"]
    );
    for consumer in &mut consumers {
        assert_eq!(consumer.line(), "'':b'Hello World!'");
    }
}

#[test]
fn a_keyword_finds_its_consumer() {
    let seed = Seed::new();
    let mut consumer = seed.consumer("direct_consumer.py");
    assert_eq!(seed.start("direct_producer.py").finish(), ["Sent 'Hello World!'"]);
    assert_eq!(consumer.line(), "'info':b'Hello World!'");
}

#[test]
fn a_wildcard_finds_its_consumer() {
    let seed = Seed::new();
    let mut consumer = seed.consumer("topic_consumer.py");
    assert_eq!(seed.start("topic_producer.py").finish(), ["Sent 'Hello World!'"]);
    assert_eq!(consumer.line(), "'europe.weather':b'Hello World!'");
}

#[test]
fn a_remote_procedure_returns_its_answer() {
    let seed = Seed::new();
    let mut server = seed.start("rpc_server.py");
    server.wait_for("Waiting RPC requests");
    let client = seed.start("rpc_client.py").finish();
    assert_eq!(server.line(), "Request content b'ok'");
    let (answer, listening) = client.split_last().expect("the client prints");
    assert_eq!(answer, "Got b'return ok'");
    assert!(
        !listening.is_empty() && listening.iter().all(|line| line == "listen..."),
        "{client:?}"
    );
}

/// A broker, and the programs changed to connect to it.
struct Seed {
    broker: Broker,
    folder: tempfile::TempDir,
}

impl Seed {
    fn new() -> Seed {
        Seed {
            broker: Broker::start(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Starts a program.
    fn start(&self, file: &str) -> Program {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/interop/seed")
            .join(file);
        let text = std::fs::read_to_string(source).expect("the program");
        let theirs = "'192.168.141.129', port=5672, virtual_host='/'";
        let (address, vhost) = (self.broker.address(), self.broker.vhost());
        let ours = format!(
            "'{}', port={}, virtual_host='{vhost}'",
            address.ip(),
            address.port()
        );
        assert_eq!(text.matches(theirs).count(), 1, "{file} connects once");
        let copy = self.folder.path().join(file);
        std::fs::write(&copy, text.replace(theirs, &ours)).expect("a copy");
        Program::start(python().arg(copy))
    }

    /// Starts a program and waits until it consumes.
    fn consumer(&self, file: &str) -> Program {
        let mut program = self.start(file);
        assert_eq!(program.line(), "Waiting for messages. To exit press CTRL+C");
        program
    }
}
