//! Hadoop RPC, version 9: calls of protocol buffers over TCP, many at a time, answered in any order.
//!
//! A [`Connection`] is one connection to one server; a [`Failover`] keeps one to whichever of several servers answers,
//! and repeats calls that were lost. Both speak any protocol of Hadoop: name it, and give the messages.

mod connection;
mod driver;
mod error;
mod failover;
pub(crate) mod frame;
mod handshake;

pub use connection::{Connection, Identity};
pub use error::{ExceptionKind, RemoteException, RpcError};
pub use failover::{Failover, Patience};

use crate::{Qop, Token};
use std::time::Duration;

/// The protocol between clients and the ResourceManager.
pub const CLIENT_PROTOCOL: &str = "org.apache.hadoop.yarn.api.ApplicationClientProtocolPB";
/// The protocol between masters of applications and the ResourceManager.
pub const MASTER_PROTOCOL: &str = "org.apache.hadoop.yarn.api.ApplicationMasterProtocolPB";
/// The protocol between masters of applications and NodeManagers.
pub const CONTAINER_PROTOCOL: &str = "org.apache.hadoop.yarn.api.ContainerManagementProtocolPB";

/// How connections behave. [`Conf::rpc`](crate::Conf::rpc) reads them from the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long connecting may take, authentication included. `ipc.client.connect.timeout`.
    pub connect_timeout: Duration,
    /// How long a call may take. `ipc.client.rpc-timeout.ms`.
    pub call_timeout: Duration,
    /// While calls wait and nothing comes, the server is pinged this often. `ipc.ping.interval`.
    pub ping_interval: Duration,
    /// A connection without calls is closed after this time. `ipc.client.connection.maxidletime`.
    pub max_idle: Duration,
    /// Most bytes of a response. `ipc.maximum.response.length`.
    pub max_response: usize,
    /// Most bytes of a request. `ipc.maximum.data.length`.
    pub max_request: usize,
    /// What connections may protect, what we want most first. `hadoop.rpc.protection`.
    pub protection: Vec<Qop>,
}

impl Default for Options {
    /// What Hadoop does when nothing is configured, but for the time of a call: a minute instead of two.
    fn default() -> Options {
        Options {
            connect_timeout: Duration::from_secs(20),
            call_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(60),
            max_idle: Duration::from_secs(10),
            max_response: 128 * 1024 * 1024,
            max_request: 128 * 1024 * 1024,
            protection: vec![Qop::Auth],
        }
    }
}

/// As whom a connection is made.
#[derive(Clone, Debug)]
pub enum Login {
    /// As a user whose name the server believes.
    Simple {
        /// The name.
        user: String,
    },
    /// By a token. The server knows the user from it.
    Token(Token),
    /// By a Kerberos ticket, as `kinit` gets one.
    Kerberos {
        /// The user's name, for servers that believe it.
        user: String,
        /// Whether a server that has security off may be talked to. `ipc.client.fallback-to-simple-auth-allowed`.
        fallback: bool,
        /// Whom the server must be.
        server: ServerPrincipal,
    },
}

impl Login {
    /// Whether connections begin with SASL.
    pub(crate) fn is_secure(&self) -> bool {
        !matches!(self, Login::Simple { .. })
    }
}

/// Whom a server must be, so that a ticket is not shown to a stranger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerPrincipal {
    /// The key that says so, such as `yarn.resourcemanager.principal`.
    pub key: String,
    /// A principal, such as `rm/_HOST@EXAMPLE.ORG`: `_HOST` stands for the host that is connected to.
    pub principal: String,
    /// Or a pattern with `*`, as `<key>.pattern` has it.
    pub pattern: Option<String>,
}

impl ServerPrincipal {
    /// Whether a server at `host`, which calls itself `service/instance`, is the one. Its realm is proved by its ticket.
    #[cfg(any(test, feature = "kerberos"))]
    pub(crate) fn admits(&self, service: &str, instance: &str, host: &str) -> bool {
        let short = format!("{service}/{instance}");
        if let Some(pattern) = &self.pattern {
            let pattern = pattern.split('@').next().unwrap_or_default();
            return glob(pattern.as_bytes(), short.as_bytes());
        }
        let expected = self.principal.split('@').next().unwrap_or_default();
        expected.replace("_HOST", &host.to_ascii_lowercase()) == short
    }

    /// The realm that the server must be of; none where the configuration leaves it open.
    #[cfg(any(test, feature = "kerberos"))]
    pub(crate) fn realm(&self) -> Option<&str> {
        let (_, realm) = self.pattern.as_ref().unwrap_or(&self.principal).split_once('@')?;
        (!realm.is_empty() && !realm.contains('*')).then_some(realm)
    }
}

/// Whether a text is what a pattern with `*` describes.
#[cfg(any(test, feature = "kerberos"))]
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(all(test, feature = "fake"))]
mod wire_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_configured_server_is_admitted() {
        let exact = |principal: &str| ServerPrincipal { principal: principal.into(), ..Default::default() };
        assert!(exact("rm/_HOST@R").admits("rm", "host1", "HOST1"));
        assert!(exact("rm/host1@R").admits("rm", "host1", "10.0.0.1"));
        assert!(!exact("rm/_HOST@R").admits("rm", "host2", "host1"));
        assert!(!exact("rm/_HOST@R").admits("hdfs", "host1", "host1"));
        let pattern = |pattern: &str| ServerPrincipal { pattern: Some(pattern.into()), ..Default::default() };
        assert!(pattern("*").admits("rm", "a", "b"));
        assert!(pattern("rm/*.example.org@R").admits("rm", "a.example.org", "b"));
        assert!(!pattern("rm/*.example.org").admits("rm", "a.example.com", "b"));
        assert_eq!(exact("rm/_HOST@R").realm(), Some("R"));
        assert_eq!(exact("rm/_HOST").realm(), None);
        assert_eq!(pattern("rm/*@R").realm(), Some("R"));
        assert_eq!((pattern("*").realm(), pattern("*@*").realm()), (None, None));
    }
}
