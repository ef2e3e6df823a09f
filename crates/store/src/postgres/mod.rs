//! PostgreSQL: the engine for several nodes.
//!
//! Every transaction begins with whom it acts for: the control role, or one tenant under row-level security. The role that
//! logs in has no right of its own, so that a connection outside such a transaction reads nothing.

mod connect;
mod error;

pub use connect::PostgresUrl;
