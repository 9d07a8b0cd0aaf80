//! Where a server listens.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A host and a port; the host may be a name, an IPv4 address, or an IPv6 address without brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address; one looks like rm.example.org:8032")]
pub struct AddressError(pub String);

impl Address {
    /// An address from its parts.
    pub fn new(host: impl Into<String>, port: u16) -> Address {
        Address { host: host.into(), port }
    }

    /// Whether this means "every interface", where one can listen but not connect to.
    pub fn is_unspecified(&self) -> bool {
        matches!(&*self.host, "0.0.0.0" | "::" | "*")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let refuse = || AddressError(text.chars().take(80).collect());
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(refuse)?;
        let port = port.parse().map_err(|_| refuse())?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(['/', ' ', '[', ']']) {
            return Err(refuse());
        }
        Ok(Address::new(host, port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::new(address.ip().to_string(), address.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for text in ["rm:8032", "127.0.0.1:1", "[::1]:8030"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!(" rm:1 ".parse(), Ok(Address::new("rm", 1)));
        for text in ["rm", "rm:", ":80", "rm:65536", "hdfs://rm:80", "[::1:80"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        assert!(Address::new("0.0.0.0", 8032).is_unspecified());
    }
}
