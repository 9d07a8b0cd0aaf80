//! Ports that a process which is started again finds free.

use std::net::TcpListener;

/// Where they are sought: below those that the system gives to outgoing connections, lest a reader that tries to connect
/// takes the port of the GPU node that is away.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port of loopback that is free.
pub fn free_port() -> u16 {
    let mut tries = (0..1000).map(|_| fastrand::u16(PORTS));
    tries.find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).expect("no port is free")
}
