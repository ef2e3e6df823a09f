//! `[server]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::section::section;

section! {
    /// Where the server listens and how it stops.
    Server {
        /// Address and port. Plain HTTP: put a proxy with TLS in front of anything but a loopback address.
        listen: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8420);
        /// How long, once a stop was asked for, everything is still served while `/readyz` already says no, so that a load balancer can turn away first, milliseconds.
        stop_notice_ms: u64 = 0;
        /// How long requests under way may take to end after that, milliseconds. Streams that are still open then end with an error event.
        drain_ms_max: u64 = 30_000;
    }
}
