//! 8. Stopping is an ordered list with deadlines: nobody new is let in, clients are told and may answer, then it ends.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use leveret_actors::broker::Stopped;
use leveret_protocol::method::connection::Close;

use super::ring::Ring;
use super::support::connection::PROTOCOL_HEADER;
use super::support::{Connection, PATIENCE};

const FORCED: u16 = 320;

/// Stops the broker while the clients are looked after.
fn stop(ring: &Ring, deadline: Duration, meanwhile: impl FnOnce()) -> Stopped {
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| ring.stop(deadline));
        meanwhile();
        stopping.join().unwrap()
    })
}

#[test]
fn clients_are_told_and_those_who_answer_are_not_counted() {
    for workers in [1, 2] {
        let ring = Ring::with_workers(workers);
        let polite: [Connection; 3] = std::array::from_fn(|_| ring.connect());
        let channel = polite[0].channel();
        channel.declare("q");
        channel.consume("q");
        let began = Instant::now();
        let stopped = stop(&ring, PATIENCE, || {
            for client in &polite {
                let closed = client.expect_close();
                assert_eq!(closed.reply_code, FORCED);
                assert!(closed.reply_text.contains("test"), "{}", closed.reply_text);
            }
        });
        assert_eq!(
            stopped,
            Stopped {
                connections_forced: 0
            }
        );
        assert!(began.elapsed() < PATIENCE / 2, "nobody was waited for");
    }
}

#[test]
fn clients_that_do_not_answer_are_counted_at_the_deadline() {
    let ring = Ring::with_workers(2);
    let (polite, silent) = (ring.connect(), [ring.connect(), ring.connect()]);
    let deadline = Duration::from_millis(300);
    let began = Instant::now();
    let stopped = stop(&ring, deadline, || {
        polite.expect_close();
    });
    assert!(began.elapsed() >= deadline);
    assert_eq!(
        stopped,
        Stopped {
            connections_forced: 2
        }
    );
    for client in silent {
        assert_eq!(client.expect::<Close<'_>>().reply_code, FORCED);
    }
}

#[test]
fn a_handshake_under_way_holds_nothing_up() {
    let ring = Ring::with_workers(1);
    let half = ring.socket();
    half.greet();
    assert_eq!(
        ring.stop(PATIENCE),
        Stopped {
            connections_forced: 0
        }
    );
    half.expect_end();
}

#[test]
fn nobody_is_let_in_once_it_stops() {
    let ring = Ring::with_workers(1);
    let client = ring.connect();
    let stopped = stop(&ring, Duration::from_millis(300), || {
        client.expect::<Close<'_>>();
        // The socket may still be there, the listener is not.
        if let Ok(late) = TcpStream::connect(ring.address()) {
            use std::io::{Read, Write};
            late.set_read_timeout(Some(PATIENCE)).unwrap();
            let _ = (&late).write_all(&PROTOCOL_HEADER);
            assert!(
                matches!((&late).read(&mut [0]), Ok(0) | Err(_)),
                "it is not answered"
            );
        }
    });
    assert_eq!(
        stopped,
        Stopped {
            connections_forced: 1
        }
    );
    assert_eq!(
        ring.stop(Duration::ZERO),
        stopped,
        "stopping again changes nothing"
    );
}
