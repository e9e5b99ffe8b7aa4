//! aio-pika: each file of `aio_pika/` is a set of tests.

use crate::support::Broker;
use crate::support::program::Program;
use crate::support::python::Python;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/aio_pika");

static PYTHON: Python = Python::with(&[
    "aio-pika==10.2.1",
    "aiormq==7.2.4",
    "idna==3.20",
    "multidict==7.2.1",
    "pamqp==4.0.1",
    "propcache==0.5.4",
    "yarl==1.25.1",
]);

#[test]
fn everything_is_awaited_and_robust_connections_come_back() {
    let broker = Broker::start();
    let mut unittest = PYTHON.unittest("asynchronous");
    Program::start(unittest.env("AMQP_URL", broker.url()).current_dir(FOLDER)).finish();
}
