//! Every bound of the HTTP server, by name.

use std::time::Duration;

/// Bounds of the HTTP server. All have defaults; each is a key of the configuration reference.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Connections open at once; further ones wait in the listener's backlog until one closes.
    pub connections_max: usize,
    /// How long a connection may take to send a request's head, counted from the end of the request before: also how
    /// long an idle connection is kept.
    pub header_read_max: Duration,
    /// How long a request's body may stand still before it is given up.
    pub body_idle_max: Duration,
    /// Bytes of a request's body on the data plane; above it callers get 413.
    pub body_bytes_max: usize,
    /// How long, once a stop was asked for, everything is still served while `/readyz` already says no, so that a load
    /// balancer can turn away first.
    pub stop_notice: Duration,
    /// Bytes that all large request bodies together may hold; above it callers get 503.
    pub bodies_bytes_max: u64,
    /// How long a peer may take nothing of its answer before the connection is given up.
    pub write_idle_max: Duration,
    /// How long requests under way may take to end after that.
    pub drain_max: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            header_read_max: Duration::from_secs(30),
            body_idle_max: Duration::from_secs(30),
            body_bytes_max: 32 * 1024 * 1024,
            bodies_bytes_max: 1024 * 1024 * 1024,
            write_idle_max: Duration::from_secs(30),
            stop_notice: Duration::ZERO,
            drain_max: Duration::from_secs(30),
        }
    }
}
