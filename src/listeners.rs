//! Binding the sockets a broker accepts connections on.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::AMQP_PORT;

/// Connections the kernel holds while the broker is busy accepting others.
const BACKLOG: i32 = 1024;

/// Binds `addresses`, or the AMQP port of every interface when there are none.
///
/// # Errors
/// The first address that could not be bound, and why.
pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    if addresses.is_empty() {
        return bind_everywhere(AMQP_PORT);
    }
    addresses
        .iter()
        .map(|&address| listener(address).map_err(|error| (address, error)))
        .collect()
}

/// IPv4 must work; IPv6 is left out on hosts without it.
fn bind_everywhere(port: u16) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let mut listeners = vec![listener(v4).map_err(|error| (v4, error))?];
    match listener(v6) {
        Ok(listener) => listeners.push(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err((v6, error)),
        Err(error) => tracing::debug!(%error, "this host does not listen on IPv6"),
    }
    Ok(listeners)
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Both families can then have the same port, each with a socket of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_takes_a_free_port() {
        let bound = bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).unwrap();
        assert_ne!(bound[0].local_addr().unwrap().port(), 0);
    }

    #[test]
    fn a_busy_port_is_named_in_the_error() {
        let first = bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).unwrap();
        let taken = first[0].local_addr().unwrap();
        let (address, error) = bind(&[taken]).unwrap_err();
        assert_eq!(address, taken);
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn both_families_share_a_port() {
        let v4 = bind(&[SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))]).unwrap();
        let port = v4[0].local_addr().unwrap().port();
        match listener(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
            Ok(v6) => assert_eq!(v6.local_addr().unwrap().port(), port),
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
        }
    }
}
