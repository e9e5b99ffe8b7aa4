//! A listening socket: accepts connections and gives each a seat.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use super::messages::{Accepted, Listen, Socket, StopListening};
use super::reception::Receptions;
use crate::id::ListenerId;
use crate::lease::Lease;
use crate::node::{Context, Seats, WorkerId};

/// How long to wait when the process is out of descriptors, so that the log and the processor are not flooded.
const PAUSE: Duration = Duration::from_millis(100);

/// What the system may keep unread for a client on this host, in bytes; Linux makes it twice as much.
///
/// Left alone it lets megabytes gather where they are no use: they grow old, and out of the caches. A link to
/// another host may be long, and needs what the system thinks of it.
const UNREAD_OF_THIS_HOST: usize = 256 * 1024;

/// Accepts connections on one address until it is stopped.
pub(crate) struct Listener {
    entrance: Entrance,
    _lease: Lease<ListenerId>,
}

impl Listener {
    /// A listener that lives on `home`.
    pub(crate) fn new(
        home: WorkerId,
        seats: Arc<Seats>,
        receptions: Receptions,
        lease: Lease<ListenerId>,
    ) -> Self {
        Listener {
            entrance: Entrance {
                home,
                seats,
                receptions,
            },
            _lease: lease,
        }
    }
}

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Listen> for Listener {
    type Result = io::Result<()>;

    fn handle(&mut self, Listen { socket }: Listen, ctx: &mut Context<Self>) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let (local, socket) = (socket.local_addr()?, TcpListener::from_std(socket)?);
        let accepting = self.entrance.clone().accept(local, socket);
        ctx.spawn(actix::fut::wrap_future(accepting));
        Ok(())
    }
}

impl Handler<StopListening> for Listener {
    type Result = ();

    fn handle(&mut self, _: StopListening, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// Where those go who are accepted.
#[derive(Clone)]
struct Entrance {
    home: WorkerId,
    seats: Arc<Seats>,
    receptions: Receptions,
}

impl Entrance {
    async fn accept(self, local: SocketAddr, socket: TcpListener) {
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => {
                    if let Err(error) = self.let_in(stream, peer, local) {
                        debug!(%peer, %error, "a connection ended while it was accepted");
                    }
                    // It is answered before another is looked for.
                    tokio::task::yield_now().await;
                }
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

    /// Gives a connection a seat, and lets the reception there begin it.
    fn let_in(&self, stream: TcpStream, peer: SocketAddr, local: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if peer.ip().to_canonical().is_loopback() {
            rustix::net::sockopt::set_socket_recv_buffer_size(&stream, UNREAD_OF_THIS_HOST)?;
        }
        let seat = self.seats.take_near(self.home);
        let socket = match seat.worker == self.home {
            true => Socket::Registered(stream),
            false => Socket::Plain(stream.into_std()?),
        };
        self.receptions.receive(Accepted {
            socket,
            peer,
            local,
            seat,
        });
        Ok(())
    }
}
