//! Addresses of this machine, as the machines of a cluster see them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The host of `HOST:PORT`.
pub(super) fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Whether a host is this machine to itself, and nobody to others.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Where all addresses of this machine would be listened on, but the others know only loopback: loopback.
pub(super) fn narrowed(address: SocketAddr, host: &str) -> SocketAddr {
    if address.ip().is_unspecified() && is_loopback(host) {
        return SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
    }
    address
}

/// The page of this run, if others can see it.
pub(super) fn tracking_url(metrics: Option<SocketAddr>, host: &str) -> String {
    match metrics {
        Some(at) if at.ip().is_unspecified() => format!("http://{host}:{}/metrics", at.port()),
        Some(at) if at.ip().is_loopback() && !is_loopback(host) => String::new(),
        Some(at) => format!("http://{at}/metrics"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_nobody_sees_are_not_told() {
        let url = |metrics: Option<&str>, host| tracking_url(metrics.map(|at| at.parse().unwrap()), host);
        assert_eq!(url(Some("0.0.0.0:9"), "gpu1"), "http://gpu1:9/metrics");
        assert_eq!(url(Some("10.0.0.5:9"), "gpu1"), "http://10.0.0.5:9/metrics");
        assert_eq!(url(Some("127.0.0.1:9"), "127.0.0.1"), "http://127.0.0.1:9/metrics");
        assert_eq!(url(Some("127.0.0.1:9"), "gpu1"), "");
        assert_eq!(url(None, "gpu1"), "");
    }

    #[test]
    fn ports_are_open_to_those_who_need_them() {
        let narrowed = |address: &str, host| narrowed(address.parse().unwrap(), host).to_string();
        assert_eq!(narrowed("0.0.0.0:0", "127.0.0.1"), "127.0.0.1:0");
        assert_eq!(narrowed("0.0.0.0:7", "gpu1"), "0.0.0.0:7");
        assert_eq!(narrowed("10.0.0.5:7", "localhost"), "10.0.0.5:7");
    }
}
