//! Who may log in, and what a user may do: the questions, and the simplest answers.
//!
//! Every place that AMQP names a permission asks here, so that another authority only has to answer.

use std::net::IpAddr;

use crate::name::Name;

/// What a user wants to do with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Declare, delete.
    Configure,
    /// Publish to an exchange, bind a queue.
    Write,
    /// Consume, get, purge; bind to an exchange.
    Read,
}

impl Access {
    /// As the error texts say it.
    pub fn name(self) -> &'static str {
        match self {
            Access::Configure => "configure",
            Access::Write => "write",
            Access::Read => "read",
        }
    }
}

/// What the user wants to do it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The default exchange is called `amq.default`.
    Exchange(&'a str),
    /// A queue.
    Queue(&'a str),
}

/// A name and a password, and where they come from.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The password in clear.
    pub password: &'a [u8],
    /// The peer's address.
    pub peer: IpAddr,
}

/// Why a login failed; the client is told the same in each case, the log says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// No such user, or not that password.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// Blank passwords are never accepted.
    #[error("blank password")]
    BlankPassword,
    /// The user may only come from this host.
    #[error("user can only connect via localhost")]
    NotFromLoopback,
}

/// Answers who may do what. Asked on the message path only where a route is looked up anew.
pub trait Authority: Send + Sync + 'static {
    /// Whether the user is who it says.
    fn authenticate(&self, login: Login<'_>) -> Result<(), LoginRefused>;

    /// Whether the user may open that virtual host.
    fn may_open(&self, _user: &str, _vhost: &str) -> bool {
        true
    }

    /// Whether the user may do that with that.
    fn permits(&self, _user: &str, _vhost: &str, _access: Access, _resource: Resource<'_>) -> bool {
        true
    }

    /// Whether the user may write to or read from a topic of an exchange.
    fn permits_topic(&self, _user: &str, _vhost: &str, _access: Access, _exchange: &str, _key: &str) -> bool {
        true
    }

    /// Whether the user may publish in the name of others.
    fn is_impersonator(&self, _user: &str) -> bool {
        false
    }
}

/// A fixed list of users, each allowed everything.
#[derive(Debug, Clone)]
pub struct Users {
    users: Vec<User>,
}

/// One user.
#[derive(Debug, Clone)]
pub struct User {
    /// Its name.
    pub name: Name,
    /// Its password in clear.
    pub password: String,
    /// May only connect from this host.
    pub loopback_only: bool,
}

impl Users {
    /// These users and no others.
    pub fn new(users: Vec<User>) -> Self {
        Users { users }
    }
}

impl Default for Users {
    /// `guest` with password `guest`, from this host only.
    fn default() -> Self {
        Users::new(vec![User {
            name: "guest".into(),
            password: "guest".into(),
            loopback_only: true,
        }])
    }
}

impl Authority for Users {
    fn authenticate(&self, login: Login<'_>) -> Result<(), LoginRefused> {
        if login.password.is_empty() {
            return Err(LoginRefused::BlankPassword);
        }
        let known = self.users.iter().find(|user| &*user.name == login.user);
        match known {
            Some(user) if same(user.password.as_bytes(), login.password) => {
                if user.loopback_only && !is_loopback(login.peer) {
                    return Err(LoginRefused::NotFromLoopback);
                }
                Ok(())
            }
            _ => Err(LoginRefused::InvalidCredentials),
        }
    }
}

/// Compares in a time that does not tell how much was right.
fn same(stored: &[u8], given: &[u8]) -> bool {
    stored.len() == given.len()
        && stored
            .iter()
            .zip(given)
            .fold(0, |differ, (a, b)| differ | (a ^ b))
            == 0
}

fn is_loopback(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_login(user: &str, password: &str, peer: &str) -> Result<(), LoginRefused> {
        let peer = peer.parse().unwrap();
        Users::default().authenticate(Login {
            user,
            password: password.as_bytes(),
            peer,
        })
    }

    #[test]
    fn guest_may_log_in_from_any_loopback_address() {
        for peer in ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(try_login("guest", "guest", peer), Ok(()), "{peer}");
        }
    }

    #[test]
    fn guest_may_not_log_in_from_another_host() {
        assert_eq!(
            try_login("guest", "guest", "192.0.2.7"),
            Err(LoginRefused::NotFromLoopback)
        );
    }

    #[test]
    fn a_wrong_password_an_unknown_user_and_a_blank_password_are_refused() {
        assert_eq!(
            try_login("guest", "gast!", "::1"),
            Err(LoginRefused::InvalidCredentials)
        );
        assert_eq!(
            try_login("nobody", "guest", "::1"),
            Err(LoginRefused::InvalidCredentials)
        );
        assert_eq!(try_login("guest", "", "::1"), Err(LoginRefused::BlankPassword));
    }
}
