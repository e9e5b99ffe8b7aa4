//! AMQP URIs: `amqp://user:password@host:port/vhost`.

use std::fmt;
use std::str::FromStr;

/// Where a broker is and who logs in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Uri {
    pub(crate) user: String,
    pub(crate) password: String,
    /// A name or an address; IPv6 addresses without their brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) vhost: String,
}

impl FromStr for Uri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("amqp://") else {
            return Err("expected amqp://USER:PASSWORD@HOST:PORT/VHOST".to_owned());
        };
        let rest = rest.split_once('?').map_or(rest, |(before, _query)| before);
        let (authority, vhost) = match rest.split_once('/') {
            Some((authority, vhost)) if !vhost.is_empty() => (authority, decode(vhost)?),
            Some((authority, _)) => (authority, "/".to_owned()),
            None => (rest, "/".to_owned()),
        };
        let (login, address) = authority.rsplit_once('@').unwrap_or(("guest:guest", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = host_and_port(address)?;
        Ok(Self {
            user: decode(user)?,
            password: decode(password)?,
            host,
            port,
            vhost,
        })
    }
}

/// The password stays out of logs and error messages.
impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "amqp://{}@{}:{}/{}",
            self.user, self.host, self.port, self.vhost
        )
    }
}

fn host_and_port(address: &str) -> Result<(String, u16), String> {
    let (host, port) = if let Some(bracketed) = address.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or("an IPv6 address lacks its ']'")?;
        (host.to_owned(), rest.strip_prefix(':'))
    } else {
        let (host, port) = address
            .split_once(':')
            .map_or((address, None), |(host, port)| (host, Some(port)));
        (decode(host)?, port)
    };
    let host = if host.is_empty() {
        "127.0.0.1".to_owned()
    } else {
        host
    };
    let port = match port {
        None | Some("") => leveret::AMQP_PORT,
        Some(port) => port.parse().map_err(|_| format!("'{port}' is not a port"))?,
    };
    Ok((host, port))
}

fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => return Err(format!("'{text}' has a '%' without two hexadecimal digits")),
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("'{text}' does not decode to UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn a_full_uri_names_everything() {
        let uri = parse("amqp://me:s%40cret@broker.example:5673/my%2fhost");
        assert_eq!((uri.user.as_str(), uri.password.as_str()), ("me", "s@cret"));
        assert_eq!((uri.host.as_str(), uri.port), ("broker.example", 5673));
        assert_eq!(uri.vhost, "my/host");
    }

    #[test]
    fn what_is_left_out_is_the_usual() {
        let uri = parse("amqp://localhost");
        assert_eq!(uri, parse("amqp://guest:guest@localhost:5672/%2F?heartbeat=5"));
        assert_eq!(parse("amqp://localhost/").vhost, "/");
        assert_eq!(parse("amqp://").host, "127.0.0.1");
    }

    #[test]
    fn an_ipv6_address_is_bracketed() {
        let uri = parse("amqp://[::1]:5673/%2f");
        assert_eq!((uri.host.as_str(), uri.port), ("::1", 5673));
        assert_eq!(parse("amqp://[::1]").port, 5672);
    }

    #[test]
    fn a_uri_that_cannot_be_read_says_why() {
        let error = |text: &str| text.parse::<Uri>().unwrap_err();
        assert!(error("http://localhost").contains("amqp://"));
        assert!(error("amqp://localhost:port").contains("'port'"));
        assert!(error("amqp://localhost/%2").contains("'%'"));
        assert!(error("amqp://localhost/%ff").contains("UTF-8"));
        assert!(error("amqp://[::1").contains("']'"));
    }

    #[test]
    fn the_password_is_not_shown() {
        assert!(!format!("{:?}", parse("amqp://me:secret@h")).contains("secret"));
    }
}
