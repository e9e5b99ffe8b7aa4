//! A listening socket: accepts connections and places each on a worker.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use actix::prelude::*;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::connection::messages::Accepted;
use crate::id::ListenerId;
use crate::lease::Lease;

/// How long to wait when the process is out of descriptors, so that the log and the processor are not flooded.
const PAUSE: Duration = Duration::from_millis(100);

/// What the system may keep unread for a client on this host, in bytes; Linux makes it twice as much.
///
/// Left alone it lets megabytes gather where they are no use: they grow old, and out of the caches. A link to
/// another host may be long, and needs what the system thinks of it.
const UNREAD_OF_THIS_HOST: usize = 256 * 1024;

/// Accepts connections on one address until it is stopped.
pub(crate) struct Listener {
    broker: Recipient<Accepted>,
    socket: Option<TcpListener>,
    _lease: Lease<ListenerId>,
}

impl Listener {
    /// A listener on a socket that is bound already.
    pub(crate) fn new(
        socket: std::net::TcpListener,
        broker: Recipient<Accepted>,
        lease: Lease<ListenerId>,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Listener {
            broker,
            socket: Some(TcpListener::from_std(socket)?),
            _lease: lease,
        })
    }
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(socket) = self.socket.take() {
            let broker = self.broker.clone();
            ctx.spawn(actix::fut::wrap_future(accept(socket, broker)));
        }
    }
}

async fn accept(socket: TcpListener, broker: Recipient<Accepted>) {
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => match hand_over(stream, peer) {
                Ok(accepted) => broker.do_send(accepted),
                Err(error) => debug!(%peer, %error, "a connection ended while it was accepted"),
            },
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
                ) =>
            {
                debug!(%error, "a connection ended before it was accepted");
            }
            Err(error) => {
                warn!(%error, "no connection can be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A socket belongs to the thread that registered it, so it travels as a plain one.
fn hand_over(stream: TcpStream, peer: SocketAddr) -> io::Result<Accepted> {
    stream.set_nodelay(true)?;
    if peer.ip().to_canonical().is_loopback() {
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, UNREAD_OF_THIS_HOST)?;
    }
    Ok(Accepted {
        local: stream.local_addr()?,
        stream: stream.into_std()?,
        peer,
    })
}

/// Stop accepting.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct StopListening;

impl Handler<StopListening> for Listener {
    type Result = ();

    fn handle(&mut self, _: StopListening, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
