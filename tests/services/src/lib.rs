//! Private PostgreSQL and Redis servers for tests, and where the shared ones are.
//!
//! `cargo xtask test` starts one of each and names them in [`POSTGRES_URL`] and [`REDIS_URL`]; a test asks
//! [`Services::from_env`] and fails with advice where nobody has. A test that takes a server away from others, or kills it,
//! starts a [`Postgres`] or a [`Redis`] of its own, the first from the programs that [`POSTGRES_PROGRAMS`] names.
//!
//! Servers run as an unprivileged user, listen on loopback with a password that only this run knows, and end with the
//! process that started them, however that one ends.

mod account;
mod folder;
mod postgres;
mod process;
mod redis;
mod roles;

pub use postgres::{POSTGRES_PROGRAMS, Postgres};
pub use redis::Redis;
pub use roles::granted_by;

/// The variable that holds a superuser's URL of a PostgreSQL server for tests.
pub const POSTGRES_URL: &str = "INSULA_TEST_POSTGRES_URL";
/// The variable that holds the URL of a Redis server for tests.
pub const REDIS_URL: &str = "INSULA_TEST_REDIS_URL";

/// Where the servers are that all tests of a run share.
#[derive(Debug, Clone)]
pub struct Services {
    /// A superuser's URL.
    pub postgres_url: String,
    /// The URL of the Redis server.
    pub redis_url: String,
}

impl Services {
    /// As `cargo xtask test` and `cargo xtask services` say it.
    ///
    /// # Panics
    /// When they do not: a test that cannot run has failed.
    pub fn from_env() -> Self {
        Self { postgres_url: from_env(POSTGRES_URL), redis_url: from_env(REDIS_URL) }
    }
}

/// One of the two variables.
///
/// # Panics
/// When it is not set.
#[expect(clippy::panic, reason = "this is how a test fails")]
pub fn from_env(name: &str) -> String {
    match std::env::var(name) {
        Ok(url) if !url.is_empty() => url,
        _ => panic!(
            "{name} is not set: run the tests with `cargo xtask test`, or leave `cargo xtask services` running and export \
             what it prints"
        ),
    }
}
