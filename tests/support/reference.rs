//! The RabbitMQ whose behaviour the tests can be checked against.
//!
//! `LEVERET_TEST_URI=127.0.0.1:5672,127.0.0.1:15672` gives its AMQP and its management address. Every test gets a
//! virtual host of its own there; where an error text names it, the client reads `/`.
//!
//! RabbitMQ 3.10 is known to differ where we follow later releases or mean to be kinder: refusals before the
//! connection is open come without a close, an unknown exchange type ends the connection, NaN and a delivery mode
//! of 0 are refused, bytes that cannot be decoded are 501 or 541, and counts may overtake publications.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

use super::PATIENCE;

/// One virtual host of the reference broker, deleted when dropped.
pub(crate) struct Reference {
    amqp: SocketAddr,
    management: SocketAddr,
    vhost: String,
}

impl Reference {
    /// A new virtual host, if the environment names a reference broker.
    pub(crate) fn from_environment() -> Option<Reference> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let addresses = std::env::var("LEVERET_TEST_URI").ok()?;
        let (amqp, management) = addresses.split_once(',').expect("two addresses");
        let vhost = format!(
            "test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let reference = Reference {
            amqp: amqp.parse().expect("the AMQP address"),
            management: management.parse().expect("the management address"),
            vhost,
        };
        reference.request("PUT");
        Some(reference)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.amqp
    }

    pub(crate) fn vhost(&self) -> &str {
        &self.vhost
    }

    fn request(&self, verb: &str) {
        let mut socket = TcpStream::connect(self.management).expect("management answers");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!(
            "{verb} /api/vhosts/{} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n",
            self.vhost
        );
        socket
            .write_all(request.as_bytes())
            .expect("the request is taken");
        let mut response = String::new();
        let _ = socket.read_to_string(&mut response);
        assert!(
            response.starts_with("HTTP/1.1 20"),
            "{verb} {}: {response}",
            self.vhost
        );
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.request("DELETE");
        }
    }
}
